"""The dialplan applications of the simulated PBX, as EXEC runs them."""

import re
from collections.abc import Awaitable, Callable

from agi_bridge.agi.encoding import separate_arguments
from agi_bridge.agi.testing.application_names import OF_ASTERISK
from agi_bridge.agi.testing.channel import SimulatedChannel
from agi_bridge.agi.testing.channel_variables import ChannelVariables
from agi_bridge.agi.testing.dtmf_script import HANG_UP
from agi_bridge.agi.testing.errors import CallerGoneError, NotSimulatedError
from agi_bridge.agi.testing.playback import leading_number
from agi_bridge.agi.testing.record import DialAttempt, DialOutcome, PlayedSound

_ON_DEAD_CHANNEL = 0
_NO_SUCH_APPLICATION = -2
_WITHOUT_EFFECT = frozenset(
    {
        "noop",
        "progress",
        "ringing",
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
_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_FOREVER_SECONDS = 86400.0  # Dial without a ring time: 136 years in Asterisk
_KEYS = "0123456789*#ABCD"
_CAUSES = {"ANSWER": 16, "BUSY": 17, "CONGESTION": 34, "CHANUNAVAIL": 3}
"""HANGUPCAUSE after Dial (Q.850), as recorded; others leave 0."""


class Applications:
    """The applications, for one channel."""

    def __init__(
        self,
        channel: SimulatedChannel,
        variables: ChannelVariables,
        sound: Callable[[str], int | None],
    ) -> None:
        self._channel = channel
        self._variables = variables
        self._sound = sound
        self._supported: dict[str, Callable[[list[str]], Awaitable[int]]] = {
            "answer": self._answer,
            "busy": self._refuse,
            "congestion": self._refuse,
            "dial": self._dial,
            "hangup": self._hangup,
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

    async def _dial(self, args: list[str]) -> int:
        """Dial: sets DIALSTATUS and what else tells how it went (`dial_exec_full`)."""
        destination, ring_text, options = (*args, "", "", "")[:3]
        if self._channel.dead:
            return _ON_DEAD_CHANNEL
        if not destination:  # nobody is called
            self._set_dial_variables("", DialOutcome("CHANUNAVAIL", cause=0), "CHANUNAVAIL", 0, 0)
            return 0
        ring = _seconds(ring_text)  # what follows is no time: "30^2"
        began = self._channel.now()
        self._channel.emit("dialling", destination)
        outcome = self._outcome(destination)
        status = outcome.status
        ring_limit = _FOREVER_SECONDS if ring is None else ring
        ringing = ring_limit if status == "NOANSWER" else min(outcome.ring_seconds, ring_limit)
        if status == "ANSWER" and outcome.ring_seconds > ring_limit:
            status = "NOANSWER"
        talk = 0.0
        gone = False
        try:
            rings = 0.0 if status == "CHANUNAVAIL" else ringing
            await self._channel.pass_time(rings, abortable=False)
            if status == "ANSWER":
                talk, gone = await self._talk(outcome, options)
        except CallerGoneError:
            status, gone = "CANCEL", True
        gone = gone or status == "CANCEL"
        took = self._channel.now() - began
        self._channel.record.dialled.append(
            DialAttempt(destination, ring, options, status, talk, began, took)
        )
        self._set_dial_variables(destination, outcome, status, ringing, talk)
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
        self, destination: str, outcome: DialOutcome, status: str, ringing: float, talk: float
    ) -> None:
        answered = status == "ANSWER"
        cause = _CAUSES.get(status, 0)
        if outcome.cause is not None and status == outcome.status:
            cause = outcome.cause
        number, peer = _peer(destination, len(self._channel.record.dialled))
        for name, text in {
            "DIALSTATUS": status,
            "ANSWEREDTIME": str(int(talk)) if answered else "",
            "DIALEDTIME": str(int(ringing + talk)) if answered else "",
            "DIALEDPEERNUMBER": number if answered else "",
            "DIALEDPEERNAME": peer if answered else "",
            "HANGUPCAUSE": str(cause),
        }.items():
            self._variables.store(name, text)

    async def _playback(self, args: list[str]) -> int:
        """Playback: no key stops it; sets PLAYBACKSTATUS. -1 without a file (`playback_exec`)."""
        if not any(args):
            return -1
        status = "SUCCESS"
        for name in (args[0] if args else "").split("&"):
            length = self._sound(name)
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
        """Read: stores keys in a variable and sets READSTATUS; the keys survive a hangup."""
        variable, prompts, most_text, _options, _attempts, timeout = (*args, *[""] * 6)[:6]
        most = leading_number(most_text) or 255
        seconds = _seconds(timeout) or 10.0
        self._channel.prompt_starts()
        keys, status = "", "OK"
        try:
            lengths = [self._sound(name) for name in prompts.split("&")] if prompts else []
            if lengths[-1:] == [None]:  # others are passed over (`ast_app_getdata`)
                status, most = "ERROR", 0
            if any(lengths):
                length = sum(each or 0 for each in lengths)
                self._channel.emit("playing", prompts, length)
                keys, _ = await self._channel.listen(length / 1000, _KEYS, plays=prompts)
            while keys[-1:] != "#" and len(keys) < most:
                key, _ = await self._channel.listen(seconds, _KEYS)
                if not key:
                    status = "TIMEOUT"
                    break
                keys += key
        except CallerGoneError:
            status = "HANGUP"
            self._channel.hang_up_after_reply()
        self._variables.store(variable, keys.removesuffix("#"))
        self._variables.store("READSTATUS", status)
        return 0


def _seconds(text: str) -> float | None:
    """Read seconds as `sscanf` does, up to what is none of a number; None if there is none."""
    found = _SECONDS.match(text)
    return float(found[0]) if found else None


def _peer(destination: str, number: int) -> tuple[str, str]:
    """Give DIALEDPEERNUMBER and DIALEDPEERNAME for ``PJSIP/number@endpoint``; of several, one."""
    technology, _, resource = destination.partition("&")[0].partition("/")
    endpoint = resource.rpartition("@")[2]
    return resource, f"{technology}/{endpoint}-{number:08x}"
