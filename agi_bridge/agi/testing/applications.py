"""The dialplan applications of the simulated PBX, as EXEC runs them."""

import re
from collections.abc import Awaitable, Callable

from agi_bridge.agi.encoding import separate_arguments
from agi_bridge.agi.testing.application_names import OF_ASTERISK
from agi_bridge.agi.testing.channel import SimulatedChannel
from agi_bridge.agi.testing.channel_variables import ChannelVariables
from agi_bridge.agi.testing.dtmf_script import HANG_UP
from agi_bridge.agi.testing.errors import CallerGoneError, NotSimulatedError
from agi_bridge.agi.testing.playback import FOREVER_SECONDS, PlaybackHandlers, leading_number
from agi_bridge.agi.testing.record import DialAttempt, DialOutcome, PlayedSound

_ON_DEAD_CHANNEL = 0
_NO_SUCH_APPLICATION = -2
_WITHOUT_EFFECT = frozenset(
    {
        "noop",
        "progress",
        "ringing",
        "startmusiconhold",
        "stopmusiconhold",
        "playtones",
        "stopplaytones",
        "senddtmf",
        "verbose",
    }
)
_LIMIT = re.compile(r"S\((\d+)\)|L\((\d+)")
_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_KEYS = "0123456789*#ABCD"
_BETWEEN_PROMPTS_SECONDS = 0.05
_READ_OPTIONS = frozenset("sin")
_MOST_KEYS = 255
_CAUSES = {"ANSWER": 16, "BUSY": 17, "CONGESTION": 34, "CHANUNAVAIL": 3}
"""HANGUPCAUSE after Dial (Q.850), as recorded; others leave 0."""

Application = Callable[[list[str]], Awaitable[int]]


class Applications:
    """The applications, for one channel."""

    def __init__(
        self,
        channel: SimulatedChannel,
        variables: ChannelVariables,
        player: PlaybackHandlers,
    ) -> None:
        self._channel = channel
        self._variables = variables
        self._player = player
        self._supported: dict[str, Application] = {
            "answer": self._answer,
            "busy": self._refuse,
            "congestion": self._refuse,
            "dial": self._dial,
            "hangup": self._hangup,
            "musiconhold": self._music,
            "playback": self._playback,
            "read": self._read,
            "wait": self._wait,
        }

    async def run(self, name: str, text: str) -> int:
        """Run an application and return its result; -2 if it does not exist (`handle_exec`).

        Raises:
            NotSimulatedError: Asterisk has it, the simulation has not.
        """
        key = name.lower()
        code = self._channel.scenario.applications.get(key)
        if code is not None:
            return code
        if key in _WITHOUT_EFFECT:
            return 0
        application = self._supported.get(key)
        if application is not None:
            return await application(separate_arguments(text))
        if key in OF_ASTERISK:
            raise NotSimulatedError(
                f"the application {name}", f"say what EXEC returns: applications={{{name!r}: 0}}"
            )
        return _NO_SUCH_APPLICATION

    async def _answer(self, _args: list[str]) -> int:
        self._channel.record.answered = True
        return 0

    async def _hangup(self, _args: list[str]) -> int:
        self._channel.hang_up_after_reply()
        return -1

    async def _refuse(self, args: list[str]) -> int:
        """Busy, Congestion: the caller hangs up, or the time is up (`pbx_builtin_busy`)."""
        seconds = _seconds(args[0] if args else "")
        if seconds is None:
            self._channel.hang_up_after_reply()
        else:
            await self._channel.pass_time(seconds, abortable=False)
        return -1

    async def _wait(self, args: list[str]) -> int:
        seconds = _seconds(args[0] if args else "") or 0.0
        await self._channel.pass_time(seconds, abortable=False)
        return 0

    async def _music(self, args: list[str]) -> int:
        """MusicOnHold: for a time, or until the caller hangs up."""
        seconds = leading_number(args[1]) if args[1:] else 0
        await self._channel.pass_time(seconds if seconds > 0 else FOREVER_SECONDS, abortable=False)
        if seconds <= 0:
            raise CallerGoneError(FOREVER_SECONDS)
        return 0

    def _pick_up(self) -> None:
        """Answer the channel, as some applications do by themselves."""
        if not self._channel.dead:
            self._channel.record.answered = True

    async def _dial(self, args: list[str]) -> int:
        """Dial: sets DIALSTATUS and what else tells how it went (`dial_exec_full`)."""
        destination, ring_text, options = (*args, "", "", "")[:3]
        if self._channel.dead:
            return _ON_DEAD_CHANNEL
        called = [each for each in destination.split("&") if each]
        if not all(each.partition("/")[2] for each in called):
            self._set_dial_variables("", "INVALIDARGS")
            return -1
        if not called:
            self._set_dial_variables("", "CHANUNAVAIL")
            return 0
        ring = _seconds(ring_text)  # what follows is no time: "30^2"
        began = self._channel.now()
        self._channel.emit("dialling", destination)
        outcome = self._outcome(destination)
        status = outcome.status
        ring_limit = FOREVER_SECONDS if ring is None else ring
        ringing = ring_limit if status == "NOANSWER" else min(outcome.ring_seconds, ring_limit)
        if status == "ANSWER" and outcome.ring_seconds > ring_limit:
            status = "NOANSWER"
        talk = 0.0
        gone = False
        rings = 0.0 if status == "CHANUNAVAIL" else ringing
        try:
            await self._channel.pass_time(rings, abortable=False)
            if status == "ANSWER":
                self._pick_up()
                talk, gone = await self._talk(outcome, options)
        except CallerGoneError:
            status, gone = "CANCEL", True
        gone = gone or status == "CANCEL"
        took = self._channel.now() - began
        self._channel.record.dialled.append(
            DialAttempt(destination, ring, options, status, talk, began, took)
        )
        cause = _CAUSES.get(status, 0)
        if outcome.cause is not None and status == outcome.status:
            cause = outcome.cause
        self._variables.hangup_cause = str(cause)
        self._set_dial_variables(called[0], status, None if rings == 0 else ringing, talk)
        self._channel.emit("dialled", status)
        if gone:
            raise CallerGoneError(talk)
        return -1 if status == "ANSWER" and "g" not in re.sub(r"\([^)]*\)", "", options) else 0

    async def _talk(self, outcome: DialOutcome, options: str) -> tuple[float, bool]:
        """Pass the talk time; return its seconds and whether the caller ended the call."""
        talk = outcome.talk_seconds
        limit = _LIMIT.search(options)
        if limit is not None:
            talk = min(talk, int(limit[1]) if limit[1] else int(limit[2]) / 1000)
        try:
            await self._channel.pass_time(talk, abortable=False)
        except CallerGoneError as gone:
            return gone.seconds, True
        return talk, outcome.caller_hangs_up

    def _outcome(self, destination: str) -> DialOutcome:
        dial = self._channel.scenario.dial
        outcome = dial(destination) if callable(dial) else dial
        return DialOutcome(outcome) if isinstance(outcome, str) else outcome

    def _set_dial_variables(
        self, destination: str, status: str, ringing: float | None = None, talk: float = 0.0
    ) -> None:
        """Set what Dial leaves; `ringing` is None if nothing rang."""
        answered = status == "ANSWER"
        talked = round(talk * 1000) if answered else None
        dialled = round(((ringing or 0.0) + talk) * 1000) if answered else None
        rang = None if ringing is None else 0
        for name, milliseconds in {
            "ANSWEREDTIME": talked,
            "DIALEDTIME": dialled,
            "RINGTIME": rang,
            "PROGRESSTIME": None,
        }.items():
            seconds = "" if milliseconds is None else str(milliseconds // 1000)
            self._variables.store(name, seconds)
            self._variables.store(f"{name}_MS", "" if milliseconds is None else str(milliseconds))
        number, peer = _peer(destination, len(self._channel.record.dialled))
        self._variables.store("DIALSTATUS", status)
        self._variables.store("DIALEDPEERNUMBER", number if answered else "")
        self._variables.store("DIALEDPEERNAME", peer if answered else "")

    async def _playback(self, args: list[str]) -> int:
        """Playback: no key stops it; sets PLAYBACKSTATUS. -1 without a file (`playback_exec`).

        Raises:
            NotSimulatedError: an option that says the text or mixes both.
        """
        if not any(args):
            return -1
        names, options = (*args, "")[:2]
        if "say" in options.lower() or "mix" in options.lower():
            raise NotSimulatedError(f"Playback's option {options}", "use a SAY command")
        if not self._channel.record.answered:
            if "skip" in options.lower():
                self._variables.store("PLAYBACKSTATUS", "SUCCESS")
                return 0
            if "noanswer" not in options.lower():
                self._pick_up()
        status = "SUCCESS"
        for name in names.split("&"):
            length = self._player.sound(name)
            if length is None or self._channel.dead:
                status = "FAILED"
                continue
            self._channel.emit("playing", name, length)
            audible, began = self._channel.record.answered, self._channel.now()
            try:
                await self._channel.pass_time(length / 1000, abortable=False)
            except CallerGoneError as gone:
                passed = round(gone.seconds * 1000)
                played = PlayedSound("file", name, passed, HANG_UP, audible, began)
                self._channel.record.heard.append(played)
                self._variables.store("PLAYBACKSTATUS", "SUCCESS")
                raise
            played = PlayedSound("file", name, length, "", audible, began)
            self._channel.record.heard.append(played)
        self._variables.store("PLAYBACKSTATUS", status)
        return 0

    async def _read(self, args: list[str]) -> int:
        """Read: stores keys in a variable and sets READSTATUS; the keys survive a hangup.

        Raises:
            NotSimulatedError: an option other than ``s``, ``i`` and ``n``.
        """
        variable, prompts, most_text, options, attempts, timeout = (*args, *[""] * 6)[:6]
        if not set(options) <= _READ_OPTIONS:
            raise NotSimulatedError(f"Read's option {options}", "use GET DATA")
        self._variables.store("READSTATUS", "ERROR")
        if not variable:
            return 0
        if not self._channel.record.answered:
            if "s" in options:
                self._variables.store(variable, "")
                self._variables.store("READSTATUS", "SKIPPED")
                return 0
            if "n" not in options:
                self._pick_up()
        sounds = [""] if "i" in options else prompts.split("&")  # a tone is no sound
        most = leading_number(most_text)
        most = most if 1 <= most <= _MOST_KEYS else _MOST_KEYS
        seconds = _seconds(timeout) or 0.0
        taken: list[str] = []
        status = "ERROR"
        self._channel.prompt_starts()
        try:
            for _ in range(max(1, leading_number(attempts))):
                status = await self._ask(taken, sounds, most, seconds)
                if taken:
                    break
        except CallerGoneError:
            status = "HANGUP"
            self._channel.hang_up_after_reply()
        self._variables.store(variable, "".join(taken))
        self._variables.store("READSTATUS", status)
        return 0

    async def _ask(self, taken: list[str], sounds: list[str], most: int, seconds: float) -> str:
        """Play and take keys up to ``#``, once (`ast_app_getdata_terminator`)."""
        timeouts = self._variables.functions.timeouts
        status = "ERROR"
        for place, name in enumerate(sounds, 1):
            length = self._player.sound(name) if name else 0
            if length is None:
                self._channel.emit("playing", name)  # a watcher sees what is missing
                status = "ERROR"
                continue
            last = place == len(sounds)
            first = (seconds or timeouts["response"]) if last else _BETWEEN_PROMPTS_SECONDS
            key = ""
            if length:
                key, _ = await self._player.play("file", name, length, _KEYS)
            if not key:
                key, _ = await self._channel.listen(first, _KEYS)
            while key and key != "#":
                taken.append(key)
                if len(taken) == most:
                    return "OK"
                key, _ = await self._channel.listen(seconds or timeouts["digit"], _KEYS)
            status = "OK" if key else "TIMEOUT"
            if taken or key:
                break
        return status


def _seconds(text: str) -> float | None:
    """Read seconds as `sscanf` does, up to what is none of a number; None if there is none."""
    found = _SECONDS.match(text)
    return float(found[0]) if found else None


def _peer(destination: str, number: int) -> tuple[str, str]:
    """Give DIALEDPEERNUMBER and DIALEDPEERNAME for ``PJSIP/number@endpoint``; of several, one."""
    technology, _, resource = destination.partition("&")[0].partition("/")
    endpoint = resource.rpartition("@")[2]
    return resource, f"{technology}/{endpoint}-{number:08x}"
