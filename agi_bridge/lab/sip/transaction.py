"""SIP transactions over UDP (RFC 3261 section 17): retransmission until the final response.

A request is repeated until it is answered; a repeated request gets the same response again. The
phone sees each request and each final response once.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

from agi_bridge.lab.sip.message import SipMessage, parse

Address = tuple[str, int]
"""Host and UDP port."""

T1 = 0.5
"""Seconds before the first repetition, RFC 3261 section 17.1.1.1."""

T2 = 4.0
"""Most seconds between repetitions, RFC 3261 section 17.1.2.1."""

GIVE_UP = 64 * T1
"""Seconds until an unanswered request fails."""

_REMEMBERED = 2000  # responses kept for repeated requests


def new_branch() -> str:
    """Return the branch of a new transaction, RFC 3261 section 8.1.1.7."""
    return f"z9hG4bK{secrets.token_hex(8)}"


class Retransmitter:
    """Sends one datagram repeatedly, at growing intervals, until `stop`."""

    def __init__(self, send: Callable[[], None]) -> None:
        self._send = send
        self._wait = T1
        self._left = GIVE_UP
        self._timer: asyncio.TimerHandle | None = None
        self._send_and_wait()

    def stop(self) -> None:
        """Stop sending."""
        if self._timer is not None:
            self._timer.cancel()

    def _send_and_wait(self) -> None:
        self._send()
        self._timer = None
        if self._left > 0:
            self._timer = asyncio.get_running_loop().call_later(self._wait, self._send_and_wait)
            self._left -= self._wait
            self._wait = min(self._wait * 2, T2)


@dataclass(slots=True, eq=False)
class Transaction:
    """A request that was sent.

    Attributes:
        request: the request.
        final: its final response; None if there was none in time.
        heard: set at the first response of any kind.
    """

    request: SipMessage
    to: Address
    on_provisional: Callable[[SipMessage], None]
    on_repeated: Callable[[SipMessage], None]
    repeater: Retransmitter | None = None
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    final: "asyncio.Future[SipMessage | None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class SipTransport(asyncio.DatagramProtocol):
    """A UDP socket that speaks SIP.

    Args:
        on_request: called once for each request (for every ACK) with the address of its sender.
    """

    def __init__(self, on_request: Callable[[SipMessage, Address], None]) -> None:
        self._on_request = on_request
        self._transport: asyncio.DatagramTransport | None = None
        self._sent: dict[tuple[str, str], Transaction] = {}
        self._answered: OrderedDict[tuple[str, str], tuple[bytes, Address]] = OrderedDict()

    @property
    def port(self) -> int:
        """Local UDP port; 0 when the socket is closed."""
        return 0 if self._transport is None else int(self._transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        """Close the socket; pending requests get None."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        for transaction in self._sent.values():
            self._finish(transaction, None)
        self._sent.clear()

    def write(self, message: SipMessage, to: Address) -> None:
        """Send a message once, like an ACK."""
        self._write(message.encode(), to)

    def respond(self, message: SipMessage, request: SipMessage, to: Address) -> None:
        """Send a response; send it again when its request is repeated."""
        data = message.encode()
        self._answered[(request.branch, request.method)] = (data, to)
        while len(self._answered) > _REMEMBERED:
            self._answered.popitem(last=False)
        self._write(data, to)

    def request(
        self,
        request: SipMessage,
        to: Address,
        *,
        on_provisional: Callable[[SipMessage], None] = lambda _response: None,
        on_repeated: Callable[[SipMessage], None] = lambda _response: None,
    ) -> Transaction:
        """Send a request until it is answered.

        Args:
            request: a request with a new branch.
            to: the address to send it to.
            on_provisional: called with each 1xx response.
            on_repeated: called with a repeated final response (an INVITE's 200 whose ACK was
                lost).
        """
        transaction = Transaction(request, to, on_provisional, on_repeated)
        key = (request.branch, request.method)
        self._sent[key] = transaction
        data = request.encode()
        transaction.repeater = Retransmitter(lambda: self._write(data, to))
        loop = asyncio.get_running_loop()
        timer = loop.call_later(
            GIVE_UP,
            lambda: None if transaction.heard.is_set() else self._finish(transaction, None),
        )

        def finished(_: object) -> None:
            timer.cancel()
            # Until then the response may be repeated.
            loop.call_later(GIVE_UP, self._sent.pop, key, None)

        transaction.final.add_done_callback(finished)
        return transaction

    # ---- asyncio.DatagramProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        """Pass a response to its transaction, a new request to the phone."""
        message = parse(data)
        if message is None:
            return
        if message.status is not None:
            self._response(message, message.status)
            return
        came_from = (str(addr[0]), int(addr[1]))
        answered = self._answered.get((message.branch, message.method))
        if answered is not None and message.method != "ACK":
            self._write(*answered)
            return
        self._on_request(message, came_from)

    def _response(self, message: SipMessage, status: int) -> None:
        transaction = self._sent.get((message.branch, message.method))
        if transaction is None:
            return
        transaction.heard.set()
        if transaction.repeater is not None:
            transaction.repeater.stop()
        if status < 200:  # noqa: PLR2004  # RFC 3261 section 7.2: 1xx is provisional
            transaction.on_provisional(message)
            return
        if message.method == "INVITE" and status >= 300:  # noqa: PLR2004  # RFC 3261 section 17.1.1.3
            self.write(_ack(transaction.request, message), transaction.to)
        if transaction.final.done():
            transaction.on_repeated(message)
        else:
            self._finish(transaction, message)

    @staticmethod
    def _finish(transaction: Transaction, response: SipMessage | None) -> None:
        if transaction.repeater is not None:
            transaction.repeater.stop()
        with suppress(asyncio.InvalidStateError):
            transaction.final.set_result(response)

    def _write(self, data: bytes, to: Address) -> None:
        if self._transport is not None:
            self._transport.sendto(data, to)


def _ack(invite: SipMessage, response: SipMessage) -> SipMessage:
    """Return the ACK to a refusal; it belongs to the INVITE's transaction, section 17.1.1.3."""
    return SipMessage(
        f"ACK {invite.uri} SIP/2.0",
        (
            ("Via", invite.first("Via")),
            ("Max-Forwards", "70"),
            ("From", invite.first("From")),
            ("To", response.first("To")),
            ("Call-ID", invite.first("Call-ID")),
            ("CSeq", f"{invite.sequence} ACK"),
        ),
    )
