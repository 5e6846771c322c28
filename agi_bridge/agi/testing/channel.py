"""The simulated channel: its time, its caller's keys and hangup, and the record of the call.

Commands and applications act on it. The AGI session itself is in `call`.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TypeVar

from agi_bridge.agi.testing.dtmf_script import HANG_UP, DtmfQueue, DtmfScript, KeySequence
from agi_bridge.agi.testing.errors import CallerGoneError, SessionOverError, WrittenIntoError
from agi_bridge.agi.testing.receive_buffer import ReceiveBuffer
from agi_bridge.agi.testing.record import CallEvent, CallRecord
from agi_bridge.agi.testing.scenario import Scenario

T = TypeVar("T")

_KEY_SECONDS = 0.2
"""From the start of a wait to the end of a live key: 100 ms before it and 100 ms pressed."""


class SimulatedChannel:
    """The caller's channel on the PBX's side of one call.

    `name` is its unique ID. `received` holds what the server has written.
    """

    def __init__(self, scenario: Scenario, received: ReceiveBuffer, name: str) -> None:
        self.scenario: Scenario = scenario
        self.name: str = name
        self.record: CallRecord = CallRecord()
        self.dead: bool = False
        """Whether the channel is dead; the session goes on in dead mode."""
        self.hanging_up: bool = False
        """Whether the caller has hung up and the session has not noticed yet."""
        self._received = received
        keys = scenario.keys
        self._live = keys is None
        self._script = DtmfScript(keys if isinstance(keys, str) else "")
        self._by_sound = {
            sound: [each] if isinstance(each, str | KeySequence) else list(each)
            for sound, each in (keys.items() if isinstance(keys, Mapping) else ())
        }
        self._keys = DtmfQueue()
        self._elapsed = 0.0
        self._hangs_up_at: float | None = None
        self._started_at = scenario.clock.time() if scenario.pace else 0.0

    @property
    def full_name(self) -> str:
        """The channel's name, as ``${CHANNEL}`` gives it."""
        return f"PJSIP/caller-{self.name}"

    # -- the caller -------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """Let the caller hang up now."""
        self.hanging_up = True
        self._received.wake()

    def hang_up_after_reply(self) -> None:
        """Let the channel die when the reply of the running command has been sent."""
        self.hanging_up = True

    def hang_up_in(self, seconds: float) -> None:
        """Let the PBX hang up after this time, whatever runs then; 0 and less: never."""
        self._hangs_up_at = self.now() + seconds if seconds > 0 else None

    def seconds_left(self) -> float | None:
        """Return the seconds until the PBX hangs up, 0 if it is to do so now; None: never."""
        if self._hangs_up_at is None or self.dead:
            return None
        return max(0.0, self._hangs_up_at - self.now())

    def prompt_starts(self) -> None:
        """Start the caller's next chance to press keys, as a prompt does."""
        self._script.playing()

    def press(self, keys: KeySequence) -> None:
        """Let the caller press keys; `KeySequence.after` counts from now."""
        self._keys.press(keys, self.now())

    def press_at(self, sound: str) -> None:
        """Press the keys that the scenario has for this sound; ``""`` is the start of the call."""
        if sequences := self._by_sound.get(sound.rpartition("/")[2]):
            keys = sequences.pop(0)
            self.press(KeySequence(keys) if isinstance(keys, str) else keys)

    async def listen(
        self, seconds: float, accepted: str, *, plays: str | None = None
    ) -> tuple[str, float]:
        """Wait for an accepted key; return it (empty: none) and the seconds that passed.

        `plays` is the sound that the caller hears meanwhile, None for silence.

        Raises:
            CallerGoneError: the caller hung up instead.
        """
        start = self.now()
        if self._live:
            key = await self._live_key(seconds, accepted)
        else:
            key = await self._scripted_key(seconds, accepted, plays)
        elapsed = min(seconds, self.now() - start)
        if key == HANG_UP:
            raise CallerGoneError(elapsed)
        if key:
            self.record.keyed += key
            self.emit("key", key)
        return key, elapsed

    async def _scripted_key(self, seconds: float, accepted: str, plays: str | None) -> str:
        start = self.now()
        usable = accepted if seconds > 0 and not self.hanging_up else ""
        if plays is None:
            pressed = self._script.waiting(usable, seconds)
        else:
            pressed = self._script.playing(usable)
            self.press_at(plays)
        if pressed:
            self.press(KeySequence(pressed))
        taken = self._keys.take(start, start + seconds, usable) if usable else None
        await self.pass_time(taken[1] - start if taken else seconds)
        return taken[0] if taken else ""

    async def _live_key(self, seconds: float, accepted: str) -> str:
        """Ask the live caller. Keys that are not accepted are lost, as in Asterisk."""
        pace = self.scenario.pace
        start = self.now()
        whole, seconds = seconds, self._until_hangup(seconds)
        while (left := seconds - (self.now() - start)) > 0:
            key = await self._unless_interrupted(self.scenario.next_key(left * (pace or 1.0)))
            if not pace:
                if key is None:  # set, not added up: a sum of parts would never be exact
                    self._elapsed = start + seconds
                    break
                self._elapsed += min(_KEY_SECONDS, left)
            if key is not None and key in accepted + HANG_UP:
                return key
        if seconds < whole:
            self.hanging_up = True
            raise CallerGoneError(seconds)
        return ""

    # -- time -------------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the seconds since the call started, on its own clock."""
        if self.scenario.pace:
            return (self.scenario.clock.time() - self._started_at) / self.scenario.pace
        return self._elapsed

    async def pass_time(self, seconds: float, *, abortable: bool = True) -> None:
        """Let time pass.

        Raises:
            CallerGoneError: the caller or the PBX hung up meanwhile.
            WrittenIntoError: the server wrote meanwhile, and the command is `abortable`.
            SessionOverError: the server closed meanwhile.
        """
        start = self.now()
        if self.hanging_up:
            self._elapsed += min(_KEY_SECONDS, seconds)
            raise CallerGoneError(min(_KEY_SECONDS, seconds))
        passed = self._until_hangup(seconds)
        self._elapsed += passed
        pace = self.scenario.pace
        if pace and passed > 0:
            sleep = self.scenario.clock.sleep(passed * pace)
            await self._unless_interrupted(sleep, start, abortable=abortable)
        if passed < seconds:
            self.hanging_up = True
            raise CallerGoneError(passed)

    def _until_hangup(self, seconds: float) -> float:
        """So many seconds, or fewer if the PBX hangs up before."""
        left = self.seconds_left()
        return seconds if left is None else min(seconds, left)

    async def _unless_interrupted(
        self, awaitable: Awaitable[T], start: float | None = None, *, abortable: bool = True
    ) -> T:
        """Await it unless the caller hangs up, the server writes, or the server closes."""
        start = self.now() if start is None else start
        task = asyncio.ensure_future(awaitable)
        try:
            while not task.done():
                if self.hanging_up:
                    raise CallerGoneError(self.now() - start)
                if self._received.has_data and abortable:
                    raise WrittenIntoError
                if self._received.closed:
                    raise SessionOverError
                changed = asyncio.ensure_future(self._received.changed())
                await asyncio.wait({task, changed}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
            return task.result()
        finally:
            task.cancel()

    # -- events -----------------------------------------------------------------------------------

    def emit(self, kind: str, text: str = "", milliseconds: int = 0) -> None:
        """Report an event to the scenario's `on_event`."""
        if self.scenario.on_event is not None:
            self.scenario.on_event(CallEvent(self.now(), kind, text, milliseconds))
