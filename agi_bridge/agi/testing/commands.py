"""The AGI commands of the simulated PBX: usage, effect and reply of each (`res/res_agi.c`)."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from agi_bridge.agi.results import SAMPLES_PER_SECOND, ChannelState
from agi_bridge.agi.testing.applications import Applications
from agi_bridge.agi.testing.channel import SimulatedChannel
from agi_bridge.agi.testing.channel_variables import ChannelVariables
from agi_bridge.agi.testing.dtmf_script import HANG_UP
from agi_bridge.agi.testing.errors import CallerGoneError
from agi_bridge.agi.testing.record import PlayedSound

UNKNOWN = "510 Invalid or unknown command\n"
DEAD = "511 Command Not Permitted on a dead channel or intercept routine\n"
USAGE = (
    "520-Invalid command syntax.  Proper usage follows:\n"
    "See the documentation of the command.\n520 End of proper usage.\n"
)

_WHOLE = re.compile(r"\s*[+-]?\d+")
_SAMPLES_PER_MS = SAMPLES_PER_SECOND // 1000
_DEFAULT_MS = 1000
_SPOKEN_MS = 800  # per character, about as in the recorded SAY commands
_NO_TIMEOUT_SECONDS = 6.0  # of GET DATA without a time-out
_EXTENSIONS = frozenset(
    {".wav", ".sln", ".ulaw", ".ul", ".alaw", ".gsm", ".g722", ".wav16", ".mp3"}
)
_ALL_KEYS = "0123456789*#ABCD"
_FOREVER_SECONDS = 86400.0  # stands for "forever" in WAIT FOR DIGIT -1

SpeechKind = Literal["digits", "number", "phonetic", "alpha"]


class CommandHandlers:
    """The effect and the reply of each command, for one channel."""

    def __init__(self, channel: SimulatedChannel) -> None:
        self._channel = channel
        self._variables = ChannelVariables(channel.scenario, channel.name)
        self._applications = Applications(channel, self._variables, self.sound)

    # -- the channel ------------------------------------------------------------------------------

    async def answer(self, _args: list[str]) -> str:
        """Answer: ANSWER."""
        self._channel.record.answered = True
        return "200 result=0\n"

    async def hangup(self, args: list[str]) -> str:
        """Hang up: HANGUP; there are no other channels."""
        if args:
            return "200 result=-1\n"
        self._channel.hang_up_after_reply()
        return "200 result=1\n"

    async def channel_status(self, args: list[str]) -> str:
        """Return the state: CHANNEL STATUS."""
        if args:
            return "200 result=-1\n"
        up = self._channel.record.answered
        return f"200 result={int(ChannelState.UP if up else ChannelState.RING)}\n"

    async def set_continuation(self, what: str, args: list[str]) -> str:
        """Set where the dialplan continues: SET CONTEXT, EXTENSION, PRIORITY."""
        self._channel.record.continue_at[what] = args[0]
        return "200 result=0\n"

    async def done(self, _args: list[str]) -> str:
        """Do nothing and reply 0."""
        return "200 result=0\n"

    async def done_one(self, _args: list[str]) -> str:
        """Do nothing and reply 1."""
        return "200 result=1\n"

    async def set_callerid(self, args: list[str]) -> str:
        """Change the caller ID: SET CALLERID."""
        self._variables.store("CALLERID(all)", args[0] if args else "")
        return "200 result=1\n"

    # -- playing and keying -----------------------------------------------------------------------

    def sound(self, name: str) -> int | None:
        """Return a sound's milliseconds; None if it is missing, a list, or has an extension.

        A URL may have one (`is_remote_path` in file.c).
        """
        remote = name.startswith(("http://", "https://"))
        if not name or "&" in name or (not remote and PurePosixPath(name).suffix in _EXTENSIONS):
            return None
        sounds = self._channel.scenario.sounds
        known = _DEFAULT_MS if sounds is None else None
        if sounds is not None:
            known = sounds(name) if callable(sounds) else sounds.get(name)
        if name.startswith("silence/") and name[8:].isdigit():
            return int(name[8:]) * 1000  # part of Asterisk's core sounds
        return known

    async def stream_file(self, args: list[str]) -> str:
        """Play: STREAM FILE; a missing file makes the session fail (`RESULT_FAILURE`)."""
        name, accepted, offset = args[0], args[1], int(args[2]) if args[2:] else 0
        length = self.sound(name)
        if length is None:
            self._channel.record.status = "FAILURE"
            return "200 result=-1 endpos=0\n"
        start = min(max(0, offset), length * _SAMPLES_PER_MS) // _SAMPLES_PER_MS
        beyond_end = offset > 0 and start >= length
        key, seconds = await self._play("file", name, length - start, accepted, silent=beyond_end)
        endpos = (start + round(seconds * 1000)) * _SAMPLES_PER_MS
        return f"200 result={ord(key) if key else 0} endpos={endpos}\n"

    async def _play(
        self,
        kind: Literal["file"] | SpeechKind,
        name: str,
        length: int,
        accepted: str,
        *,
        silent: bool = False,
    ) -> tuple[str, float]:
        """Play for `length` milliseconds, unless a key or a hangup ends it.

        With `silent` no event reports it: the offset is beyond the end of the file.
        """
        channel = self._channel
        audible = channel.record.answered
        if not silent:
            channel.emit("playing" if kind == "file" else "saying", name, length)
        try:
            plays = None if name.startswith("silence/") else name
            key, seconds = await channel.listen(length / 1000, accepted, plays=plays)
        except CallerGoneError as gone:
            heard = PlayedSound(kind, name, round(gone.seconds * 1000), HANG_UP, audible)
            channel.record.heard.append(heard)
            raise
        channel.record.heard.append(PlayedSound(kind, name, round(seconds * 1000), key, audible))
        return key, seconds

    async def say(self, kind: SpeechKind, args: list[str]) -> str:
        """Say something: SAY DIGITS, NUMBER, PHONETIC, ALPHA."""
        key, _ = await self._play(kind, args[0], _SPOKEN_MS * len(args[0]), args[1])
        return f"200 result={ord(key) if key else 0}\n"

    async def wait_for_digit(self, args: list[str]) -> str:
        """Wait for a key: WAIT FOR DIGIT; a negative time waits forever."""
        wait = int(args[0])
        seconds = wait / 1000 if wait >= 0 else _FOREVER_SECONDS
        key, _ = await self._channel.listen(seconds, _ALL_KEYS)
        return f"200 result={ord(key) if key else 0}\n"

    async def get_data(self, args: list[str]) -> str:
        """Play and collect: GET DATA (`ast_app_getdata_full`, `ast_readstring_full`)."""
        prompt = args[0]
        seconds = _leading_number(args[1]) / 1000 if args[1:] else 0.0
        most = _leading_number(args[2]) if args[2:] else 1024
        length = 0 if not prompt else self.sound(prompt)
        if length is None or most <= 0:
            return "200 result=-1\n"
        keys = ""
        if length:
            keys, _ = await self._play("file", prompt, length, _ALL_KEYS)
        while keys[-1:] != "#" and len(keys) < most:
            key, _ = await self._channel.listen(seconds or _NO_TIMEOUT_SECONDS, _ALL_KEYS)
            if not key:
                return f"200 result={keys} (timeout)\n"
            keys += key
        return f"200 result={keys.removesuffix('#')}\n"

    async def record_file(self, args: list[str]) -> str:
        """Record: RECORD FILE, until a key of the third argument or the end of the time."""
        key, seconds = await self._channel.listen(int(args[3]) / 1000, args[2])
        endpos = round(seconds * 1000) * _SAMPLES_PER_MS
        return (
            f"200 result={ord(key)} (dtmf) endpos={endpos}\n"
            if key
            else (f"200 result=0 (timeout) endpos={endpos}\n")
        )

    # -- variables and applications ----------------------------------------------------------------

    async def set_variable(self, args: list[str]) -> str:
        """Set: SET VARIABLE."""
        self._variables.store(args[0], args[1])
        self._channel.record.variables[args[0]] = args[1]
        self._channel.emit("variable", f"{args[0]}={args[1]}")
        return "200 result=1\n"

    async def get_variable(self, args: list[str]) -> str:
        """Read: GET VARIABLE."""
        return _value(self._variables.read(args[0]))

    async def get_full_variable(self, args: list[str]) -> str:
        """Evaluate: GET FULL VARIABLE; there are no other channels."""
        return _value(None if args[1:] else self._variables.evaluate(args[0]))

    async def database(self, what: str, args: list[str]) -> str:
        """Use AstDB: DATABASE GET, PUT, DEL, DELTREE."""
        return self._variables.database(what, args)

    async def execute(self, args: list[str]) -> str:
        """Run an application: EXEC; a result of 1 is followed by the usage."""
        code = await self._applications.run(args[0], args[1] if args[1:] else "")
        return f"200 result={code}\n{USAGE if code == 1 else ''}"


def _value(text: str | None) -> str:
    return "200 result=0\n" if text is None else f"200 result=1 ({text})\n"


def _leading_number(text: str) -> int:
    """Read a number as `atoi` does: 0 if there is none."""
    found = _WHOLE.match(text)
    return int(found[0]) if found else 0


@dataclass(frozen=True, slots=True)
class Command:
    """One command of Asterisk: its name, its arguments and when it may run."""

    name: str
    handler: Callable[[CommandHandlers, list[str]], Awaitable[str]]
    least: int = 0
    most: int = 127
    works_on_dead: bool = False
    takes_time: bool = False
    number: int | None = None
    """Index of an argument that must be a number."""

    @property
    def length(self) -> int:
        """Number of words in the name."""
        return self.name.count(" ") + 1

    def takes(self, words: list[str]) -> bool:
        """Tell whether the arguments match the usage."""
        args = words[self.length :]
        if not self.least <= len(args) <= self.most:
            return False
        return (
            self.number is None or len(args) <= self.number or bool(_WHOLE.match(args[self.number]))
        )

    def reply_on_hangup(self, seconds: float) -> str:
        """Return the reply if the caller hangs up `seconds` after the command started."""
        endpos = round(seconds * 1000) * _SAMPLES_PER_MS
        if self.name == "STREAM FILE":
            return f"200 result=-1 endpos={endpos}\n"
        if self.name == "RECORD FILE":
            return f"200 result=-1 (hangup) endpos={endpos}\n"
        return "200 result=-1\n"


def _commands() -> dict[str, Command]:
    """List the commands as the table `commands` in ``res_agi.c`` does."""
    a = CommandHandlers
    listed = [
        Command("ANSWER", a.answer),
        Command("CHANNEL STATUS", a.channel_status, 0, 1),
        Command("DATABASE GET", lambda s, w: s.database("GET", w), 2, 2, works_on_dead=True),
        Command("DATABASE PUT", lambda s, w: s.database("PUT", w), 3, 3, works_on_dead=True),
        Command("DATABASE DEL", lambda s, w: s.database("DEL", w), 2, 2, works_on_dead=True),
        Command(
            "DATABASE DELTREE", lambda s, w: s.database("DELTREE", w), 1, 2, works_on_dead=True
        ),
        Command("EXEC", a.execute, 1, works_on_dead=True, takes_time=True),
        Command("GET DATA", a.get_data, 1, 3, takes_time=True),
        Command("GET FULL VARIABLE", a.get_full_variable, 1, 2, works_on_dead=True),
        Command("GET VARIABLE", a.get_variable, 1, 1, works_on_dead=True),
        Command("HANGUP", a.hangup, 0, 1),
        Command("NOOP", a.done, works_on_dead=True),
        Command("RECORD FILE", a.record_file, 4, takes_time=True, number=3),
        Command("SAY ALPHA", lambda s, w: s.say("alpha", w), 2, 2, takes_time=True),
        Command("SAY DIGITS", lambda s, w: s.say("digits", w), 2, 2, takes_time=True, number=0),
        Command("SAY NUMBER", lambda s, w: s.say("number", w), 2, 3, takes_time=True, number=0),
        Command("SAY PHONETIC", lambda s, w: s.say("phonetic", w), 2, 2, takes_time=True),
        Command("SET AUTOHANGUP", a.done, 1, 1),
        Command("SET CALLERID", a.set_callerid),
        Command("SET CONTEXT", lambda s, w: s.set_continuation("context", w), 1, 1),
        Command("SET EXTENSION", lambda s, w: s.set_continuation("extension", w), 1, 1),
        Command("SET MUSIC", a.done, 1),
        Command("SET PRIORITY", lambda s, w: s.set_continuation("priority", w), 1, 1, number=0),
        Command("SET VARIABLE", a.set_variable, 2, 2, works_on_dead=True),
        Command("STREAM FILE", a.stream_file, 2, 3, takes_time=True, number=2),
        Command("VERBOSE", a.done_one, 1, works_on_dead=True),
        Command("WAIT FOR DIGIT", a.wait_for_digit, 1, 1, takes_time=True, number=0),
    ]
    return {command.name: command for command in listed}


_COMMANDS = _commands()


def find_command(words: list[str]) -> Command | None:
    """Find the command at the start of the line, in upper or lower case (`find_command`)."""
    for length in (3, 2, 1):
        command = _COMMANDS.get(" ".join(words[:length]).upper())
        if command is not None and len(words) >= length:
            return command
    return None
