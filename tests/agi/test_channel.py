from collections.abc import Awaitable, Callable

import pytest

from agi_bridge.agi import (
    AGIAppError,
    AGIArgumentError,
    AGIHangup,
    AGIProtocolError,
    Channel,
    ChannelState,
    DigitsResult,
    Limits,
    PlaybackResult,
    RecordResult,
)
from agi_bridge.agi.commands import exec_seconds
from tests.support.fake_transport import FakeSession, settle

OK = b"200 result=0\n"
ONE = b"200 result=1\n"
ALIVE = b"200 result=6\n"
Asked = Callable[[Channel], Awaitable[object]]

WRITTEN: list[tuple[Asked, bytes, bytes, object]] = [
    (lambda c: c.answer(), b"ANSWER\n", OK, None),
    (lambda c: c.hangup(), b"HANGUP\n", ONE, None),
    (lambda c: c.channel_status(), b"CHANNEL STATUS\n", ALIVE, ChannelState.UP),
    (
        lambda c: c.stream_file("a", "*#", offset=80),
        b'STREAM FILE "a" "*#" 80\n',
        b"200 result=35 endpos=800\n",
        PlaybackResult("#", 800),
    ),
    (lambda c: c.stream_file("a"), b'STREAM FILE "a" "" 0\n', OK, PlaybackResult("", 0)),
    (
        lambda c: c.get_data("a", timeout=2.5, max_digits=4),
        b'GET DATA "a" 2500 4\n',
        b"200 result=0042\n",
        DigitsResult("0042", "full"),
    ),
    (lambda c: c.wait_for_digit(0.25), b"WAIT FOR DIGIT 250\n", b"200 result=42\n", "*"),
    (lambda c: c.wait_for_digit(0), b"WAIT FOR DIGIT 0\n", OK, ""),
    (lambda c: c.wait_for_digit(-1), b"WAIT FOR DIGIT -1\n", b"200 result=65\n", "A"),
    (lambda c: c.say_digits("007", "#"), b'SAY DIGITS "007" "#"\n', b"200 result=35\n", "#"),
    (lambda c: c.say_digits(12), b'SAY DIGITS "12" ""\n', OK, ""),
    (lambda c: c.say_number(1514), b'SAY NUMBER "1514" ""\n', OK, ""),
    (lambda c: c.say_phonetic("ab"), b'SAY PHONETIC "ab" ""\n', OK, ""),
    (lambda c: c.say_alpha("a1"), b'SAY ALPHA "a1" ""\n', OK, ""),
    (
        lambda c: c.record_file("r", seconds=5),
        b'RECORD FILE "r" "wav" "#" 5000 0\n',
        b"200 result=35 (dtmf) endpos=800\n",
        RecordResult("#", 800),
    ),
    (
        lambda c: c.record_file("r", "sln", "", seconds=5, offset=8, beep=True, silence=2),
        b'RECORD FILE "r" "sln" "" 5000 8 "BEEP" "s=2"\n',
        b"200 result=6981 (timeout)\n",
        RecordResult("", 0),
    ),
    (lambda c: c.set_music(on=True), b"SET MUSIC ON\n", OK, None),
    (lambda c: c.set_music(on=True, music_class="jazz"), b'SET MUSIC ON "jazz"\n', OK, None),
    (lambda c: c.set_music(on=False, music_class="jazz"), b"SET MUSIC OFF\n", OK, None),
    (lambda c: c.set_variable("A", 'x "y"'), b'SET VARIABLE "A" "x \\"y\\""\n', ONE, None),
    (lambda c: c.set_variable("A", 5), b'SET VARIABLE "A" "5"\n', ONE, None),
    (lambda c: c.get_variable("A"), b'GET VARIABLE "A"\n', OK, None),
    (lambda c: c.get_variable("A"), b'GET VARIABLE "A"\n', b"200 result=1 ()\n", ""),
    (
        lambda c: c.get_full_variable("${A}"),
        b'GET FULL VARIABLE "${A}"\n',
        b"200 result=1 (x)\n",
        "x",
    ),
    (
        lambda c: c.read_variable("CALLERID(name)"),
        b'GET FULL VARIABLE "${URIENCODE(${CALLERID(name)})}"\n',
        b"200 result=1 (x%0A200%20result=1%20(%eb))\n",
        "x\n200 result=1 (\udceb)",
    ),
    (
        lambda c: c.read_variable("A"),
        b'GET FULL VARIABLE "${URIENCODE(${A})}"\n',
        b"200 result=1 ()\n",
        None,
    ),
    (lambda c: c.verbose("hi", 3), b'VERBOSE "hi" 3\n', ONE, None),
    (lambda c: c.noop("x"), b'NOOP "x"\n', OK, None),
    (lambda c: c.database_get("f", "k"), b'DATABASE GET "f" "k"\n', b"200 result=1 (v)\n", "v"),
    (lambda c: c.database_get("f", "k"), b'DATABASE GET "f" "k"\n', OK, None),
    (lambda c: c.database_put("f", "k", "v"), b'DATABASE PUT "f" "k" "v"\n', ONE, None),
    (lambda c: c.database_delete("f", "k"), b'DATABASE DEL "f" "k"\n', OK, False),
    (lambda c: c.database_delete_tree("f"), b'DATABASE DELTREE "f"\n', OK, None),
    (lambda c: c.database_delete_tree("f", "t"), b'DATABASE DELTREE "f" "t"\n', OK, None),
    (lambda c: c.set_context("c"), b'SET CONTEXT "c"\n', OK, None),
    (lambda c: c.set_extension("e"), b'SET EXTENSION "e"\n', OK, None),
    (lambda c: c.set_priority(3), b'SET PRIORITY "3"\n', OK, None),
    (lambda c: c.set_callerid('"A" <1>'), b'SET CALLERID "\\"A\\" <1>"\n', ONE, None),
    (lambda c: c.set_autohangup(2.5), b'SET AUTOHANGUP "2.500"\n', OK, None),
    (lambda c: c.exec("Wait", "1"), b'EXEC "Wait" "1"\n', OK, 0),
    (lambda c: c.exec("Progress"), b'EXEC "Progress"\n', OK, 0),
    (
        lambda c: c.exec("Dial", "PJSIP/+14155550199@t", "30", "gS(7200)"),
        b'EXEC "Dial" "PJSIP/+14155550199@t,30,gS(7200)"\n',
        OK,
        0,
    ),
    (
        lambda c: c.exec("Playback", "a&b,c"),
        b'EXEC "Playback" "a&b\\\\,c"\n',
        OK,
        0,
    ),
]


@pytest.mark.parametrize(("asked", "written", "reply", "result"), WRITTEN)
async def test_a_command_is_written_so_and_its_reply_means_this(
    asked: Asked, written: bytes, reply: bytes, result: object
) -> None:
    session = FakeSession()
    assert await session.asked(asked(session.channel), reply) == result
    assert session.written == [written]


@pytest.mark.parametrize(
    "asked",
    [
        lambda c: c.answer(),
        lambda c: c.hangup(),
        lambda c: c.stream_file("none"),
        lambda c: c.get_data("none", timeout=1, max_digits=1),
        lambda c: c.wait_for_digit(1),
        lambda c: c.say_digits("1"),
        lambda c: c.record_file("/none/x", seconds=1),
    ],
)
async def test_a_minus_one_with_a_living_caller_is_an_application_error(asked: Asked) -> None:
    session = FakeSession()
    with pytest.raises(AGIAppError):
        await session.asked(asked(session.channel), b"200 result=-1\n", ALIVE)


async def test_exec_gives_minus_one_back_if_the_caller_is_there() -> None:
    session = FakeSession()
    dialling = session.channel.exec("Dial", "PJSIP/1", "30")
    assert await session.asked(dialling, b"200 result=-1\n", ALIVE) == -1


async def test_exec_of_what_asterisk_does_not_have() -> None:
    session = FakeSession()
    with pytest.raises(AGIAppError, match="application"):
        await session.asked(session.channel.exec("Queue", "q"), b"200 result=-2\n")


@pytest.mark.parametrize(
    "asked",
    [
        lambda c: c.exec("System", "rm -rf /"),
        lambda c: c.exec("dial", "PJSIP/1"),
        lambda c: c.exec("Dial", "PJSIP/${SHELL(x)}"),
        lambda c: c.exec("Dial", "PJSIP/$[1+1]"),
        lambda c: c.get_data("x", timeout=0, max_digits=1),
        lambda c: c.get_data("x", timeout=1, max_digits=0),
        lambda c: c.get_data("x", timeout=1, max_digits=1024),
        lambda c: c.record_file("x", seconds=0),
        lambda c: c.set_autohangup(-1),
        lambda c: c.say_digits(""),
        lambda c: c.read_variable("A)}${SHELL(x)"),
        lambda c: c.read_variable(""),
        lambda c: c.set_variable("A", "x\nEXEC System x"),
        lambda c: c.stream_file("x\r"),
        lambda c: c.verbose("\0"),
    ],
)
async def test_what_must_not_be_asked_is_not_written(asked: Asked) -> None:
    session = FakeSession()
    with pytest.raises(AGIArgumentError):
        await asked(session.channel)
    assert session.written == []


async def test_the_applications_allowed_are_the_owners_choice() -> None:
    session = FakeSession(applications=frozenset({"System"}))
    assert await session.asked(session.channel.exec("System", "true"), OK) == 0
    with pytest.raises(AGIArgumentError):
        await session.channel.exec("Dial", "PJSIP/1")


async def test_a_database_that_does_not_store_is_an_error() -> None:
    session = FakeSession()
    with pytest.raises(AGIAppError):
        await session.asked(session.channel.database_put("f", "k", "v"), OK)


@pytest.mark.parametrize(
    ("asked", "reply"),
    [
        (lambda c: c.answer(), b"200 result=what\n"),
        (lambda c: c.wait_for_digit(1), b"200 result=300\n"),
        (lambda c: c.wait_for_digit(1), b"200 result=88\n"),
        (lambda c: c.stream_file("x"), b"200 result=\n"),
    ],
)
async def test_a_result_that_makes_no_sense_is_a_protocol_error(asked: Asked, reply: bytes) -> None:
    session = FakeSession()
    with pytest.raises(AGIProtocolError):
        await session.asked(asked(session.channel), reply)


async def test_a_state_that_we_do_not_know_is_unknown() -> None:
    session = FakeSession()
    found = await session.asked(session.channel.channel_status(), b"200 result=77\n")
    assert found is ChannelState.UNKNOWN


async def test_digits_do_not_show_themselves() -> None:
    assert "415" not in repr(DigitsResult("4155550123", "full"))


async def test_a_refused_channel_takes_nothing_more() -> None:
    session = FakeSession()
    await session.channel.refuse("busy")
    assert session.written == [b"failure busy\n"]
    with pytest.raises(AGIHangup):
        await session.channel.set_variable("A", "b")
    await settle()


@pytest.mark.parametrize(
    ("application", "arguments", "seconds"),
    [
        ("Dial", ("PJSIP/1", "30", "gS(7200)"), 7230.0),
        ("Dial", ("PJSIP/1", "30", "gL(60000:5000)"), 90.0),
        ("Dial", ("PJSIP/1", "30", "g"), 14400.0),
        ("Dial", ("PJSIP/1", "", "gS(60)"), 14400.0),
        ("Dial", ("PJSIP/1",), 14400.0),
        ("Dial", (), 14400.0),
        ("Wait", ("3",), 3.0),
        ("Wait", (), 600.0),
        ("Queue", ("sales",), 14400.0),
        ("Playback", ("x",), 600.0),
    ],
)
def test_an_applications_deadline_follows_from_its_arguments(
    application: str, arguments: tuple[str, ...], seconds: float
) -> None:
    assert exec_seconds(application, arguments, Limits()) == seconds
