"""One call of a SIP telephone: the dialog (RFC 3261 section 12) and its media."""

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING

from agi_bridge.lab.errors import CallEndedError, CallFailedError
from agi_bridge.lab.sip import message as sip
from agi_bridge.lab.sip.message import SipMessage
from agi_bridge.lab.sip.rtp import RtpStream
from agi_bridge.lab.sip.transaction import Address, Retransmitter, SipTransport, new_branch

if TYPE_CHECKING:
    from array import array

_ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, NOTIFY"
_REASONS = {
    100: "Trying",
    180: "Ringing",
    200: "OK",
    404: "Not Found",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    503: "Service Unavailable",
    603: "Decline",
}
_GOODBYE = 2.0  # seconds to wait until the other side confirms the end


class State(Enum):
    """The state of a call."""

    CALLING = auto()
    RINGING = auto()
    UP = auto()
    OVER = auto()


class End(StrEnum):
    """Who ended a call."""

    HERE = "here"
    THERE = "there"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Account:
    """The identity of a telephone.

    Attributes:
        user: the name in its SIP address, and of its account if it has a password.
        password: the account's password; None without an account. Never shown.
        host: the local address for SIP and RTP.
    """

    user: str
    password: str | None
    host: str

    def __repr__(self) -> str:
        """Show everything but the password."""
        return f"Account(user={self.user!r}, host={self.host!r})"


def response(request: SipMessage, status: int, *, to_tag: str = "", **more: str) -> SipMessage:
    """Return the response to a request, RFC 3261 section 8.2.6.

    Args:
        request: the request to answer.
        status: e.g. 200.
        to_tag: this side's tag, added to To if the request has none.
        more: `contact` and `body` (SDP).
    """
    to = request.first("To")
    if to_tag and not sip.parameter(to, "tag"):
        to += f";tag={to_tag}"
    headers = [("Via", via) for via in request.all("Via")]
    headers += [
        ("From", request.first("From")),
        ("To", to),
        ("Call-ID", request.first("Call-ID")),
        ("CSeq", request.first("CSeq")),
        ("Allow", _ALLOW),
    ]
    if contact := more.get("contact"):
        headers.append(("Contact", f"<{contact}>"))
    body = more.get("body", "")
    if body:
        headers.append(("Content-Type", "application/sdp"))
    return SipMessage(f"SIP/2.0 {status} {_REASONS[status]}", tuple(headers), body)


class Call:
    """An outgoing or incoming call; created by `SipPhone` only.

    Attributes:
        number: the dialled number.
        caller: the number in From, as the called telephone receives it: the caller ID.
        state: the state of the call.
        status: the final SIP status of the INVITE; None before.
        ended_by: who ended it; None during the call, or if nobody answered.
        media: its RTP stream, with `packets` and `keys`.
        answered_at: the event loop's time of the answer; None before.
    """

    def __init__(
        self,
        transport: SipTransport,
        account: Account,
        media: RtpStream,
        *,
        number: str,
        caller: str,
        peer: Address,
        call_id: str = "",
    ) -> None:
        self.number, self.caller = number, caller
        self.state = State.CALLING
        self.status: int | None = None
        self.ended_by: End | None = None
        self.media = media
        self.answered_at: float | None = None
        self.call_id = call_id or f"{secrets.token_hex(12)}@{account.host}"
        self._transport, self._account, self._peer = transport, account, peer
        self._tag = secrets.token_hex(6)
        self._local = self._remote = self._target = ""
        self._sequence = 0
        self._invite: SipMessage | None = None
        self._reply: Retransmitter | None = None
        self._heard, self._up, self._over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._confirmed = asyncio.Event()

    # ---- what the user does

    async def answered(self, within: float = 10.0) -> None:
        """Wait until the called side answers.

        Raises:
            CallFailedError: the called side refused, or the call was cancelled.
            TimeoutError: after `within` seconds.
        """
        async with asyncio.timeout(within):
            await self._up.wait()
        if self.answered_at is None:
            raise CallFailedError(self.status)

    async def ended(self, within: float = 10.0) -> None:
        """Wait until either end hangs up; TimeoutError after `within` seconds."""
        async with asyncio.timeout(within):
            await self._over.wait()

    async def press(self, keys: str, *, duration: float = 0.1, gap: float = 0.1) -> None:
        """Press keys; see `RtpStream.press`."""
        self._must_be_up()
        await self.media.press(keys, duration=duration, gap=gap)

    def play(self, samples: "array[int]") -> None:
        """Play samples to the other side; see `RtpStream.play`."""
        self._must_be_up()
        self.media.play(samples)

    def heard(self) -> "array[int]":
        """Return all received sound as 16-bit samples at 8 kHz; see `RtpStream.heard`."""
        return self.media.heard()

    def answer(self) -> None:
        """Answer a ringing call (of a telephone whose behaviour is RING)."""
        if self.state is not State.RINGING or self._invite is None:
            raise CallEndedError("not_ringing", "the call does not ring")
        self._respond(200, body=self._sdp())
        self._connected()

    def refuse(self, status: int = 486) -> None:
        """Refuse a ringing call with a SIP status: 486 busy, 503, 404, 603, 480."""
        if self.state is not State.RINGING:
            raise CallEndedError("not_ringing", "the call does not ring")
        self._respond(status)
        self.status = status
        self._finish(End.REFUSED)

    async def hang_up(self) -> None:
        """End the call: BYE if it is up, CANCEL while it rings there, 480 while it rings here."""
        if self.state is State.UP:
            with suppress(TimeoutError):  # no BYE before the ACK, section 15
                await asyncio.wait_for(self._confirmed.wait(), _GOODBYE)
        if self.state is State.UP:
            self._sequence += 1
            bye = self._transport.request(self._request("BYE", self._target), self._peer)
            self._finish(End.HERE)
            await asyncio.wait({bye.final}, timeout=_GOODBYE)
        elif self.state is State.RINGING:
            self.refuse(480)
        elif self.state is State.CALLING:
            await self._cancel()

    # ---- outgoing calls

    async def place(self, uri: str, *, name: str = "") -> None:
        """Send the INVITE, with credentials if challenged; return at the final response."""
        self._target = uri
        self._local = f'"{name}" ' if name else ""
        self._local += f"<sip:{self.caller}@{self._account.host}>;tag={self._tag}"
        self._remote = f"<{uri}>"
        challenge = ""
        while True:
            self._sequence += 1
            self._invite = self._request("INVITE", uri, body=self._sdp(), challenge=challenge)
            final = await self._transport.request(
                self._invite,
                self._peer,
                on_provisional=self._progress,
                on_repeated=lambda final: self._acknowledge(final) if _good(final) else None,
            ).final
            asked = final.first("WWW-Authenticate") if final is not None else ""
            if challenge or not asked or self._account.password is None:
                break
            challenge = asked
        self._placed(final)

    def _placed(self, final: SipMessage | None) -> None:
        self.status = None if final is None else final.status
        if final is None or not _good(final):
            self._finish(End.REFUSED if final is not None else None)
            return
        self._remote = final.first("To")
        self._target = sip.address(final.first("Contact")) or self._target
        self._acknowledge(final)
        if self.state is State.OVER:  # cancelled at the moment of the answer
            self._sequence += 1
            self._transport.request(self._request("BYE", self._target), self._peer)
            return
        self.media.remote = sip.media_address(final.body)
        self._confirmed.set()
        self._connected()

    def _progress(self, provisional: SipMessage) -> None:
        self._heard.set()
        if provisional.body:
            self.media.remote = sip.media_address(provisional.body)

    async def _cancel(self) -> None:
        """Cancel an unanswered call, which needs a first response (section 9.1)."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._heard, self._over)]
        await asyncio.wait(waits, timeout=_GOODBYE, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if self.state is not State.CALLING or self._invite is None:
            await self.hang_up() if self.state is State.UP else None
            return
        cancel = SipMessage(
            f"CANCEL {self._invite.uri} SIP/2.0",
            (
                *((h, self._invite.first(h)) for h in ("Via", "From", "To", "Call-ID")),
                ("Max-Forwards", "70"),
                ("CSeq", f"{self._invite.sequence} CANCEL"),
            ),
        )
        self._transport.request(cancel, self._peer)
        await asyncio.wait({asyncio.ensure_future(self._over.wait())}, timeout=_GOODBYE)
        self._finish(End.HERE)

    # ---- incoming calls

    def ring(self, invite: SipMessage) -> None:
        """Accept an INVITE: store its dialog and send 180 Ringing."""
        self._invite = invite
        self.state = State.RINGING
        self._local = f"{invite.first('To')};tag={self._tag}"
        self._remote = invite.first("From")
        self._target = sip.address(invite.first("Contact"))
        self.media.remote = sip.media_address(invite.body)
        self._respond(180)

    def on_request(self, request: SipMessage, came_from: Address) -> None:
        """Handle a request within this call."""
        if request.method == "ACK":
            self._stop_reply()
            self._confirmed.set()
        elif request.method == "BYE":
            self._transport.respond(response(request, 200, to_tag=self._tag), request, came_from)
            self._finish(End.THERE)
        elif request.method == "CANCEL":
            self._transport.respond(response(request, 200, to_tag=self._tag), request, came_from)
            if self.state is State.RINGING:
                self._respond(487)
                self.status = 487
                self._finish(End.THERE)
        else:  # re-INVITE and UPDATE change no codec; OPTIONS, INFO and NOTIFY need only a 200
            if request.body and (where := sip.media_address(request.body)):
                self.media.remote = where
            body = self._sdp() if request.method == "INVITE" or request.body else ""
            reply = response(request, 200, to_tag=self._tag, contact=self._contact(), body=body)
            self._transport.respond(reply, request, came_from)

    def close(self) -> None:
        """Drop the call without a message, like a telephone that loses power."""
        self._finish(None)
        self._stop_reply()

    # ---- helpers

    def _respond(self, status: int, body: str = "") -> None:
        """Answer the INVITE; a final answer is repeated until its ACK, section 13.3.1.4."""
        invite = self._invite
        if invite is None:
            return
        reply = response(invite, status, to_tag=self._tag, contact=self._contact(), body=body)
        self._stop_reply()

        def send() -> None:
            self._transport.respond(reply, invite, self._peer)

        if status < 200:  # noqa: PLR2004  # provisional, section 7.2
            send()
        else:
            self._reply = Retransmitter(send)

    def _stop_reply(self) -> None:
        if self._reply is not None:
            self._reply.stop()
            self._reply = None

    def _acknowledge(self, final: SipMessage) -> None:
        """Send the ACK of a 200, a separate request (section 13.2.2.4)."""
        self._transport.write(
            self._request("ACK", self._target, sequence=final.sequence), self._peer
        )

    def _request(
        self, method: str, uri: str, *, body: str = "", challenge: str = "", sequence: int = 0
    ) -> SipMessage:
        here = f"{self._account.host}:{self._transport.port}"
        headers = [
            ("Via", f"SIP/2.0/UDP {here};branch={new_branch()};rport"),
            ("Max-Forwards", "70"),
            ("From", self._local),
            ("To", self._remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{sequence or self._sequence} {method}"),
            ("Contact", f"<{self._contact()}>"),
        ]
        if challenge and self._account.password is not None:
            proof = sip.authorization(
                challenge,
                method=method,
                uri=uri,
                user=self._account.user,
                password=self._account.password,
            )
            headers.append(("Authorization", proof))
        if body:
            headers.append(("Content-Type", "application/sdp"))
        return SipMessage(f"{method} {uri} SIP/2.0", tuple(headers), body)

    def _contact(self) -> str:
        return f"sip:{self._account.user}@{self._account.host}:{self._transport.port}"

    def _sdp(self) -> str:
        return sip.sdp(self._account.host, self.media.port)

    def _connected(self) -> None:
        self.status = 200
        self.state = State.UP
        self.answered_at = asyncio.get_running_loop().time()
        self._up.set()

    def _must_be_up(self) -> None:
        if self.state is not State.UP:
            raise CallEndedError("not_up", "the call is not up")

    def _finish(self, end: End | None) -> None:
        if self.state is State.OVER:
            return
        self.state = State.OVER
        self.ended_by = end
        self.media.close()
        self._up.set()
        self._confirmed.set()
        self._over.set()


def _good(final: SipMessage) -> bool:
    return final.status is not None and 200 <= final.status < 300  # noqa: PLR2004  # success, 7.2
