"""Dialplan applications as EXEC runs them."""

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from agi_bridge.agi.encoding import separate_arguments
from agi_bridge.agi.testing.channel_variables import ChannelVariables
from agi_bridge.agi.testing.dtmf_script import HANG_UP
from agi_bridge.agi.testing.errors import CallerGoneError
from agi_bridge.agi.testing.record import DialAttempt, DialOutcome, PlayedSound

if TYPE_CHECKING:
    from agi_bridge.agi.testing.call import Call

_DEAD_OR_NONE = 0
_NO_SUCH_APPLICATION = -2
_QUIET = frozenset(
    {
        "noop",
        "progress",
        "ringing",
        "congestion",
        "busy",
        "musiconhold",
        "startmusiconhold",
        "stopmusiconhold",
        "playtones",
        "stopplaytones",
        "senddtmf",
        "verbose",
        "nocdr",
    }
)
_LIMIT = re.compile(r"S\((\d+)\)|L\((\d+)")
_FOREVER_SECONDS = 86400.0  # Dial without a ring time: 136 years in Asterisk
_KEYS = "0123456789*#ABCD"


class Applications:
    """The applications of one call."""

    def __init__(
        self, call: "Call", memory: ChannelVariables, sound: Callable[[str], int | None]
    ) -> None:
        self._call = call
        self._memory = memory
        self._sound = sound
        self._known: dict[str, Callable[[list[str]], Awaitable[int]]] = {
            "answer": self._answer,
            "dial": self._dial,
            "hangup": self._hangup,
            "playback": self._playback,
            "read": self._read,
            "wait": self._wait,
        }

    async def run(self, name: str, text: str) -> int:
        """Run one and give its result, -2 if there is none of that name (`handle_exec`)."""
        name = name.lower()
        code = self._call.pbx.applications.get(name)
        if code is not None:
            return code
        if name in _QUIET:
            return 0
        application = self._known.get(name)
        return (
            _NO_SUCH_APPLICATION
            if application is None
            else await application(separate_arguments(text))
        )

    async def _answer(self, _args: list[str]) -> int:
        self._call.record.answered = True
        return 0

    async def _hangup(self, _args: list[str]) -> int:
        self._call.leave_behind_reply()
        return -1

    async def _wait(self, args: list[str]) -> int:
        await self._call.pass_time(float(args[0]) if args else 0.0, abortable=False)
        return 0

    async def _dial(self, args: list[str]) -> int:
        """Dial: sets DIALSTATUS, DIALEDTIME and ANSWEREDTIME (`dial_exec_full`)."""
        destination, ring_text, options = (*args, "", "", "")[:3]
        if self._call.dead:
            return _DEAD_OR_NONE
        ring = float(ring_text) if ring_text else None
        self._call.tell("dialling", destination)
        outcome = self._outcome(destination)
        status = outcome.status
        patience = _FOREVER_SECONDS if ring is None else ring
        ringing = patience if status == "NOANSWER" else min(outcome.ring_seconds, patience)
        if status == "ANSWER" and outcome.ring_seconds > patience:
            status = "NOANSWER"
        talk = 0.0
        gone = False
        try:
            await self._call.pass_time(0.0 if status == "CHANUNAVAIL" else ringing, abortable=False)
            if status == "ANSWER":
                talk, gone = await self._talk(outcome, options)
        except CallerGoneError:
            status, gone = "CANCEL", True
        gone = gone or status == "CANCEL"
        self._note(DialAttempt(destination, ring, options, status, talk), ringing)
        if gone:
            raise CallerGoneError(talk)
        return -1 if status == "ANSWER" and "g" not in re.sub(r"\([^)]*\)", "", options) else 0

    async def _talk(self, outcome: DialOutcome, options: str) -> tuple[float, bool]:
        """Let them talk; gives the seconds, and whether the caller ended it."""
        talk = outcome.talk_seconds
        limit = _LIMIT.search(options)
        if limit is not None:
            talk = min(talk, int(limit[1]) if limit[1] else int(limit[2]) / 1000)
        try:
            await self._call.pass_time(talk, abortable=False)
        except CallerGoneError as gone:
            return gone.seconds, True
        return talk, outcome.caller_hangs_up

    def _outcome(self, destination: str) -> DialOutcome:
        dial = self._call.pbx.dial
        outcome = dial(destination) if callable(dial) else dial
        return DialOutcome(outcome) if isinstance(outcome, str) else outcome

    def _note(self, dialled: DialAttempt, ringing: float) -> None:
        self._call.record.dialled.append(dialled)
        answered = dialled.status == "ANSWER"
        self._memory.store("DIALSTATUS", dialled.status)
        self._memory.store("ANSWEREDTIME", str(int(dialled.talk_seconds)) if answered else "")
        total = str(int(ringing + dialled.talk_seconds))
        self._memory.store("DIALEDTIME", total if answered else "")
        self._call.tell("dialled", dialled.status)

    async def _playback(self, args: list[str]) -> int:
        """Playback: no key stops it; PLAYBACKSTATUS tells."""
        status = "SUCCESS"
        for name in (args[0] if args else "").split("&"):
            length = self._sound(name)
            if length is None or self._call.dead:
                status = "FAILED"
                continue
            self._call.tell("playing", name, length)
            audible = self._call.record.answered
            try:
                await self._call.pass_time(length / 1000, abortable=False)
            except CallerGoneError as gone:
                played = PlayedSound("file", name, round(gone.seconds * 1000), HANG_UP, audible)
                self._call.record.heard.append(played)
                self._memory.store("PLAYBACKSTATUS", "SUCCESS")
                raise
            self._call.record.heard.append(PlayedSound("file", name, length, "", audible))
        self._memory.store("PLAYBACKSTATUS", status)
        return 0

    async def _read(self, args: list[str]) -> int:
        """Read: keys into a variable, READSTATUS tells; what was keyed outlives a hangup."""
        variable, prompts, most_text, _options, _attempts, timeout = (*args, *[""] * 6)[:6]
        most = int(most_text or 255)
        seconds = float(timeout or 10)
        self._call.chance()
        keys, status = "", "OK"
        try:
            if prompts:
                length = sum(self._sound(name) or 0 for name in prompts.split("&"))
                self._call.tell("playing", prompts, length)
                keys, _ = await self._call.listen(length / 1000, _KEYS, plays=prompts)
            while keys[-1:] != "#" and len(keys) < most:
                key, _ = await self._call.listen(seconds, _KEYS)
                if not key:
                    status = "TIMEOUT"
                    break
                keys += key
        except CallerGoneError:
            status = "HANGUP"
            self._call.leave_behind_reply()
        self._memory.store(variable, keys.removesuffix("#"))
        self._memory.store("READSTATUS", status)
        return 0
