"""The doctor's FastAGI server (its ear), to which both ends of a test call connect.

The called end comes through the admin's dialplan, which finds the ear by per-call variables. The
calling end is an `AGI()` that Asterisk starts for the call when it is answered. So the doctor plays
and listens at one end, and keys at the other, and no key is sent before the ear has the call.

A call says which it is by an id in its path, and shows a token that holds for this run only. No
ledger, no hook and no line of the bridge is involved: nothing is stored and nobody is texted.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from agi_bridge.agi import AGIAppError, AGIError, AGIHangup, Limits, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from agi_bridge.agi import Channel
    from agi_bridge.doctor.line_sounds import TestSound

KEY: Final = "5"
"""What the calling end presses."""

RESULT: Final = "AGI_BRIDGE_RESULT"
DONE: Final = "done"
"""What a bridge says when it has finished a call; the dialplan then hangs up."""

KEY_SECONDS: Final = 2.0
"""How long the key may take: half a second of pause, and a tenth of tone."""
END_SECONDS: Final = 2.0
"""How long the dialplan may take to hang up after the result."""
PLAY_MARGIN: Final = 2.0
"""What answering and playing may take besides the sound itself."""
BEYOND_END: Final = 8000 * 3600
"""An offset in samples that no recording reaches: whether it exists is known without a sound."""

_APPLICATIONS: Final = frozenset({"SendDTMF", "AGI"})
_HEALTH: Final = "AGI_BRIDGE_HEALTH"
"""What a bridge sets that is asked by `AGI(agi://…/health)`."""
_PAUSE_THEN_KEY: Final = f"w{KEY}"
"""Half a second, in which the called end begins to wait for a key."""


@dataclass(slots=True)
class TestCall:
    """One call, as both ends have seen it so far. Times are in seconds from `began`."""

    __test__ = False

    id: str
    sound: TestSound
    asked: Sequence[str] = ()
    """Recordings of the PBX to look for, like `en/digits/0`."""
    began: float = 0.0
    arrived_at: float | None = None
    answered_at: float | None = None
    number: str = ""
    bridge: str = field(default="", repr=False)
    """The health URL of the bridge, which the PBX is to ask; with the token. Empty: none."""
    health: str | None = None
    """What the bridge said to the PBX; empty: nothing. None: not asked, or still waiting."""
    health_at: float | None = None
    reached: bool = False
    """Whether the PBX could connect to it."""
    heard_at: float | None = None
    samples: int = 0
    missing: list[str] = field(default_factory=list)
    key: str | None = None
    key_at: float | None = None
    result_at: float | None = None
    ended_at: float | None = None
    problem: str = ""
    arrival: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    listening: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the called end is through, or has failed."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the calling end has ended."""
    give_up: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to have the calling end hang up."""


class Ear:
    """The server; an async context manager.

    Args:
        host: the address to listen on.
        port: the port; 0 picks a free one.
        advertised: the address that the PBX connects to.
        allow: networks that may connect, if the address is not a loopback one.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        advertised: str = "",
        allow: Sequence[str] = (),
        max_calls: int = 16,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._advertised = advertised or host
        self._now = now
        self.token = secrets.token_hex(16)
        self.refused = 0
        """Connections that came without the token."""
        self._calls: dict[str, TestCall] = {}
        self._server = Server(
            self._handle,
            host=host,
            port=port,
            allow=allow,
            token=self.token,
            applications=_APPLICATIONS,
            limits=Limits(max_calls=max_calls),
            on_refused=self._note_refused,
        )

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._server.__aexit__(exc_type, exc, traceback)

    def url(self, end: str, call: TestCall) -> str:
        """Return the URL of an end of a call, `called` or `calling`, without the token."""
        host = f"[{self._advertised}]" if ":" in self._advertised else self._advertised
        return f"agi://{host}:{self._server.port}/{end}/{call.id}"

    def expect(self, sound: TestSound, asked: Sequence[str] = (), *, bridge: str = "") -> TestCall:
        """Begin to wait for a call; its time runs from now."""
        call = TestCall(secrets.token_hex(8), sound, asked, self._now(), bridge=bridge)
        self._calls[call.id] = call
        return call

    def _note_refused(self, reason: str) -> None:
        if reason == "token":
            self.refused += 1

    def _since(self, call: TestCall) -> float:
        return self._now() - call.began

    async def _handle(self, channel: Channel) -> None:
        end, _, rest = (channel.environment.script or "").partition("/")
        call = self._calls.get(rest.partition("?")[0])
        if call is None:
            await channel.refuse("not a test call of this run")
        elif end == "calling":
            await self._calling(channel, call)
        else:
            await self._called(channel, call)

    async def _called(self, channel: Channel, call: TestCall) -> None:
        """The end that the dialplan hands to a bridge: listen to nothing but the test."""
        call.number = channel.environment.query.get("to", "")
        call.arrived_at = self._since(call)
        call.arrival.set()
        try:
            await channel.answer()
            await self._play(channel, call)
            for name in call.asked:
                try:
                    await channel.stream_file(name, offset=BEYOND_END)
                except AGIAppError:
                    call.missing.append(name)
            call.listening.set()
            call.key = await channel.wait_for_digit(KEY_SECONDS)
            call.key_at = self._since(call)
            await channel.set_variable(RESULT, DONE)
            call.result_at = self._since(call)
        except AGIHangup:
            call.problem = "the call was hung up"
        except AGIError as error:
            call.problem = f"an AGI command failed ({type(error).__name__})"
        finally:
            call.over.set()

    async def _play(self, channel: Channel, call: TestCall) -> None:
        try:
            played = await channel.stream_file(call.sound.path, length=call.sound.seconds)
            call.samples = played.endpos
        except AGIAppError:
            call.samples = 0
        call.heard_at = self._since(call)

    async def _calling(self, channel: Channel, call: TestCall) -> None:
        """The end that calls: ask the bridge, press the key once the ear listens, then wait.

        The bridge is asked from here because only the PBX can show that it reaches the bridge.
        """
        call.answered_at = self._since(call)
        call.answered.set()
        try:
            async with channel.until_hangup():
                if call.bridge:
                    await self._ask_bridge(channel, call)
                if await _first(call.listening, call.give_up):
                    if not call.over.is_set():  # else nobody knows who has the call now
                        await channel.exec("SendDTMF", _PAUSE_THEN_KEY)
                    await call.give_up.wait()
                await channel.hangup()
        except AGIError:
            pass
        finally:
            if call.ended_at is None:
                call.ended_at = self._since(call)
            call.gone.set()

    async def _ask_bridge(self, channel: Channel, call: TestCall) -> None:
        await channel.exec("AGI", call.bridge)
        call.health_at = self._since(call)
        call.reached = await channel.get_variable("AGISTATUS") == "SUCCESS"
        call.health = await channel.get_variable(_HEALTH) or ""


async def _first(one: asyncio.Event, other: asyncio.Event) -> bool:
    """Wait for either event; return whether `one` is set."""
    waiting = [asyncio.ensure_future(each.wait()) for each in (one, other)]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
            with suppress(asyncio.CancelledError):
                await each
    return one.is_set()
