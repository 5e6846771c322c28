"""Drives a `Channel` through what a recorded server wrote, against what Asterisk then sent."""

import asyncio
from collections.abc import Awaitable, Callable

from agi_bridge.agi import AGIError, Channel, split_command
from agi_bridge.agi.commands import SAFE_APPLICATIONS
from tests.support.fake_transport import FakeSession, settle
from tests.support.recorded import Entry, load

STATUS = b"CHANNEL STATUS\n"
APPLICATIONS = SAFE_APPLICATIONS | {"Set", "Goto", "NoSuchApp"}

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
    most = int(a[2]) if a[2:] else 1023
    return c.get_data(a[0], timeout=int(a[1]) / 1000, max_digits=most)


def _record(c: Channel, a: list[str]) -> Awaitable[object]:
    silence = next((float(word[2:]) for word in a if word.startswith("s=")), None)
    seconds = int(a[3]) / 1000
    return c.record_file(a[0], a[1], a[2], seconds=seconds, beep="BEEP" in a, silence=silence)


_TYPED: dict[str, tuple[Callable[[Channel, list[str]], Awaitable[object]], int, int]] = {
    "ANSWER": (lambda c, _: c.answer(), 0, 0),
    "HANGUP": (lambda c, _: c.hangup(), 0, 0),
    "CHANNEL STATUS": (lambda c, _: c.channel_status(), 0, 0),
    "STREAM FILE": (
        lambda c, a: c.stream_file(a[0], a[1], offset=int(a[2]) if a[2:] else 0),
        2,
        3,
    ),
    "GET DATA": (_digits, 2, 3),
    "WAIT FOR DIGIT": (lambda c, a: c.wait_for_digit(int(a[0]) / 1000), 1, 1),
    "SAY DIGITS": (lambda c, a: c.say_digits(a[0], a[1]), 2, 2),
    "SAY NUMBER": (lambda c, a: c.say_number(int(a[0]), a[1]), 2, 2),
    "SAY PHONETIC": (lambda c, a: c.say_phonetic(a[0], a[1]), 2, 2),
    "SAY ALPHA": (lambda c, a: c.say_alpha(a[0], a[1]), 2, 2),
    "RECORD FILE": (_record, 4, 6),
    "SET VARIABLE": (lambda c, a: c.set_variable(a[0], a[1]), 2, 2),
    "GET VARIABLE": (lambda c, a: c.get_variable(a[0]), 1, 1),
    "GET FULL VARIABLE": (lambda c, a: c.get_full_variable(a[0]), 1, 1),
    "VERBOSE": (lambda c, a: c.verbose(a[0], int(a[1])), 2, 2),
    "NOOP": (lambda c, _: c.noop(), 0, 0),
    "SET CONTEXT": (lambda c, a: c.set_context(a[0]), 1, 1),
    "SET EXTENSION": (lambda c, a: c.set_extension(a[0]), 1, 1),
    "SET PRIORITY": (lambda c, a: c.set_priority(a[0]), 1, 1),
    "SET CALLERID": (lambda c, a: c.set_callerid(a[0]), 1, 1),
    "SET MUSIC": (lambda c, a: c.set_music(a[0] == "ON", *a[1:]), 1, 2),
    "SET AUTOHANGUP": (lambda c, a: c.set_autohangup(float(a[0])), 1, 1),
    "DATABASE PUT": (lambda c, a: c.database_put(a[0], a[1], a[2]), 3, 3),
    "DATABASE GET": (lambda c, a: c.database_get(a[0], a[1]), 2, 2),
    "DATABASE DELTREE": (lambda c, a: c.database_delete_tree(a[0]), 1, 1),
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
