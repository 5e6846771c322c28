"""Base of all command methods: sending, deadlines, and finding out what a -1 means."""

import re
from collections.abc import Awaitable
from typing import NoReturn

from agi_bridge.agi.audio import AudioStream
from agi_bridge.agi.connection import Connection
from agi_bridge.agi.encoding import encode
from agi_bridge.agi.environment import Environment
from agi_bridge.agi.errors import AGIAppError, AGIArgumentError
from agi_bridge.agi.limits import Limits
from agi_bridge.agi.results import ChannelState, number
from agi_bridge.agi.wire import Reply

FAILED = -1
NO_APPLICATION = -2

SAFE_APPLICATIONS = frozenset(
    {
        "Answer",
        "BackGround",
        "Busy",
        "ConfBridge",
        "Congestion",
        "Dial",
        "Echo",
        "Hangup",
        "Milliwatt",
        "MusicOnHold",
        "NoOp",
        "Playback",
        "PlayTones",
        "Progress",
        "Queue",
        "Read",
        "Ringing",
        "SendDTMF",
        "StartMusicOnHold",
        "StopMusicOnHold",
        "StopPlayTones",
        "Verbose",
        "VoiceMail",
        "Wait",
    }
)
"""Applications that EXEC may run by default. None of them starts a program, writes a file of a
given name, changes another channel, or evaluates dialplan text (System, MixMonitor, Exec...)."""

_DIAL_LIMIT = re.compile(r"S\(([0-9]{1,7})\)|L\(([0-9]{1,10})")
_WHOLE_SECONDS = re.compile(r"[0-9]{1,7}")
_ENDS_BY_ITSELF = frozenset(
    {
        *("answer", "background", "hangup", "noop", "playback", "playtones", "progress", "read"),
        *("ringing", "senddtmf", "set", "startmusiconhold", "stopmusiconhold", "stopplaytones"),
        *("verbose", "wait"),
    }
)
"""Applications that last no longer than a sound."""
_MOST_MILLISECONDS = 2**31 - 1


class Commands:
    """One call's connection, environment and limits; base of the families of commands."""

    __slots__ = ("_applications", "_connection", "_limits", "audio", "environment")

    def __init__(
        self,
        connection: Connection,
        environment: Environment,
        limits: Limits,
        applications: frozenset[str] = SAFE_APPLICATIONS,
        audio: AudioStream | None = None,
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._applications = applications
        self.environment: Environment = environment
        """What Asterisk sent about the call before the first command."""
        self.audio: AudioStream | None = audio
        """The caller's sound, in a program that EAGI() has started; None elsewhere."""

    def _send(
        self,
        words: str,
        *arguments: str | int,
        seconds: float = 0.0,
        live: bool = True,
        is_exec: bool = False,
    ) -> Awaitable[Reply]:
        """Encode and send a command; `seconds` is its own time, the margin is added."""
        return self._connection.send(
            encode(words, *arguments, line_bytes=self._limits.line_bytes),
            self._limits.reply_seconds + seconds,
            live=live,
            is_exec=is_exec,
        )

    async def channel_status(self, channel: str | None = None) -> ChannelState:
        """Ask for the state of the channel: CHANNEL STATUS (`handle_channelstatus`).

        `channel` is the name of another one; UNKNOWN if it does not exist.

        Raises:
            AGIHangup: this call's channel is dead (511).
        """
        names = () if channel is None else (channel,)
        return ChannelState(number(await self._send("CHANNEL STATUS", *names)))

    async def _failed(self, code: str, what: str) -> NoReturn:
        """Find out what a -1 means: a missing file, or a hangup.

        Raises:
            AGIHangup: the channel is dead.
            AGIAppError: the channel is alive, so the command failed.
        """
        await self.channel_status()
        raise AGIAppError(code, what)

    async def _checked(self, code: str, what: str, reply: Awaitable[Reply]) -> int:
        """Read a result that is -1 on failure."""
        result = number(await reply)
        if result == FAILED:
            await self._failed(code, what)
        return result


def milliseconds(seconds: float, *, least: int = 1) -> int:
    """Convert to Asterisk's milliseconds.

    Raises:
        AGIArgumentError: less than `least`, where Asterisk would take its own default; more than
            fits into its `int`; or not a number.
    """
    if not seconds * 1000 <= _MOST_MILLISECONDS:
        raise AGIArgumentError("time_range", f"a time of {seconds} s is too long")
    converted = round(seconds * 1000)
    if converted < least:
        raise AGIArgumentError("time_range", f"a time of {seconds} s is too short")
    return converted


def waiting_time(timeout: float, longest: float) -> tuple[int, float]:
    """Give a wait's milliseconds, and for how many seconds to expect its end.

    Below 0 it waits "forever" (-1): as long as a call may last, which is `longest`.
    """
    return (-1, longest) if timeout < 0 else (milliseconds(timeout, least=0), timeout)


def exec_seconds(application: str, arguments: tuple[str, ...], limits: Limits) -> float:
    """Return how many seconds an application may run, from its arguments.

    Dial: ring time, and talk time from its options S (seconds) or L (milliseconds). Wait: its
    seconds. What plays a sound may last as long as one; any other may connect the caller to
    somebody, or wait for the hangup as Busy does, and so may last as long as the call.
    """
    name = application.lower()
    if name == "dial":
        ring, options = (*arguments[1:3], "", "")[:2]
        limit = _DIAL_LIMIT.search(options)
        if limit is None or not _WHOLE_SECONDS.fullmatch(ring):
            return limits.call_seconds
        talk = int(limit[1]) if limit[1] else int(limit[2]) / 1000
        return int(ring) + talk
    if name == "wait" and arguments and _WHOLE_SECONDS.fullmatch(arguments[0]):
        return float(arguments[0])
    return limits.play_seconds if name in _ENDS_BY_ITSELF else limits.call_seconds
