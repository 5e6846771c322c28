"""`FakeAsterisk` is fed what recorded servers wrote, and answers what Asterisk answered."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import pytest

from agi_bridge.agi import ChannelState, SpeechResult, Utterance
from agi_bridge.agi.testing import DialOutcome, FakeAsterisk, KeySequence
from agi_bridge.agi.testing.call import SimulatedCall
from agi_bridge.agi.testing.receive_buffer import ReceiveBuffer
from tests.support.fake_transport import settle
from tests.support.recorded import CASES_OF_16, VERSION, load

SOUNDS = {
    "beep": 425,
    "/prompts/tone2": 2000,
    "/prompts/tone20": 20000,
    "/prompts/prompt-en": 5000,
    "/prompts/fmt-u": 2000,
    "silence/1": 1000,
    "http://127.0.0.1:20020/tone2.wav": 2000,
}

# What the caller does in the recording, besides keying what the recording notes, when it notes it.
AS_RECORDED: dict[str, dict[str, Any]] = {
    "answer": {},
    "answer_cancelled": {},
    "channel_status": {"channels": {"PJSIP/caller-00000060": ChannelState.UP}},
    "database": {},
    "digits_during_pause_and_playback": {},
    "exec_hangup": {},
    "exec_playback": {},
    "exec_read": {"keys": "5145550123,51#,,51!"},
    "get_data_amp_list": {},
    "get_data_empty_pound": {},
    "get_data_extra_after_max": {},
    "get_data_fast_digits": {},
    "get_data_first_digit_stops_prompt": {},
    "get_data_full": {},
    "get_data_hangup": {"keys": "51!"},
    "get_data_hangup_during_prompt": {"keys": "!"},
    "get_data_missing_file": {},
    "get_data_no_max": {},
    "get_data_pound": {},
    "get_data_pound_during_prompt": {},
    "get_data_star": {},
    "get_data_timeout_none": {},
    "get_data_timeout_partial": {},
    "get_data_typeahead": {},
    "get_data_usage": {},
    "hangup_command": {},
    "hangup_command_unanswered": {},
    "hangup_exit_in_stream": {"keys": "!", "hangup_mode": "eof"},
    "hangup_idle_default": {"extension": "plain"},
    "hangup_idle_exit": {"hangup_mode": "eof"},
    "hangup_idle_exit_sigyes": {"hangup_mode": "eof"},
    "hangup_idle_sighup_no": {"hangup_mode": "silent"},
    "hangup_sighupno_in_get_data": {"keys": "!", "hangup_mode": "silent"},
    "invalid_command": {},
    "keys_across_commands": {},
    "keys_fast_across_commands": {},
    "keys_fast_while_no_command_runs": {},
    "keys_while_no_command_runs": {},
    "keys_across_applications": {},
    "keys_across_files": {},
    "many_args": {},
    "record_file": {},
    "record_file_formats": {},
    "say_french": {},
    "set_autohangup": {},
    "set_autohangup_bridged": {"dial": DialOutcome("ANSWER", ring_seconds=0.3)},
    "set_autohangup_endings": {},
    "set_autohangup_exec": {},
    "set_autohangup_get_data": {},
    "set_autohangup_idle": {"extension": "plain"},
    "set_autohangup_record": {},
    "set_autohangup_ringing": {"dial": "NOANSWER"},
    "set_bad_extension": {},
    "set_context_extension_priority": {},
    "set_extension_only": {},
    "stream_escape_then_get_data": {},
    "stream_file_amp_list": {},
    "stream_file_digit": {},
    "stream_file_hangup": {"keys": "!"},
    "stream_file_http_wav": {},
    "stream_file_missing": {},
    "stream_file_offset": {},
    "stream_file_other_digit": {},
    "stream_file_played": {},
    "stream_file_typeahead": {},
    "stream_file_unanswered": {},
    "stream_file_with_extension": {},
    "success_end_clean": {},
    "variables_newline": {
        "variables": {
            "NL": "first\nsecond\r\nthird",
            "FAKE": "x\n200 result=1 (forged)",
            "JSON_DECODE(x,y)": "",  # not there on the recorded PBX
        }
    },
    "variables_set": {},
    "verbose_noop": {},
    "wait_for_digit": {"hangup_at": lambda words: words[-1] == "-1"},
    "async_and_misc": {},
    "asyncagi_break": {},
    "control_stream_file": {},
    "control_stream_file_endings": {
        "hangup_at": lambda words: words[-2:] == ["/prompts/tone20", ""]
    },
    "dial_declined": {"dial": DialOutcome("CHANUNAVAIL", cause=21)},
    "dial_no_args": {},
    "dial_pipe_args": {"dial": "CHANUNAVAIL"},
    "dial_caller_cancels_unanswered": {"dial": DialOutcome("CANCEL", cause=127)},
    "dial_caller_hangs_up_bridged_g": {
        "dial": DialOutcome("ANSWER", ring_seconds=0.3, talk_seconds=1.0, caller_hangs_up=True),
    },
    "dial_unknown_endpoint": {"dial": "CHANUNAVAIL"},
    "dial_unknown_tech": {"dial": DialOutcome("CHANUNAVAIL", cause=66)},
    "eagi_keys_across_commands": {"environment": {"enhanced": "1.0"}},
    "eagi_keys_while_no_command_runs": {"environment": {"enhanced": "1.0"}},
    "env_plain": {},
    "get_data_empty_prompt": {},
    "get_option": {},
    "get_option_endings": {"hangup_at": lambda words: words[-2:] == ["/prompts/tone20", ""]},
    "gosub_endings": {
        "subroutines": {"sub,ok,1": lambda given: f"said {given[0]}", "sub,ok,label": "labelled"}
    },
    "record_file_hangup": {"keys": "!"},
    "record_file_key_in_beep": {},
    "say": {},
    "say_interrupted": {},
    "say_options": {"hangup_at": lambda words: words[1:] == ["DATE", "1700000000", ""]},
    "set_callerid": {},
    "set_music": {},
    "set_priority_label": {"labels": ["after"]},
    "speech_none": {},
    "speech_aeap": {
        "recognized": [
            SpeechResult(
                "speech",
                0,
                utterances=(
                    Utterance(95, 'yes (please) "now"', "yesno"),
                    Utterance(20, "no", "yesno"),
                ),
            )
        ],
        "hangup_at": lambda words: words[1:3] == ["RECOGNIZE", "/prompts/tone20"],
    },
    "text": {},
    "wrong_usage": {},
    "dial_busy": {"dial": "BUSY"},
    "dial_congestion": {"dial": "CONGESTION"},
    "dial_no_answer": {"dial": "NOANSWER"},
    "dial_not_found": {"dial": DialOutcome("CHANUNAVAIL", cause=1)},
    "dial_answered_far_hangs_up": {
        "dial": DialOutcome("ANSWER", ring_seconds=0.3, talk_seconds=1.0),
    },
    "dial_answered_far_hangs_up_g": {
        "dial": DialOutcome("ANSWER", ring_seconds=0.3, talk_seconds=1.0),
    },
    "dial_limit_L": {"dial": DialOutcome("ANSWER", ring_seconds=0.3, talk_seconds=60.0)},
    "dial_option_S": {"dial": DialOutcome("ANSWER", ring_seconds=0.3, talk_seconds=60.0)},
    "dial_caller_hangs_up_ringing": {"dial": "CANCEL"},
    "dial_caller_hangs_up_bridged": {
        "dial": DialOutcome("ANSWER", ring_seconds=0.3, talk_seconds=1.0, caller_hangs_up=True),
    },
}
# Where Asterisk 16 differs, or its recording: the names of channels.
OF_16: dict[str, dict[str, Any]] = {
    "channel_status": {},
    "dial_caller_hangs_up_ringing": {"dial": DialOutcome("CANCEL", cause=16)},
}
# What needs things that the fake does not have: other functions of the dialplan, subroutines that
# hang up, an engine that refuses grammars, a place in the sound to the millisecond, folders,
# encoders that are not there and leave -1, formats of one version (slin and
# ogg).
BEYOND = re.compile(
    rb"JSON_DECODE|CPLAYBACKOFFSET|GOSUB sub hang| GRAMMAR a|"
    rb"RECORD FILE \S*none|RECORD FILE \S+ (g723|spx|slin|ogg) "
)
TIMED_OUT = re.compile(rb"result=\d+ \(timeout\) endpos=(\d+)")
FRAME = 2400  # samples: of a recording of 0.3 s


KEYED = re.compile(rb"caller keys '(\S+)'(?:, held (\S+) s, gap (\S+) s)?")


class RecordedClock:
    """The recording's own clock: commands take their time, and the server waits as it did."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


class Out:
    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True


def alike(data: bytes) -> bytes:
    """Leave out what differs from call to call: when a key came, and the texts of usages.

    A recording ends with a frame, and gives the milliseconds that were left as its result.
    """
    data = data.replace(b"endpos=3404", b"endpos=3400")  # a sound of 425.5 ms
    data = re.sub(rb"(PJSIP/far)-[0-9a-f]{8}", rb"\1-N", data)
    data = TIMED_OUT.sub(lambda found: b"timeout %d" % round(int(found[1]) / FRAME), data)
    data = re.sub(rb"520-.*?520 End of proper usage\.", b"520", data, flags=re.DOTALL)
    return re.sub(rb"(result=(?!0)-?\d+(?: \(\w+\))?) endpos=\d+", rb"\1 endpos=N", data)


@dataclass(slots=True)
class Turn:
    """What the server wrote (None: the caller hung up) and when, what came, whether it ended."""

    at: float
    asked: bytes | None
    replies: bytes = b""
    ended: bool = False


def turns(case: str, version: str) -> list[Turn]:
    found: list[Turn] = []
    for entry in load(case, version):
        if entry.who == "server":
            found.append(Turn(entry.at, entry.data))
        elif entry.who == "note" and b"caller hangs up" in entry.data:
            found.append(Turn(entry.at, None))
        elif entry.who == "pbx" and found:
            found[-1].replies += entry.data
            found[-1].ended = entry.end
    return found


def key_as_noted(case: str, version: str, call: SimulatedCall) -> None:
    """Press what the recorded caller pressed, at the same times."""
    for entry in load(case, version):
        if entry.who == "note" and (noted := KEYED.match(entry.data)):
            held, gap = (float(each or 0.1) for each in noted.groups()[1:])
            call.channel.press(KeySequence(noted[1].decode(), entry.at, held, gap))


@pytest.mark.parametrize(
    ("version", "case"),
    [
        *((VERSION, case) for case in sorted(AS_RECORDED)),
        *(("16.28.0", case) for case in sorted(AS_RECORDED) if case in CASES_OF_16),
    ],
)
async def test_the_fake_answers_as_the_recorded_asterisk_did(version: str, case: str) -> None:
    options = AS_RECORDED[case]
    if version != VERSION:
        options = OF_16.get(case, options)
    received, out, clock = ReceiveBuffer(), Out(), RecordedClock()
    fake = FakeAsterisk(sounds=SOUNDS, pace=1.0, clock=clock, **options)
    call = SimulatedCall(fake._scenario, received, out, "1")
    if "keys" not in options:
        key_as_noted(case, version, call)
    task = asyncio.create_task(call.session("agi://h/x"))
    await settle()
    replied = b""
    expected = b""
    during = False
    for turn in turns(case, version):
        out.written = b""
        clock.now = max(clock.now, turn.at)
        if turn.asked is not None:
            received.feed(turn.asked)
        elif not during:
            call.channel.hang_up()
        await settle(50)
        if turn.asked is None or not BEYOND.search(turn.asked):
            replied += out.written
            expected += turn.replies
        # A caller who hangs up in the middle of a command is in the script.
        during = "hangup_at" in options or "!" in options.get("keys", "") or "dial" in options
        if turn.ended:
            break
    assert alike(replied) == alike(expected)
    received.end()
    await task
    assert call.channel.record.protocol_violations == []
