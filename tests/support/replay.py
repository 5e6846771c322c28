"""Drives a `Channel` through what a recorded server wrote, against what Asterisk then sent."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, cast

from agi_bridge.agi import AGIError, Channel, split_command
from agi_bridge.agi.commands import SAFE_APPLICATIONS
from tests.support.fake_transport import FakeSession, settle
from tests.support.recorded import Entry, load

STATUS = b"CHANNEL STATUS\n"
APPLICATIONS = SAFE_APPLICATIONS | {"Set", "Goto", "NoSuchApp"}

Case = Literal["all", "lower", "upper", "none"] | None
Call = Callable[[Channel], Awaitable[object]]


def typed(words: list[str]) -> Call | None:
    """Give the typed command for the words, or None where none of ours would write them."""
    if words[0] == "EXEC" and len(words) > 1:
        # The recorded arguments are one string already; they hold nothing to be escaped.
        return lambda c: c.exec(words[1], *(word for word in words[2:3] if word))
    name = next((name for name in _TYPED if words[: len(name.split())] == name.split()), None)
    if name is None:
        return None
    make, least, most = _TYPED[name]
    args = words[len(name.split()) :]
    if not least <= len(args) <= most:
        return None
    return lambda c: make(c, args)


def _digits(c: Channel, a: list[str]) -> Awaitable[object]:
    timeout = int(a[1]) / 1000 if a[1:] else None
    return c.get_data(a[0], timeout=timeout, max_digits=int(a[2]) if a[2:] else None)


def _controlled(c: Channel, a: list[str]) -> Awaitable[object]:
    name, stop, skip, forward, rewind, pause, start = (*a, "3000", "#", "*", "", "0")[:7]
    return c.control_stream_file(
        name,
        stop,
        skip=int(skip) / 1000,
        forward=forward,
        rewind=rewind,
        pause=pause,
        start=int(start) / 1000,
    )


def _record(c: Channel, a: list[str]) -> Awaitable[object]:
    silence = next((float(word[2:]) for word in a if word.startswith("s=")), None)
    seconds = int(a[3]) / 1000 if int(a[3]) >= 0 else None
    return c.record_file(a[0], a[1], a[2], seconds=seconds, beep="BEEP" in a, silence=silence)


_TYPED: dict[str, tuple[Callable[[Channel, list[str]], Awaitable[object]], int, int]] = {
    "ANSWER": (lambda c, _: c.answer(), 0, 0),
    "HANGUP": (lambda c, a: c.hangup(*a), 0, 1),
    "CHANNEL STATUS": (lambda c, a: c.channel_status(*a), 0, 1),
    "CONTROL STREAM FILE": (_controlled, 2, 7),
    "GET OPTION": (
        lambda c, a: c.get_option(a[0], a[1], int(a[2]) / 1000 if a[2:] else None),
        2,
        3,
    ),
    "STREAM FILE": (
        lambda c, a: c.stream_file(a[0], a[1], offset=int(a[2]) if a[2:] else 0),
        2,
        3,
    ),
    "GET DATA": (_digits, 1, 3),
    "WAIT FOR DIGIT": (lambda c, a: c.wait_for_digit(int(a[0]) / 1000), 1, 1),
    "SAY DIGITS": (lambda c, a: c.say_digits(a[0], a[1]), 2, 2),
    "SAY NUMBER": (lambda c, a: c.say_number(int(a[0]), a[1], gender=(*a, None)[2]), 2, 3),
    "SAY DATE": (lambda c, a: c.say_date(int(a[0]), a[1]), 2, 2),
    "SAY TIME": (lambda c, a: c.say_time(int(a[0]), a[1]), 2, 2),
    "SAY DATETIME": (
        lambda c, a: c.say_datetime(
            int(a[0]), a[1], layout=(*a, None)[2], zone=(*a, None, None)[3]
        ),
        2,
        4,
    ),
    "SAY PHONETIC": (lambda c, a: c.say_phonetic(a[0], a[1]), 2, 2),
    "SAY ALPHA": (lambda c, a: c.say_alpha(a[0], a[1], case=cast("Case", (*a, None)[2])), 2, 3),
    "RECORD FILE": (_record, 4, 6),
    "SET VARIABLE": (lambda c, a: c.set_variable(a[0], a[1]), 2, 2),
    "GET VARIABLE": (lambda c, a: c.get_variable(a[0]), 1, 1),
    "GET FULL VARIABLE": (lambda c, a: c.get_full_variable(*a), 1, 2),
    "VERBOSE": (lambda c, a: c.verbose(a[0], int(a[1])), 2, 2),
    "NOOP": (lambda c, _: c.noop(), 0, 0),
    "SET CONTEXT": (lambda c, a: c.set_context(a[0]), 1, 1),
    "SET EXTENSION": (lambda c, a: c.set_extension(a[0]), 1, 1),
    "SET PRIORITY": (lambda c, a: c.set_priority(a[0]), 1, 1),
    "SET CALLERID": (lambda c, a: c.set_callerid(a[0]), 1, 1),
    "SET MUSIC": (lambda c, a: c.set_music(a[0] == "ON", *a[1:]), 1, 2),
    "SET AUTOHANGUP": (lambda c, a: c.set_autohangup(float(a[0])), 1, 1),
    "RECEIVE CHAR": (lambda c, a: c.receive_char(int(a[0]) / 1000), 1, 1),
    "RECEIVE TEXT": (lambda c, a: c.receive_text(int(a[0]) / 1000), 1, 1),
    "SEND TEXT": (lambda c, a: c.send_text(a[0]), 1, 1),
    "SEND IMAGE": (lambda c, a: c.send_image(a[0]), 1, 1),
    "TDD MODE": (lambda c, a: c.tdd_mode(cast("Literal['on']", a[0])), 1, 1),
    "ASYNCAGI BREAK": (lambda c, _: c.asyncagi_break(), 0, 0),
    "GOSUB": (lambda c, a: c.gosub(a[0], a[1], a[2], *a[3:]), 3, 4),
    "SPEECH CREATE": (lambda c, a: c.speech_create(*a), 0, 1),
    "SPEECH SET": (lambda c, a: c.speech_set(a[0], a[1]), 2, 2),
    "SPEECH DESTROY": (lambda c, _: c.speech_destroy(), 0, 0),
    "SPEECH LOAD GRAMMAR": (lambda c, a: c.speech_load_grammar(a[0], a[1]), 2, 2),
    "SPEECH UNLOAD GRAMMAR": (lambda c, a: c.speech_unload_grammar(a[0]), 1, 1),
    "SPEECH ACTIVATE GRAMMAR": (lambda c, a: c.speech_activate_grammar(a[0]), 1, 1),
    "SPEECH DEACTIVATE GRAMMAR": (lambda c, a: c.speech_deactivate_grammar(a[0]), 1, 1),
    "SPEECH RECOGNIZE": (lambda c, a: c.speech_recognize(a[0], int(a[1])), 2, 3),
    "DATABASE PUT": (lambda c, a: c.database_put(a[0], a[1], a[2]), 3, 3),
    "DATABASE GET": (lambda c, a: c.database_get(a[0], a[1]), 2, 2),
    "DATABASE DELTREE": (lambda c, a: c.database_delete_tree(*a), 1, 2),
    "DATABASE DEL": (lambda c, a: c.database_delete(a[0], a[1]), 2, 2),
}


async def replay(case: str) -> list[object]:
    """Give what each command of the case came to: its result, or the class of its error."""
    session = FakeSession(environment=b"", applications=APPLICATIONS)
    outcomes: list[object] = []
    entries = load(case)
    gone = False
    asked: asyncio.Future[object] | None = None

    def status(written: bytes) -> bytes | None:
        """Answer the question behind a -1, which the recorded server did not ask."""
        if written != STATUS or expected == STATUS:
            return None
        return b"511 Command Not Permitted\n" if gone else b"200 result=6\n"

    async def settled() -> None:
        if asked is not None:
            await settle()
            outcomes.append(await _outcome(asked))

    expected = b""
    session.transport.answer = status
    for place, entry in enumerate(entries):
        if entry.who == "note":
            gone = gone or b"caller hangs up" in entry.data
        elif entry.who == "server":
            await settled()
            expected = entry.data
            asked = asyncio.ensure_future(_command(session, entry.data))
            await settle()
        elif entry.end:
            await settle()
            session.connection.eof_received()
        else:
            gone = gone or _hung_up(entries[place:])
            session.feed(entry.data)
            await settle()
    await settled()
    session.transport.abort()
    await settle()
    return outcomes


def _hung_up(entries: list[Entry]) -> bool:
    """Tell whether the HANGUP line is here, or comes before the server writes again."""
    for entry in entries:
        if entry.who == "server":
            return False
        if entry.who == "pbx" and b"HANGUP" in entry.data:
            return True
    return False


async def _command(session: FakeSession, written: bytes) -> object:
    words = split_command(written.decode("utf-8", "surrogateescape"))
    call = typed(words) if words else None
    if call is not None:
        try:
            return await call(session.channel)
        except ValueError as error:
            if isinstance(error, AGIError):
                raise  # refused by the engine; others are arguments that no typed command takes
    return await session.connection.send(written, 5.0, live=False)


async def _outcome(asked: "asyncio.Future[object]") -> object:
    try:
        return await asyncio.wait_for(asked, 1.0)
    except AGIError as error:
        return type(error)
