"""The scenario of a simulated call: its sounds, keys, dial results and environment.

Only values and the clock. Nothing here runs a call.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from agi_bridge.agi.results import ChannelState, SpeechResult
from agi_bridge.agi.testing.dtmf_script import KeysBySound
from agi_bridge.agi.testing.record import CallEvent, DialOutcome

HangupMode = Literal["line", "silent", "eof"]
"""How the server learns of a hangup: HANGUP line, reply 511 only, or end of the stream."""

Sounds = Mapping[str, int] | Callable[[str], int | None]
"""Milliseconds of each sound; a function returns None for a missing one."""

DialBehaviour = str | DialOutcome | Callable[[str], str | DialOutcome]
"""What EXEC Dial ends in: a DIALSTATUS, an outcome, or a function of the destination."""


Subroutine = str | Callable[[Sequence[str]], str | None] | None
"""What a subroutine of the dialplan returns, or a function of its arguments; None: no Return."""


class CallClock(Protocol):
    """The clock of a call that runs at a pace."""

    def time(self) -> float:
        """Return the time in seconds, from any start."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""


class LoopClock:
    """The event loop's clock."""

    def time(self) -> float:
        """Return the loop's time in seconds."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the loop."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The arguments of `FakeAsterisk`, which documents them, in the form that a call reads."""

    sounds: Sounds | None
    keys: str | KeysBySound | None
    next_key: Callable[[float], Awaitable[str | None]]
    hangup_at: Callable[[Sequence[str]], bool] | None
    hangup_mode: HangupMode
    dial: DialBehaviour
    variables: Mapping[str, str]
    applications: Mapping[str, int]
    """Results by application, in lower case."""
    labels: frozenset[str]
    subroutines: Mapping[str, Subroutine]
    channels: Mapping[str, ChannelState]
    texts: tuple[str, ...]
    recognized: tuple[SpeechResult, ...] | None
    caller_id: str
    caller_name: str
    dnid: str
    extension: str
    context: str
    language: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str | None]
    pace: float
    clock: CallClock
    on_event: Callable[[CallEvent], None] | None
