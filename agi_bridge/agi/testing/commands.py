"""What Asterisk answers to each command, and what it does to the caller (`res/res_agi.c`)."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from agi_bridge.agi.results import SAMPLES_PER_SECOND, ChannelState
from agi_bridge.agi.testing.applications import Applications
from agi_bridge.agi.testing.channel_variables import ChannelVariables
from agi_bridge.agi.testing.dtmf_script import HANG_UP
from agi_bridge.agi.testing.errors import CallerGoneError
from agi_bridge.agi.testing.record import PlayedSound

if TYPE_CHECKING:
    from agi_bridge.agi.testing.call import Call

UNKNOWN = "510 Invalid or unknown command\n"
DEAD = "511 Command Not Permitted on a dead channel or intercept routine\n"
USAGE = (
    "520-Invalid command syntax.  Proper usage follows:\n"
    "See the documentation of the command.\n520 End of proper usage.\n"
)

_WHOLE = re.compile(r"\s*[+-]?\d+")
_SAMPLES_PER_MS = SAMPLES_PER_SECOND // 1000
_DEFAULT_MS = 1000
_SPOKEN_MS = 800  # a character, about what the recorded SAY commands took
_NO_TIMEOUT_SECONDS = 6.0  # what a GET DATA without time-out waits
_EXTENSIONS = frozenset(
    {".wav", ".sln", ".ulaw", ".ul", ".alaw", ".gsm", ".g722", ".wav16", ".mp3"}
)
_ALL_KEYS = "0123456789*#ABCD"
_FOREVER_SECONDS = 86400.0  # a WAIT FOR DIGIT -1 that nobody ends would never do so

SpeechKind = Literal["digits", "number", "phonetic", "alpha"]


class CommandHandlers:
    """The commands of one call."""

    def __init__(self, call: "Call") -> None:
        self._call = call
        self._memory = ChannelVariables(call)
        self._applications = Applications(call, self._memory, self.sound)

    # -- the channel ------------------------------------------------------------------------------

    async def answer(self, _args: list[str]) -> str:
        """Answer: ANSWER."""
        self._call.record.answered = True
        return "200 result=0\n"

    async def hangup(self, args: list[str]) -> str:
        """Hang up: HANGUP; of other channels there are none."""
        if args:
            return "200 result=-1\n"
        self._call.leave_behind_reply()
        return "200 result=1\n"

    async def channel_status(self, args: list[str]) -> str:
        """Tell the state: CHANNEL STATUS."""
        if args:
            return "200 result=-1\n"
        up = self._call.record.answered
        return f"200 result={int(ChannelState.UP if up else ChannelState.RING)}\n"

    async def go_on(self, what: str, args: list[str]) -> str:
        """Note where to go on: SET CONTEXT, EXTENSION, PRIORITY."""
        self._call.record.continue_at[what] = args[0]
        return "200 result=0\n"

    async def done(self, _args: list[str]) -> str:
        """Do nothing and say 0."""
        return "200 result=0\n"

    async def done_one(self, _args: list[str]) -> str:
        """Do nothing and say 1."""
        return "200 result=1\n"

    async def set_callerid(self, args: list[str]) -> str:
        """Change the caller ID: SET CALLERID."""
        self._memory.store("CALLERID(all)", args[0] if args else "")
        return "200 result=1\n"

    # -- playing and keying -----------------------------------------------------------------------

    def sound(self, name: str) -> int | None:
        """Look up a sound's milliseconds; None for a missing one, a list, or with extension.

        An address on the web may have one (`is_remote_path` in file.c).
        """
        remote = name.startswith(("http://", "https://"))
        if not name or "&" in name or (not remote and PurePosixPath(name).suffix in _EXTENSIONS):
            return None
        sounds = self._call.pbx.sounds
        known = _DEFAULT_MS if sounds is None else None
        if sounds is not None:
            known = sounds(name) if callable(sounds) else sounds.get(name)
        if name.startswith("silence/") and name[8:].isdigit():
            return int(name[8:]) * 1000  # part of Asterisk's core sounds
        return known

    async def stream_file(self, args: list[str]) -> str:
        """Play: STREAM FILE; a missing file is a failure of the session (`RESULT_FAILURE`)."""
        name, accepted, offset = args[0], args[1], int(args[2]) if args[2:] else 0
        length = self.sound(name)
        if length is None:
            self._call.record.status = "FAILURE"
            return "200 result=-1 endpos=0\n"
        start = min(max(0, offset), length * _SAMPLES_PER_MS) // _SAMPLES_PER_MS
        key, seconds = await self._play("file", name, length - start, accepted)
        endpos = (start + round(seconds * 1000)) * _SAMPLES_PER_MS
        return f"200 result={ord(key) if key else 0} endpos={endpos}\n"

    async def _play(
        self, kind: Literal["file"] | SpeechKind, name: str, length: int, accepted: str
    ) -> tuple[str, float]:
        """Play so many milliseconds, unless a key or a hangup ends it."""
        call = self._call
        audible = call.record.answered
        call.tell("playing" if kind == "file" else "saying", name, length)
        try:
            plays = None if name.startswith("silence/") else name
            key, seconds = await call.listen(length / 1000, accepted, plays=plays)
        except CallerGoneError as gone:
            heard = PlayedSound(kind, name, round(gone.seconds * 1000), HANG_UP, audible)
            call.record.heard.append(heard)
            raise
        call.record.heard.append(PlayedSound(kind, name, round(seconds * 1000), key, audible))
        return key, seconds

    async def say(self, kind: SpeechKind, args: list[str]) -> str:
        """Say something: SAY DIGITS, NUMBER, PHONETIC, ALPHA."""
        key, _ = await self._play(kind, args[0], _SPOKEN_MS * len(args[0]), args[1])
        return f"200 result={ord(key) if key else 0}\n"

    async def wait_for_digit(self, args: list[str]) -> str:
        """Wait for a key: WAIT FOR DIGIT; a negative time waits for ever."""
        wait = int(args[0])
        seconds = wait / 1000 if wait >= 0 else _FOREVER_SECONDS
        key, _ = await self._call.listen(seconds, _ALL_KEYS)
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
            key, _ = await self._call.listen(seconds or _NO_TIMEOUT_SECONDS, _ALL_KEYS)
            if not key:
                return f"200 result={keys} (timeout)\n"
            keys += key
        return f"200 result={keys.removesuffix('#')}\n"

    async def record_file(self, args: list[str]) -> str:
        """Record: RECORD FILE, until a key among the third argument or the time is over."""
        key, seconds = await self._call.listen(int(args[3]) / 1000, args[2])
        endpos = round(seconds * 1000) * _SAMPLES_PER_MS
        return (
            f"200 result={ord(key)} (dtmf) endpos={endpos}\n"
            if key
            else (f"200 result=0 (timeout) endpos={endpos}\n")
        )

    # -- memory and applications ------------------------------------------------------------------

    async def set_variable(self, args: list[str]) -> str:
        """Set: SET VARIABLE."""
        self._memory.store(args[0], args[1])
        self._call.record.variables[args[0]] = args[1]
        self._call.tell("variable", f"{args[0]}={args[1]}")
        return "200 result=1\n"

    async def get_variable(self, args: list[str]) -> str:
        """Read: GET VARIABLE."""
        return _value(self._memory.read(args[0]))

    async def get_full_variable(self, args: list[str]) -> str:
        """Evaluate: GET FULL VARIABLE; of other channels there are none."""
        return _value(None if args[1:] else self._memory.evaluate(args[0]))

    async def database(self, what: str, args: list[str]) -> str:
        """Use AstDB: DATABASE GET, PUT, DEL, DELTREE."""
        return self._memory.database(what, args)

    async def execute(self, args: list[str]) -> str:
        """Run an application: EXEC; a result of 1 is taken for a call for the usage."""
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
    """One command of Asterisk's: how it is put, and what it needs."""

    name: str
    answer: Callable[[CommandHandlers, list[str]], Awaitable[str]]
    least: int = 0
    most: int = 127
    works_on_dead: bool = False
    takes_time: bool = False
    number: int | None = None
    """The place of an argument that has to be a number."""

    @property
    def length(self) -> int:
        """Words of the name."""
        return self.name.count(" ") + 1

    def takes(self, words: list[str]) -> bool:
        """Tell whether the arguments are as its usage wants them."""
        args = words[self.length :]
        if not self.least <= len(args) <= self.most:
            return False
        return (
            self.number is None or len(args) <= self.number or bool(_WHOLE.match(args[self.number]))
        )

    def reply_on_hangup(self, seconds: float) -> str:
        """Give its reply if the caller hangs up so many seconds after its beginning."""
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
        Command("SET CONTEXT", lambda s, w: s.go_on("context", w), 1, 1),
        Command("SET EXTENSION", lambda s, w: s.go_on("extension", w), 1, 1),
        Command("SET MUSIC", a.done, 1),
        Command("SET PRIORITY", lambda s, w: s.go_on("priority", w), 1, 1, number=0),
        Command("SET VARIABLE", a.set_variable, 2, 2, works_on_dead=True),
        Command("STREAM FILE", a.stream_file, 2, 3, takes_time=True, number=2),
        Command("VERBOSE", a.done_one, 1, works_on_dead=True),
        Command("WAIT FOR DIGIT", a.wait_for_digit, 1, 1, takes_time=True, number=0),
    ]
    return {command.name: command for command in listed}


_COMMANDS = _commands()


def find(words: list[str]) -> Command | None:
    """Find the command that the line begins with, in any case (`find_command`)."""
    for length in (3, 2, 1):
        command = _COMMANDS.get(" ".join(words[:length]).upper())
        if command is not None and len(words) >= length:
            return command
    return None
