"""An automated SIP telephone: places and takes calls, sends DTMF, records what it receives.

For tests and demonstrations with a PBX on this machine or in a quiet network: UDP, G.711 mu-law,
RFC 4733 DTMF with exact timing, digest authentication. It handles lost and repeated datagrams.

    async with SipPhone(user="softphone", password=secret, server=("127.0.0.1", 5060)) as phone:
        call = await phone.dial("+14155550111", caller_id="+15145550100")
        await call.answered()
        await call.press("4155550123")
        await call.hang_up()
"""

import asyncio
import secrets
from collections.abc import Coroutine
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote

from agi_bridge.lab.errors import PhoneError, RegistrationError
from agi_bridge.lab.sip import message as sip
from agi_bridge.lab.sip.call import Account, Call, State, response
from agi_bridge.lab.sip.message import SipMessage
from agi_bridge.lab.sip.rtp import RtpStream
from agi_bridge.lab.sip.transaction import Address, SipTransport, new_branch


class Behaviour(StrEnum):
    """What a telephone does with an incoming call."""

    ANSWER = "answer"
    RING = "ring"
    """Ring until the caller gives up, or `Call.answer` or `Call.refuse` is called."""
    BUSY = "busy"
    CONGESTION = "congestion"
    NOT_FOUND = "not found"
    DECLINE = "decline"


_REFUSALS = {
    Behaviour.BUSY: 486,
    Behaviour.CONGESTION: 503,
    Behaviour.NOT_FOUND: 404,
    Behaviour.DECLINE: 603,
}


class SipPhone:
    """A telephone; an async context manager.

    Args:
        user: its name, and the name of its account.
        password: the account's password at the PBX; None without an account, like the far end of a
            trunk.
        server: the PBX; required to register and to dial.
        host: the local address, which the PBX must be able to reach.
        port: the local SIP port; 0 selects a free one.
        behaviour: what it does with an incoming call; may change at any time.
        ring_seconds: seconds to ring before it answers.
        quiet: send no packets of silence, which saves CPU time with many calls at once.

    Attributes:
        calls: every call so far, outgoing and incoming.
    """

    def __init__(
        self,
        *,
        user: str = "phone",
        password: str | None = None,
        server: Address | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        behaviour: Behaviour = Behaviour.ANSWER,
        ring_seconds: float = 0.1,
        quiet: bool = False,
    ) -> None:
        self.behaviour, self.ring_seconds, self.quiet = behaviour, ring_seconds, quiet
        self.calls: list[Call] = []
        self._account = Account(user, password, host)
        self._server, self._wanted_port = server, port
        self._transport = SipTransport(self._on_request)
        self._incoming: asyncio.Queue[Call] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._register_id = f"{secrets.token_hex(12)}@{host}"
        self._register_count = 0
        self._registered = False

    @property
    def address(self) -> Address:
        """Its address: host and SIP port."""
        return self._account.host, self._transport.port

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(
            lambda: self._transport, local_addr=(self._account.host, self._wanted_port)
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Hang up active calls, unregister, close the socket."""
        live = [call for call in self.calls if call.state is not State.OVER]
        await asyncio.gather(*(call.hang_up() for call in live))
        if self._registered:
            with suppress(PhoneError, TimeoutError):  # the PBX may have stopped first
                await asyncio.wait_for(self.register(0), timeout=1.0)
        self._transport.close()
        for call in self.calls:
            call.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def register(self, seconds: int = 3600) -> None:
        """Register with the PBX (RFC 3261 section 10); 0 seconds unregisters.

        Raises:
            RegistrationError: the PBX refused or did not answer.
        """
        server = self._need_server()
        uri = f"sip:{server[0]}:{server[1]}"
        challenge, final = "", None
        while True:
            message = self._register_message(uri, seconds, challenge)
            final = await self._transport.request(message, server).final
            asked = final.first("WWW-Authenticate") if final is not None else ""
            if challenge or not asked or self._account.password is None:
                break
            challenge = asked
        status = None if final is None else final.status
        if status != 200:  # noqa: PLR2004  # OK
            raise RegistrationError(status)
        self._registered = seconds > 0

    async def dial(self, number: str, *, caller_id: str = "", name: str = "") -> Call:
        """Start a call and return at once; then `await call.answered()`.

        Args:
            number: the number to dial.
            caller_id: the caller ID to show; empty for the account's name. A PBX accepts it from an
                authenticated account.
            name: the caller name to show.
        """
        server = self._need_server()
        call = Call(
            self._transport,
            self._account,
            await RtpStream.open(self._account.host, quiet=self.quiet),
            number=number,
            caller=caller_id or self._account.user,
            peer=server,
        )
        self.calls.append(call)
        uri = f"sip:{quote(number, safe='+*')}@{server[0]}:{server[1]}"
        self._start(call.place(uri, name=name))
        return call

    async def next_call(self, within: float = 10.0) -> Call:
        """Return the next incoming call, including refused ones.

        Raises:
            TimeoutError: there was none `within` seconds.
        """
        async with asyncio.timeout(within):
            return await self._incoming.get()

    # ---- incoming requests

    def _on_request(self, request: SipMessage, came_from: Address) -> None:
        call_id = request.first("Call-ID")
        call = next((call for call in self.calls if call.call_id == call_id), None)
        if call is not None:
            call.on_request(request, came_from)
        elif request.method == "INVITE":
            self._reply(request, 100, came_from)
            self._start(self._take(request, came_from))
        elif request.method in {"OPTIONS", "NOTIFY"}:  # "are you there", "no new messages"
            self._reply(request, 200, came_from)
        elif request.method != "ACK":
            self._reply(request, 481, came_from)

    async def _take(self, invite: SipMessage, came_from: Address) -> None:
        call = Call(
            self._transport,
            self._account,
            await RtpStream.open(self._account.host, quiet=self.quiet),
            number=unquote(sip.user_of(invite.uri)),
            caller=unquote(sip.user_of(sip.address(invite.first("From")))),
            peer=came_from,
            call_id=invite.first("Call-ID"),
        )
        self.calls.append(call)
        call.ring(invite)
        self._incoming.put_nowait(call)
        behaviour = self.behaviour
        if behaviour is Behaviour.ANSWER:
            await asyncio.sleep(self.ring_seconds)
            if call.state is State.RINGING:
                call.answer()
        elif behaviour in _REFUSALS:
            call.refuse(_REFUSALS[behaviour])

    # ---- helpers

    def _reply(self, request: SipMessage, status: int, to: Address) -> None:
        tag = "" if status == 100 else secrets.token_hex(6)  # noqa: PLR2004  # Trying has no tag
        self._transport.respond(response(request, status, to_tag=tag), request, to)

    def _register_message(self, uri: str, seconds: int, challenge: str) -> SipMessage:
        self._register_count += 1
        account, here = self._account, f"{self._account.host}:{self._transport.port}"
        own = f"sip:{account.user}@{uri.removeprefix('sip:')}"
        headers = [
            ("Via", f"SIP/2.0/UDP {here};branch={new_branch()};rport"),
            ("Max-Forwards", "70"),
            ("From", f"<{own}>;tag={secrets.token_hex(6)}"),
            ("To", f"<{own}>"),
            ("Call-ID", self._register_id),
            ("CSeq", f"{self._register_count} REGISTER"),
            ("Contact", f"<sip:{account.user}@{here}>"),
            ("Expires", str(seconds)),
        ]
        if challenge and account.password is not None:
            proof = sip.authorization(
                challenge,
                method="REGISTER",
                uri=uri,
                user=account.user,
                password=account.password,
            )
            headers.append(("Authorization", proof))
        return SipMessage(f"REGISTER {uri} SIP/2.0", tuple(headers))

    def _need_server(self) -> Address:
        if self._server is None:
            raise PhoneError("no_server", "this phone has no PBX: set its server")
        return self._server

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
