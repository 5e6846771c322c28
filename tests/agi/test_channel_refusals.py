"""What a channel makes of refusals, odd replies and arguments that it does not send."""

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
    SpeechResult,
    Utterance,
)
from agi_bridge.agi.commands import exec_seconds
from tests.support.fake_transport import FakeSession, settle

OK = b"200 result=0\n"
GONE = b"200 result=-1\n"
ALIVE = b"200 result=6\n"
Asked = Callable[[Channel], Awaitable[object]]


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
        lambda c: c.control_stream_file("none"),
        lambda c: c.get_option("none", ""),
        lambda c: c.say_date(0),
        lambda c: c.send_text("x"),
        lambda c: c.send_image("x"),
        lambda c: c.gosub("none"),
    ],
)
async def test_a_minus_one_with_a_living_caller_is_an_application_error(asked: Asked) -> None:
    session = FakeSession()
    with pytest.raises(AGIAppError):
        await session.asked(asked(session.channel), b"200 result=-1\n", ALIVE)


@pytest.mark.parametrize(
    "asked",
    [
        lambda c: c.speech_create(),
        lambda c: c.speech_set("a", "b"),
        lambda c: c.speech_load_grammar("a", "b"),
        lambda c: c.speech_unload_grammar("a"),
        lambda c: c.speech_activate_grammar("a"),
        lambda c: c.speech_deactivate_grammar("a"),
        lambda c: c.speech_recognize("a", 1),
    ],
)
async def test_speech_without_an_engine_is_an_application_error(asked: Asked) -> None:
    session = FakeSession()
    with pytest.raises(AGIAppError) as caught:
        await session.asked(asked(session.channel), OK)
    assert caught.value.code == "speech_failed"


@pytest.mark.parametrize("result", [b"-1 (hangup)", b"-61 (hangup)", b"200"])
async def test_a_character_that_is_none_is_not_taken_for_a_hangup(result: bytes) -> None:
    session = FakeSession()
    receiving = session.asked(
        session.channel.receive_char(1), b"200 result=" + result + b"\n", ALIVE
    )
    if result.startswith(b"-1"):
        assert await receiving == ""
    else:
        with pytest.raises(AGIAppError):
            await receiving


async def test_a_text_that_does_not_come_is_none_and_a_hangup_is_one() -> None:
    session = FakeSession()
    assert await session.asked(session.channel.receive_text(1), GONE, ALIVE) is None
    with pytest.raises(AGIHangup):
        await session.asked(session.channel.receive_text(1), GONE, b"511 dead\n")
    session = FakeSession()
    with pytest.raises(AGIHangup):
        await session.asked(
            session.channel.speech_recognize("ask", 5), b"200 result=1 (hangup) endpos=0\n"
        )


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
        lambda c: c.set_autohangup(float("inf")),
        lambda c: c.set_autohangup(float("nan")),
        lambda c: c.say_number(5145550123),
        lambda c: c.say_number(-(2**31) - 1),
        lambda c: c.gosub("sub", "s", 1, "Smith, John"),
        lambda c: c.gosub("sub", "s", 1, 'one "', "two"),
        lambda c: c.say_digits(""),
        lambda c: c.read_variable("A)}${SHELL(x)"),
        lambda c: c.read_variable(""),
        lambda c: c.set_variable("A", "x\nEXEC System x"),
        lambda c: c.stream_file("x\r"),
        lambda c: c.verbose("\0"),
        lambda c: c.get_data("x", timeout=float("nan")),
        lambda c: c.wait_for_digit(2**31),
        lambda c: c.wait_for_digit(float("inf")),
        lambda c: c.control_stream_file("x", skip=0),
        lambda c: c.control_stream_file("x", start=-1),
        lambda c: c.say_date(2**31),
        lambda c: c.say_time(-(2**31) - 1),
        lambda c: c.say_alpha(""),
        lambda c: c.gosub("a b"),
        lambda c: c.gosub("a,s"),
        lambda c: c.gosub("a", "s(x)"),
        lambda c: c.gosub("a", "s", ""),
        lambda c: c.gosub("a", "s", 1, "x\ny"),
        lambda c: c.command("EXEC", "System", "true"),
        lambda c: c.command("exec", "System", "true"),
        lambda c: c.command(""),
        lambda c: c.command("NOOP\nEXEC System true"),
        lambda c: c.command('NOOP "'),
    ],
)
async def test_what_must_not_be_asked_is_not_written(asked: Asked) -> None:
    session = FakeSession()
    with pytest.raises(AGIArgumentError) as caught:
        await asked(session.channel)
    assert caught.value.code in (AGIArgumentError.__doc__ or "")
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
        (lambda c: c.stream_file("x"), b"200 result=+1\n"),
        (lambda c: c.stream_file("x"), b"200 result=1_0\n"),
        (lambda c: c.stream_file("x"), b"200 result=\xd9\xa1\n"),
        (lambda c: c.stream_file("x"), b"200 result=-0\n"),
        (lambda c: c.stream_file("x"), b"200 result=007\n"),
        (lambda c: c.stream_file("x"), b"200 result=99999999999\n"),
        (lambda c: c.get_data("x"), b"200 result=12x4\n"),
        (lambda c: c.speech_recognize("x", 1), b"200 result=1 (what) endpos=0\n"),
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
        ("VoiceMailMain", (), 14400.0),
        ("FollowMe", ("100",), 14400.0),
        ("Busy", (), 14400.0),
        ("Playback", ("x",), 600.0),
    ],
)
def test_an_applications_deadline_follows_from_its_arguments(
    application: str, arguments: tuple[str, ...], seconds: float
) -> None:
    assert exec_seconds(application, arguments, Limits()) == seconds


@pytest.mark.parametrize(
    ("results", "utterances"),
    [
        (b"results=0 ", ()),
        (b'results=1 score0=95 text0="yes" grammar0=yesno', (Utterance(95, "yes", "yesno"),)),
        (
            b'results=2 score0=95 text0="say "hi" (x)" grammar0=a b score1=-1 text1="" grammar1=',
            (Utterance(95, 'say "hi" (x)', "a b"), Utterance(-1, "", "")),
        ),
        (  # one that looks like the next
            b'results=1 score0=9 text0="a score7=5 text7="b" grammar0=g',
            (Utterance(9, 'a score7=5 text7="b', "g"),),
        ),
        (  # cut at the end of Asterisk's buffer
            b'results=2 score0=9 text0="a" grammar0=g score1=8 text1="bb',
            (Utterance(9, "a", "g"),),
        ),
    ],
)
async def test_what_the_engine_heard_is_taken_apart(
    results: bytes, utterances: tuple[Utterance, ...]
) -> None:
    session = FakeSession()
    reply = b"200 result=1 (speech) endpos=160 " + results + b"\n"
    found = await session.asked(session.channel.speech_recognize("ask", 5), reply)
    assert found == SpeechResult("speech", 160, "", utterances)
    assert "yes" not in repr(found).replace("yesno", "")
    assert await session.asked(session.channel.noop(), OK) is None  # the reply has ended
