"""What each command of a channel writes, and what its reply means."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from agi_bridge.agi import (
    Channel,
    ChannelState,
    ControlledPlaybackResult,
    DigitsResult,
    PlaybackResult,
    RecordResult,
    Reply,
    SpeechResult,
)
from tests.support.fake_transport import FakeSession

OK = b"200 result=0\n"
ONE = b"200 result=1\n"
GONE = b"200 result=-1\n"
ALIVE = b"200 result=6\n"
Asked = Callable[[Channel], Awaitable[object]]

WRITTEN: list[tuple[Asked, bytes, bytes, object]] = [
    (lambda c: c.answer(), b"ANSWER\n", OK, None),
    (lambda c: c.hangup(), b"HANGUP\n", ONE, True),
    (lambda c: c.hangup("PJSIP/a-1"), b'HANGUP "PJSIP/a-1"\n', ONE, True),
    (lambda c: c.hangup("PJSIP/a-1"), b'HANGUP "PJSIP/a-1"\n', GONE, False),
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
    (lambda c: c.get_data("a"), b'GET DATA "a"\n', b"200 result=12\n", DigitsResult("12", "hash")),
    (
        lambda c: c.get_data("a", max_digits=2),
        b'GET DATA "a" 0 2\n',
        b"200 result=12\n",
        DigitsResult("12", "full"),
    ),
    (
        lambda c: c.get_data("a", timeout=1),
        b'GET DATA "a" 1000\n',
        b"200 result= (timeout)\n",
        DigitsResult("", "timeout"),
    ),
    (
        lambda c: c.control_stream_file("a", "0", skip=2, pause="5", start=1.5),
        b'CONTROL STREAM FILE "a" "0" 2000 "#" "*" "5" 1500\n',
        b"200 result=48 endpos=4080\n",
        ControlledPlaybackResult("0", 4080),
    ),
    (
        lambda c: c.control_stream_file("a"),
        b'CONTROL STREAM FILE "a" "" 3000 "#" "*" "" 0\n',
        b"200 result=0 endpos=-1\n",
        ControlledPlaybackResult("", None),
    ),
    (
        lambda c: c.get_option("a", "12", 1),
        b'GET OPTION "a" "12" 1000\n',
        b"200 result=50 endpos=4960\n",
        PlaybackResult("2", 4960),
    ),
    (lambda c: c.get_option("a", ""), b'GET OPTION "a" ""\n', OK, PlaybackResult("", 0)),
    (
        lambda c: c.channel_status("PJSIP/a-1"),
        b'CHANNEL STATUS "PJSIP/a-1"\n',
        GONE,
        ChannelState.UNKNOWN,
    ),
    (lambda c: c.wait_for_digit(0.25), b"WAIT FOR DIGIT 250\n", b"200 result=42\n", "*"),
    (lambda c: c.wait_for_digit(0), b"WAIT FOR DIGIT 0\n", OK, ""),
    (lambda c: c.wait_for_digit(-1), b"WAIT FOR DIGIT -1\n", b"200 result=65\n", "A"),
    (lambda c: c.say_digits("007", "#"), b'SAY DIGITS "007" "#"\n', b"200 result=35\n", "#"),
    (lambda c: c.say_digits(12), b'SAY DIGITS "12" ""\n', OK, ""),
    (lambda c: c.say_number(1514), b'SAY NUMBER "1514" ""\n', OK, ""),
    (lambda c: c.say_number(1, gender="f"), b'SAY NUMBER "1" "" "f"\n', OK, ""),
    (lambda c: c.say_alpha("aB", case="upper"), b'SAY ALPHA "aB" "" "u"\n', OK, ""),
    (lambda c: c.say_date(0, "1"), b'SAY DATE "0" "1"\n', b"200 result=49\n", "1"),
    (
        lambda c: c.say_time(datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        b'SAY TIME "1700000000" ""\n',
        OK,
        "",
    ),
    (lambda c: c.say_datetime(5_000_000_000), b'SAY DATETIME "5000000000" ""\n', OK, ""),
    (
        lambda c: c.say_datetime(0, layout="HM", zone="Europe/Paris"),
        b'SAY DATETIME "0" "" "HM" "Europe/Paris"\n',
        OK,
        "",
    ),
    (
        lambda c: c.say_datetime(0, zone="UTC"),
        b'SAY DATETIME "0" "" "ABdY \'digits/at\' IMp" "UTC"\n',
        OK,
        "",
    ),
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
    (
        lambda c: c.record_file("r", seconds=None, beep=True),
        b'RECORD FILE "r" "wav" "#" -1 0 "BEEP"\n',
        b"200 result=35 (randomerror) endpos=0\n",
        RecordResult("#", 0),
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
        lambda c: c.get_full_variable("${A}", "PJSIP/a-1"),
        b'GET FULL VARIABLE "${A}" "PJSIP/a-1"\n',
        OK,
        None,
    ),
    (
        lambda c: c.read_variable("CALLERID(name)"),
        b'GET FULL VARIABLE "${URIENCODE(${REPLACE(CALLERID(name),:,\\\\x1f)})}"\n',
        b"200 result=1 (x%0A200%20result%1F1%20(%eb))\n",
        "x\n200 result:1 (\udceb)",
    ),
    (
        lambda c: c.read_variable("A"),
        b'GET FULL VARIABLE "${URIENCODE(${REPLACE(A,:,\\\\x1f)})}"\n',
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
    (lambda c: c.send_text("hi"), b'SEND TEXT "hi"\n', OK, None),
    (lambda c: c.send_image("logo"), b'SEND IMAGE "logo"\n', OK, None),
    (lambda c: c.receive_char(0.5), b"RECEIVE CHAR 500\n", b"200 result=104\n", "h"),
    (lambda c: c.receive_char(-1), b"RECEIVE CHAR -1\n", b"200 result=0 (timeout)\n", ""),
    (lambda c: c.receive_text(2), b"RECEIVE TEXT 2000\n", b"200 result=1 (a (b\nc)\n", "a (b\nc"),
    (lambda c: c.receive_text(2), b"RECEIVE TEXT 2000\n", b"200 result=1 ()\n", ""),
    (lambda c: c.tdd_mode("mate"), b'TDD MODE "mate"\n', OK, False),
    (lambda c: c.tdd_mode("on"), b'TDD MODE "on"\n', ONE, True),
    (lambda c: c.asyncagi_break(), b"ASYNCAGI BREAK\n", OK, None),
    (lambda c: c.speech_create(), b'SPEECH CREATE ""\n', ONE, None),
    (lambda c: c.speech_set("a", "b"), b'SPEECH SET "a" "b"\n', ONE, None),
    (lambda c: c.speech_load_grammar("a", "b"), b'SPEECH LOAD GRAMMAR "a" "b"\n', ONE, None),
    (lambda c: c.speech_activate_grammar("a"), b'SPEECH ACTIVATE GRAMMAR "a"\n', ONE, None),
    (lambda c: c.speech_deactivate_grammar("a"), b'SPEECH DEACTIVATE GRAMMAR "a"\n', ONE, None),
    (lambda c: c.speech_unload_grammar("a"), b'SPEECH UNLOAD GRAMMAR "a"\n', ONE, None),
    (lambda c: c.speech_destroy(), b"SPEECH DESTROY\n", ONE, True),
    (lambda c: c.speech_destroy(), b"SPEECH DESTROY\n", OK, False),
    (
        lambda c: c.speech_recognize("ask", 5),
        b'SPEECH RECOGNIZE "ask" 5 0\n',
        b"200 result=1 (timeout) endpos=0\n",
        SpeechResult("timeout", 0),
    ),
    (
        lambda c: c.speech_recognize("ask", 0, offset=80),
        b'SPEECH RECOGNIZE "ask" 0 80\n',
        b"200 result=1 (digit) digit=# endpos=1600\n",
        SpeechResult("digit", 1600, "#"),
    ),
    (
        lambda c: c.gosub("sub", "ok", 1, "x y", "c(d,e)", "f\\g", ""),
        b'GOSUB "sub" "ok" "1" "x y,c(d,e),f\\\\g,"\n',
        b"100 result=0 Trying...\n200 result=0 Gosub complete\n",
        True,
    ),
    (
        lambda c: c.gosub("sub", priority="start"),
        b'GOSUB "sub" "s" "start"\n',
        b"100 result=0 Trying...\n200 result=0 Gosub complete (abnormal exit)\n",
        False,
    ),
    (
        lambda c: c.command("channel beep", 'a"b', 5, live=False),
        b'channel beep "a\\"b" 5\n',
        b"200 result=-1 (what)\n",
        Reply(200, "-1", "what"),
    ),
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
