"""Base of all command methods: sending, deadlines, and finding out what a -1 means."""

import re
from collections.abc import Awaitable
from typing import NoReturn

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
        "NoCDR",
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

_DIAL_LIMIT = re.compile(r"S\((\d{1,7})\)|L\((\d{1,10})")
_WHOLE_SECONDS = re.compile(r"\d{1,7}")


class Commands:
    """One call's connection, environment and limits; base of the families of commands."""

    __slots__ = ("_applications", "_connection", "_limits", "environment")

    def __init__(
        self,
        connection: Connection,
        environment: Environment,
        limits: Limits,
        applications: frozenset[str] = SAFE_APPLICATIONS,
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._applications = applications
        self.environment = environment

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

    async def channel_status(self) -> ChannelState:
        """Ask for the state of the channel: CHANNEL STATUS (`handle_channelstatus`).

        Raises:
            AGIHangup: the channel is dead (511).
        """
        return ChannelState(number(await self._send("CHANNEL STATUS")))

    async def _failed(self, what: str) -> NoReturn:
        """Find out what a -1 means: a missing file, or a hangup.

        Raises:
            AGIHangup: the channel is dead.
            AGIAppError: the channel is alive, so the command failed.
        """
        await self.channel_status()
        raise AGIAppError(what)

    async def _checked(self, what: str, reply: Awaitable[Reply]) -> int:
        """Read a result that is -1 on failure."""
        code = number(await reply)
        if code == FAILED:
            await self._failed(what)
        return code


def milliseconds(seconds: float, *, least: int = 1) -> int:
    """Convert to Asterisk's milliseconds.

    Raises:
        AGIArgumentError: less than `least`, where Asterisk would take its own default.
    """
    converted = round(seconds * 1000)
    if converted < least:
        raise AGIArgumentError(f"a time of {seconds} s is too short")
    return converted


def exec_seconds(application: str, arguments: tuple[str, ...], limits: Limits) -> float:
    """Return how many seconds an application may run, from its arguments.

    Dial: ring time, and talk time from its options S (seconds) or L (milliseconds). Wait: its
    seconds. Others may last as long as a sound or, if they connect the caller to somebody, as long
    as the call.
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
    if name in {"confbridge", "echo", "milliwatt", "musiconhold", "queue", "voicemail"}:
        return limits.call_seconds
    return limits.play_seconds
