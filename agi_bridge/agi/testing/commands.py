"""The AGI commands of the simulated PBX: usage, effect and reply of each (`res/res_agi.c`).

Those that play, say and record are in `playback`.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agi_bridge.agi.encoding import separate_arguments
from agi_bridge.agi.results import ChannelState, SpeechResult
from agi_bridge.agi.testing.applications import Applications
from agi_bridge.agi.testing.channel import SimulatedChannel
from agi_bridge.agi.testing.channel_variables import ChannelVariables
from agi_bridge.agi.testing.playback import (
    ALL_KEYS,
    FOREVER_SECONDS,
    SAMPLES_PER_MS,
    PlaybackHandlers,
    leading_number,
)

UNKNOWN = "510 Invalid or unknown command\n"
DEAD = "511 Command Not Permitted on a dead channel or intercept routine\n"
USAGE = (
    "520-Invalid command syntax.  Proper usage follows:\n"
    "See the documentation of the command.\n520 End of proper usage.\n"
)

_WHOLE = re.compile(r"\s*[+-]?[0-9]+")
_DECIMAL = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_EPOCH = re.compile(r"\s*[+-]?[0-9]{1,18}")


class CommandHandlers(PlaybackHandlers):
    """The effect and the reply of each command, for one channel."""

    def __init__(self, channel: SimulatedChannel) -> None:
        super().__init__(channel, ChannelVariables(channel))
        self._applications = Applications(channel, self._variables, self)
        self._texts = list(channel.scenario.texts)
        self._speech = False
        self._recognized = list(channel.scenario.recognized or ())

    # -- the channel ------------------------------------------------------------------------------

    async def answer(self, _args: list[str]) -> str:
        """Answer: ANSWER."""
        self._channel.record.answered = True
        return "200 result=0\n"

    async def hangup(self, args: list[str]) -> str:
        """Hang up: HANGUP, this channel or another one."""
        if args and args[0] != self._channel.full_name:
            known = args[0] in self._channel.scenario.channels
            self._channel.record.hung_up_channels += [args[0]] * known
            return f"200 result={1 if known else -1}\n"
        self._channel.hang_up_after_reply()
        return "200 result=1\n"

    async def channel_status(self, args: list[str]) -> str:
        """Return the state: CHANNEL STATUS, of this channel or another one."""
        if args and args[0] != self._channel.full_name:
            other = self._channel.scenario.channels.get(args[0], ChannelState.UNKNOWN)
            return f"200 result={int(other)}\n"
        up = self._channel.record.answered
        return f"200 result={int(ChannelState.UP if up else ChannelState.RING)}\n"

    async def set_continuation(self, what: str, args: list[str]) -> str:
        """Set where the dialplan continues: SET CONTEXT, EXTENSION, PRIORITY.

        A priority that is not a number must be one of the scenario's labels.
        """
        numeric = what != "priority" or bool(_WHOLE.match(args[0]))
        if not numeric and args[0] not in self._channel.scenario.labels:
            return USAGE
        if what != "priority" or leading_number(args[0]) >= 0:  # others leave it as it is
            self._channel.record.continue_at[what] = args[0]
        return "200 result=0\n"

    async def set_autohangup(self, args: list[str]) -> str:
        """Set when the PBX hangs up: SET AUTOHANGUP; 0 and less is never (`handle_autohangup`)."""
        found = _DECIMAL.match(args[0])
        self._channel.hang_up_in(float(found[0]) if found else 0.0)
        return "200 result=0\n"

    async def gosub(self, args: list[str]) -> str:
        """Run a subroutine of the scenario: GOSUB (`handle_gosub` in app_stack.c)."""
        place = ",".join(args[:3])
        subroutines = self._channel.scenario.subroutines
        if place not in subroutines:
            self.fail()
            return "200 result=-1 Gosub label not found\n"
        subroutine = subroutines[place]
        given = separate_arguments(args[3], raw=True) or [""] if args[3:] else []
        self._channel.record.subroutines.append((place, *given))
        returned = subroutine(given) if callable(subroutine) else subroutine
        self._variables.store("GOSUB_RETVAL", returned or "")
        how = " (abnormal exit)" if returned is None else ""
        return f"100 result=0 Trying...\n200 result=0 Gosub complete{how}\n"

    # -- text -------------------------------------------------------------------------------------

    async def receive_text(self, args: list[str]) -> str:
        """Take the next of the scenario's texts: RECEIVE TEXT."""
        text = await self._next_text(args[0])
        return "200 result=-1\n" if text is None else f"200 result=1 ({text})\n"

    async def receive_char(self, args: list[str]) -> str:
        """Take the first byte of the next text, a signed `char`: RECEIVE CHAR."""
        text = await self._next_text(args[0])
        if not text:
            self.fail()
            return "200 result=-1 (hangup)\n"
        byte = text.encode("utf-8", "surrogateescape")[0]
        code = byte - 256 if byte > 127 else byte  # noqa: PLR2004 - a signed char
        return f"200 result={code}{' (hangup)' if code < 0 else ''}\n"

    async def _next_text(self, timeout: str) -> str | None:  # noqa: ASYNC109 - Asterisk's own time-out
        if self._texts:
            return self._texts.pop(0)
        wait = leading_number(timeout)
        seconds = FOREVER_SECONDS if wait < 0 else wait / 1000
        await self._channel.pass_time(seconds, abortable=False)
        return None

    async def send_text(self, args: list[str]) -> str:
        """Note a text: SEND TEXT."""
        self._channel.record.texts.append(args[0])
        return "200 result=0\n"

    # -- speech recognition -----------------------------------------------------------------------

    async def speech_create(self, _args: list[str]) -> str:
        """Create the speech object, once, if the scenario has an engine: SPEECH CREATE."""
        created = self._channel.scenario.recognized is not None and not self._speech
        self._speech = self._speech or created
        return f"200 result={int(created)}\n"

    async def speech_destroy(self, _args: list[str]) -> str:
        """Destroy the speech object: SPEECH DESTROY."""
        existed, self._speech = self._speech, False
        return f"200 result={int(existed)}\n"

    async def speech_setting(self, _args: list[str]) -> str:
        """Accept an option or a grammar, if there is a speech object: SPEECH SET and others."""
        return f"200 result={int(self._speech)}\n"

    async def speech_recognize(self, args: list[str]) -> str:
        """Play a prompt; give the next of the scenario's results, or a key: SPEECH RECOGNIZE."""
        if not self._speech:
            return "200 result=0\n"
        result = self._recognized.pop(0) if self._recognized else SpeechResult("timeout", 0)
        length = (self.sound(args[0]) or 0) if args[0] else 0
        key = ""
        if result.ended_by != "speech" or not length:
            key, _ = await self.play("file", args[0], length, ALL_KEYS)
        if not key and result.ended_by != "speech":
            wait = leading_number(args[1])
            key, _ = await self._channel.listen(wait or FOREVER_SECONDS, ALL_KEYS)
        if key or result.ended_by == "digit":
            return f"200 result=1 (digit) digit={key or result.digit} endpos={result.endpos}\n"
        if result.ended_by == "timeout":
            return "200 result=1 (timeout) endpos=0\n"
        utterances = " ".join(
            f'score{place}={each.score} text{place}="{each.text}" grammar{place}={each.grammar}'
            for place, each in enumerate(result.utterances)
        )
        count = len(result.utterances)
        return f"200 result=1 (speech) endpos={result.endpos} results={count} {utterances}\n"

    async def done(self, _args: list[str]) -> str:
        """Do nothing and reply 0."""
        return "200 result=0\n"

    async def done_one(self, _args: list[str]) -> str:
        """Do nothing and reply 1."""
        return "200 result=1\n"

    async def set_callerid(self, args: list[str]) -> str:
        """Change the caller ID: SET CALLERID."""
        if args:
            self._variables.store("CALLERID(all)", args[0])
        return "200 result=1\n"

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
        """Evaluate: GET FULL VARIABLE; other channels have no variables."""
        if args[1:] and args[1] != self._channel.full_name:
            return _value("" if args[1] in self._channel.scenario.channels else None)
        return _value(self._variables.evaluate(args[0]))

    async def database(self, what: str, args: list[str]) -> str:
        """Use AstDB: DATABASE GET, PUT, DEL, DELTREE."""
        database = self._variables.database
        if what == "GET":
            text = database.get(args[0], args[1])
            return "200 result=0\n" if text is None else f"200 result=1 ({text})\n"
        if what == "DELTREE":  # 1 means that nothing was there (`handle_dbdeltree`)
            return f"200 result={int(not database.delete_tree(*args))}\n"
        if what == "PUT":
            database.put(args[0], args[1], args[2])
        else:
            database.delete(args[0], args[1])
        return "200 result=1\n"

    async def execute(self, args: list[str]) -> str:
        """Run an application: EXEC; a result of 1 is followed by the usage."""
        code = await self._applications.run(args[0], args[1] if args[1:] else "")
        return f"200 result={code}\n{USAGE if code == 1 else ''}"


def _value(text: str | None) -> str:
    return "200 result=0\n" if text is None else f"200 result=1 ({text})\n"


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
    form: tuple[int, Callable[[str], bool]] | None = None
    """Index of an argument, and what it must fulfil."""

    @property
    def length(self) -> int:
        """Number of words in the name."""
        return self.name.count(" ") + 1

    def takes(self, words: list[str]) -> bool:
        """Tell whether the arguments match the usage."""
        args = words[self.length :]
        if not self.least <= len(args) <= self.most:
            return False
        if (
            self.form is not None
            and len(args) > self.form[0]
            and not self.form[1](args[self.form[0]])
        ):
            return False
        return (
            self.number is None or len(args) <= self.number or bool(_WHOLE.match(args[self.number]))
        )

    def reply_on_hangup(self, seconds: float) -> str:
        """Return the reply if the caller hangs up `seconds` after the command started."""
        endpos = round(seconds * 1000) * SAMPLES_PER_MS
        if self.name in {"STREAM FILE", "GET OPTION"}:
            return f"200 result=-1 endpos={endpos}\n"
        if self.name == "CONTROL STREAM FILE":
            return f"200 result=-1 endpos={round(seconds * 1000)}\n"
        if self.name == "SPEECH RECOGNIZE":
            return "200 result=1 (hangup) endpos=0\n"
        if self.name == "RECEIVE CHAR":
            return "200 result=-1 (hangup)\n"
        if self.name == "RECORD FILE":
            return f"200 result=-1 (hangup) endpos={endpos}\n"
        return "200 result=-1\n"


def _commands() -> dict[str, Command]:
    """List the commands as the table `commands` in ``res_agi.c`` does."""
    a = CommandHandlers
    listed = [
        Command("ANSWER", a.answer),
        Command("ASYNCAGI BREAK", a.done, works_on_dead=True),
        Command("CHANNEL STATUS", a.channel_status, 0, 1),
        Command("CONTROL STREAM FILE", a.control_stream_file, 2, 7, takes_time=True, number=2),
        Command("DATABASE GET", lambda s, w: s.database("GET", w), 2, 2, works_on_dead=True),
        Command("DATABASE PUT", lambda s, w: s.database("PUT", w), 3, 3, works_on_dead=True),
        Command("DATABASE DEL", lambda s, w: s.database("DEL", w), 2, 2, works_on_dead=True),
        Command(
            "DATABASE DELTREE", lambda s, w: s.database("DELTREE", w), 1, 2, works_on_dead=True
        ),
        Command("EXEC", a.execute, 1, works_on_dead=True, takes_time=True),
        Command("GET DATA", a.get_data, 1, 3, takes_time=True),
        Command("GET FULL VARIABLE", a.get_full_variable, 1, 2, works_on_dead=True),
        Command("GET OPTION", a.get_option, 2, 3, takes_time=True),
        Command("GET VARIABLE", a.get_variable, 1, 1, works_on_dead=True),
        Command("GOSUB", a.gosub, 3, 4, takes_time=True),
        Command("HANGUP", a.hangup, 0, 1),
        Command("NOOP", a.done, works_on_dead=True),
        Command("RECEIVE CHAR", a.receive_char, 1, 1, takes_time=True),
        Command("RECEIVE TEXT", a.receive_text, 1, 1, takes_time=True),
        Command("RECORD FILE", a.record_file, 4, takes_time=True, number=3),
        Command(
            "SAY ALPHA", lambda s, w: s.say("alpha", w), 2, 3, takes_time=True, form=(2, _is_case)
        ),
        Command("SAY DATE", lambda s, w: s.say("date", w), 2, 2, takes_time=True, number=0),
        Command(
            "SAY DATETIME",
            lambda s, w: s.say("datetime", w),
            2,
            takes_time=True,
            form=(0, _is_epoch),
        ),
        Command("SAY DIGITS", lambda s, w: s.say("digits", w), 2, 2, takes_time=True, number=0),
        Command("SAY NUMBER", lambda s, w: s.say("number", w), 2, 3, takes_time=True, number=0),
        Command("SAY PHONETIC", lambda s, w: s.say("phonetic", w), 2, 2, takes_time=True),
        Command("SAY TIME", lambda s, w: s.say("time", w), 2, 2, takes_time=True, number=0),
        Command("SEND IMAGE", a.done, 1, 1),
        Command("SEND TEXT", a.send_text, 1, 1),
        Command("SET AUTOHANGUP", a.set_autohangup, 1, 1, form=(0, _is_decimal)),
        Command("SET CALLERID", a.set_callerid),
        Command("SET CONTEXT", lambda s, w: s.set_continuation("context", w), 1, 1),
        Command("SET EXTENSION", lambda s, w: s.set_continuation("extension", w), 1, 1),
        Command("SET MUSIC", a.done, 1),
        Command("SET PRIORITY", lambda s, w: s.set_continuation("priority", w), 1, 1),
        Command("SET VARIABLE", a.set_variable, 2, 2, works_on_dead=True),
        Command("SPEECH ACTIVATE GRAMMAR", a.speech_setting, 1, 1),
        Command("SPEECH CREATE", a.speech_create),
        Command("SPEECH DEACTIVATE GRAMMAR", a.speech_setting, 1, 1),
        Command("SPEECH DESTROY", a.speech_destroy, works_on_dead=True),
        Command("SPEECH LOAD GRAMMAR", a.speech_setting, 2, 2),
        Command("SPEECH RECOGNIZE", a.speech_recognize, 2, takes_time=True),
        Command("SPEECH SET", a.speech_setting, 2, 2),
        Command("SPEECH UNLOAD GRAMMAR", a.speech_setting, 1, 1, works_on_dead=True),
        Command("STREAM FILE", a.stream_file, 2, 3, takes_time=True, number=2),
        Command("TDD MODE", a.done, 1, 1),
        Command("VERBOSE", a.done_one, 1, works_on_dead=True),
        Command("WAIT FOR DIGIT", a.wait_for_digit, 1, 1, takes_time=True, number=0),
    ]
    return {command.name: command for command in listed}


def _is_case(text: str) -> bool:
    return not text or text[0] in "aAlLnNuU"


def _is_decimal(text: str) -> bool:
    return bool(_DECIMAL.match(text))


def _is_epoch(text: str) -> bool:
    return bool(_EPOCH.match(text))


_COMMANDS = _commands()


def find_command(words: list[str]) -> Command | None:
    """Find the command at the start of the line, in upper or lower case (`find_command`)."""
    for length in (3, 2, 1):
        command = _COMMANDS.get(" ".join(words[:length]).upper())
        if command is not None and len(words) >= length:
            return command
    return None


def command_names() -> list[str]:
    """Return the names of all commands, as Asterisk 22 lists them (``agi show commands``)."""
    return list(_COMMANDS)
