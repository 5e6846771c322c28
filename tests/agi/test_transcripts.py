"""Every recorded session is read without error, and means what its case is there to show."""

import pytest

from agi_bridge.agi import (
    AGIAppError,
    AGIArgumentError,
    AGIHangup,
    AGIInvalidCommand,
    AGIUsageError,
    ChannelState,
    ControlledPlaybackResult,
    DigitsResult,
    Environment,
    HangupNotice,
    PlaybackResult,
    RecordResult,
    Reply,
    SpeechResult,
    StreamParser,
    UsageBlock,
    Utterance,
)
from tests.support.recorded import CASES, CASES_OF_16, VERSION, from_asterisk
from tests.support.replay import replay

# Sessions whose server wrote a second command before the reply to the first, half a line, or one
# whose reply was not recorded. The engine cannot be made to do so; only the reading is tested.
BREAKS_THE_RULES = {
    "crlf_and_split_writes",
    "gosub",
    "interrupt_stream_by_writing",
    "nul_and_binary",
    "pipelined",
    "pipelined_two_writes",
}

UP = ChannelState.UP
PLAYED = PlaybackResult("", 16000)
BRIDGED = ["ANSWER", "1", "1", "16", "5145550123@far"]


def timed_out(keys: str) -> DigitsResult:
    return DigitsResult(keys, "timeout")


# Keyed by the finding of the recordings' notes that the cases stand for.
EXPECTED: dict[str, list[object]] = {
    # 2. A missing sound gives the same -1 as a hangup; only a HANGUP line or 511 tells.
    "stream_file_played": [None, PLAYED],
    "stream_file_digit": [None, PlaybackResult("5", 8800)],
    "stream_file_missing": [None, AGIAppError, AGIAppError],
    "stream_file_with_extension": [None, AGIAppError],
    "stream_file_hangup": [None, AGIHangup, AGIHangup],
    "stream_file_offset": [None, PLAYED, PLAYED],
    "stream_file_ulaw_sln": [None, PLAYED, PlaybackResult("", 32000), PLAYED],
    # 3. Lists of sounds are for EXEC.
    "stream_file_amp_list": [None, AGIAppError],
    "get_data_amp_list": [None, AGIAppError],
    # 4. An unanswered channel plays to nobody.
    "stream_file_unanswered": [PLAYED, ChannelState.RING],
    # 5. EXEC Playback always gives 0.
    "exec_playback": [None, 0, "SUCCESS", 0, "FAILED", 0, ""],
    # 6. Headers that promise nothing, or too much.
    "stream_file_header_size_unknown": [None, PLAYED, *[AGIAppError] * 5],
    "stream_file_grown_while_playing": [None, PlaybackResult("", 8000)],
    # 7. Keys without a command to take them are lost.
    "stream_file_typeahead": [None, PLAYED, ""],
    "stream_file_other_digit": [None, PLAYED, ""],
    "get_data_typeahead": [None, timed_out("")],
    "get_data_extra_after_max": [None, DigitsResult("123", "full"), timed_out("")],
    "digits_during_pause_and_playback": [None, PLAYED, timed_out("14")],
    # 8. GET DATA and its three endings.
    "get_data_full": [None, DigitsResult("5145550123", "full")],
    "get_data_fast_digits": [None, DigitsResult("5145550123", "full")],
    "get_data_timeout_partial": [None, timed_out("514")],
    "get_data_timeout_none": [None, timed_out("")],
    "get_data_pound": [None, DigitsResult("5145550123", "hash")],
    "get_data_empty_pound": [None, DigitsResult("", "hash")],
    "get_data_pound_during_prompt": [None, DigitsResult("", "hash")],
    "get_data_star": [None, timed_out("*1")],
    "get_data_no_max": [None, timed_out("123")],
    "get_data_empty_prompt": [None, timed_out("12"), DigitsResult("123", "full")],
    "get_data_first_digit_stops_prompt": [None, timed_out("5")],
    "get_data_missing_file": [None, AGIAppError],
    "get_data_hangup": [None, AGIHangup, AGIHangup],
    "get_data_hangup_during_prompt": [None, AGIHangup],
    "exec_read": [
        *[None, 0, "5145550123", "OK", 0, "51", "OK", 0, "", "TIMEOUT"],
        *[0, "51", "HANGUP"],
    ],
    "wait_for_digit": [None, "9", "#", "", AGIHangup],
    "say_interrupted": [None, "#", "4"],
    "say_french": [None, None, "", "", "fr"],
    "record_file": [
        *[None, RecordResult("#", 11040), RecordResult("", 12160), RecordResult("", 8160)],
        *[AGIAppError, AGIAppError],
    ],
    "record_file_hangup": [None, AGIHangup],
    # 9. A sound that takes all keys, then GET DATA on silence, loses none.
    "stream_escape_then_get_data": [None, PlaybackResult("5", 4800), timed_out("1455")],
    # 13. A line break in an argument would be a command: it is never written.
    "newline_injection": [AGIArgumentError, None],
    # 14. Quotes, backslashes and expressions.
    "variables_set": [
        *[None, "plain", None, "with space", AGIUsageError, "with space", None, 'say "hi"'],
        *[None, "back\\slash", None, "oneslash", None, "a b", None, "tab\there"],
        *[None, "comma,semi;pipe|", None, "dollar ${CALLERID(num)}", None, "paren (x)", None, ""],
        *[None, "unterminated", None, "middle", None, "é☎", AGIUsageError, "é☎", None, "nlnx"],
        *[None, "trail", AGIUsageError, AGIUsageError, None, 'Zoë "Q" (x)'],
    ],
    "exec_execfull": [
        *[AGIArgumentError, "${CALLERID(num)}", None, AGIArgumentError, "15145550100"],
        *[0, "two", 0, "comma, kept"],
    ],
    # 16. Values are raw.
    "variables_newline": [
        *["first\nsecond\r\nthird", "x\n200 result=1 (forged)", "first\nsecond\r\nthird"],
        *["first%0Asecond%0D%0Athird", "x%0A200%20result%3D1%20(forged)", "", None],
    ],
    # 17. Usage and unknown commands.
    "invalid_command": [*[AGIInvalidCommand] * 7, AGIAppError, AGIUsageError],
    # 18. Dial: -1 alone is not a hangup.
    "dial_answered_far_hangs_up": [
        *[None, -1, *BRIDGED, "PJSIP/far-0000002f", UP, PlaybackResult("", 3404)]
    ],
    "dial_answered_far_hangs_up_g": [
        *[None, 0, *BRIDGED, "PJSIP/far-00000031", UP, PlaybackResult("", 3404)]
    ],
    "dial_busy": [None, 0, "BUSY", "", "", "17", "", "", UP],
    "dial_congestion": [None, 0, "CONGESTION", "", "", "34", "", ""],
    "dial_not_found": [None, 0, "CHANUNAVAIL", "", "", "1", "", ""],
    "dial_declined": [None, 0, "CHANUNAVAIL", "", "", "21", "", ""],
    "dial_no_answer": [None, 0, "NOANSWER", "", "", "0", "", ""],
    "dial_unknown_endpoint": [None, 0, "CHANUNAVAIL", "", "", "3", "", ""],
    "dial_caller_cancels_unanswered": [AGIHangup, "CANCEL", "", "", "127", "", ""],
    "dial_caller_hangs_up_ringing": [None, AGIHangup, "CANCEL", "", "", "0", "", ""],
    "dial_caller_hangs_up_bridged": [None, AGIHangup, *BRIDGED, "PJSIP/far-00000043", AGIHangup],
    "dial_caller_hangs_up_bridged_g": [None, AGIHangup, *BRIDGED, "PJSIP/far-00000045"],
    "dial_hangup_cause_after_hook": [None, AGIHangup],
    # 19. The three ways to hear of a hangup, and what works after it.
    "hangup_idle_default": [
        *[None, AGIHangup, AGIHangup, "plain", None, None, None, AGIHangup, AGIHangup],
        *[AGIHangup] * 5,
        *[None, AGIHangup, AGIHangup, AGIHangup],
    ],
    "hangup_idle_sighup_no": [None, AGIHangup, AGIHangup],
    "hangup_sighupno_in_get_data": [None, AGIHangup, AGIHangup],
    "hangup_idle_exit": [None, AGIHangup],
    "hangup_idle_exit_sigyes": [None, AGIHangup],
    "hangup_exit_in_stream": [None, AGIHangup],
    "exec_playback_hangup": [None, AGIHangup, "SUCCESS"],
    "answer_cancelled": [AGIHangup, AGIHangup],
    "dead_agi_in_h": [AGIHangup, AGIHangup, "h", AGIHangup, AGIHangup],
    "set_autohangup": [None, None, AGIHangup],
    "exec_hangup": [None, AGIHangup, AGIHangup],
    # 20. HANGUP leaves a dead channel behind.
    "hangup_command": [None, True, AGIHangup],
    "hangup_other_channel": [None, False, True],
    # 22. The end of the connection is a hangup, whatever ran.
    "fail_close_during_stream": [None, AGIHangup],
    "fail_close_during_get_data": [None, AGIHangup],
    "fail_close_during_dial": [None, AGIHangup],
    "fail_rst_during_dial": [None, AGIHangup],
    "fail_garbage": [None, AGIInvalidCommand, AGIInvalidCommand],
    # 21. The rest of the commands.
    "async_and_misc": [None, "", None, None, False, AGIAppError],
    "asyncagi_break": [None, ChannelState.RING, False],
    "control_stream_file": [None, ControlledPlaybackResult("0", 4080)],
    "control_stream_file_endings": [
        *[None, ControlledPlaybackResult("", None), "SUCCESS", "-1"],
        *[ControlledPlaybackResult("0", 1580), "USERSTOPPED", "0", "1580"],
        *[AGIAppError, UP, AGIUsageError, AGIHangup],
    ],
    "get_option": [None, PLAYED, PlaybackResult("2", 4960)],
    "get_option_endings": [
        *[None, AGIAppError, PlaybackResult("0", 16000), PLAYED],
        *[AGIUsageError, AGIHangup],
    ],
    "gosub_endings": [
        *[True, "said a1", True, "labelled", AGIAppError, AGIAppError, AGIUsageError],
        *[ChannelState.RING, False],
    ],
    "record_file_key_in_beep": [None, RecordResult("#", 0), RecordResult("#", 7040)],
    "say_options": [
        *[None, "", "", AGIUsageError, "", "", "0", "0", "0", AGIUsageError, AGIUsageError],
        AGIHangup,
    ],
    "set_priority_label": [None, AGIUsageError, AGIUsageError, None],
    "speech_none": [None, *[AGIAppError] * 7, False, AGIUsageError, AGIUsageError],
    "speech_aeap": [
        *[None, None, AGIAppError, None],
        SpeechResult(
            "speech",
            0,
            utterances=(Utterance(95, 'yes (please) "now"', "yesno"), Utterance(20, "no", "yesno")),
        ),
        *[True, None, SpeechResult("timeout", 0), SpeechResult("digit", 0, "7")],
        *[AGIAppError] * 4,
        *[AGIHangup, True],
    ],
    "text": [
        *[None, "", None, UP, AGIUsageError, None, "", None, AGIUsageError, None, False],
        *[AGIUsageError, AGIHangup, AGIHangup, AGIHangup],
    ],
    # Places to go on, the database, caller ID, music, the state of the channel.
    "channel_status": [ChannelState.RING, None, UP, ChannelState.UNKNOWN, UP],
    "set_context_extension_priority": [None, None, None],
    "set_bad_extension": [None, None, AGIUsageError, None],
    "database": [None, "v 1", True, None, None],
    "set_callerid": [
        *[None, '"" <15145550199>', None, '"Joe Q" <5145551111>'],
        *[None, '"Joe Q" <+15145551111>'],
    ],
    "set_music": [None, None, PlaybackResult("", 3404), None, None, None],
}


RECORDED = [
    *((VERSION, case) for case in CASES),
    *(("16.28.0", case) for case in CASES_OF_16),
]


@pytest.mark.parametrize(("version", "case"), RECORDED)
def test_whatever_asterisk_sent_is_read(version: str, case: str) -> None:
    reader = StreamParser()
    events = [event for data in from_asterisk(case, version) for event in reader.feed(data)]
    if events:
        assert isinstance(events[0], Environment)
        assert all(isinstance(event, Reply | UsageBlock | HangupNotice) for event in events[1:])


@pytest.mark.parametrize(("version", "case"), RECORDED)
def test_chunks_of_one_byte_mean_the_same_as_the_recorded_ones(version: str, case: str) -> None:
    chunks = from_asterisk(case, version)
    one, other = StreamParser(), StreamParser()
    at_once = [event for data in chunks for event in one.feed(data)]
    in_bytes = [event for byte in b"".join(chunks) for event in other.feed(bytes([byte]))]
    assert at_once == in_bytes


@pytest.mark.parametrize("case", sorted(set(CASES) - BREAKS_THE_RULES))
async def test_a_recorded_session_gives_the_results_that_its_case_is_about(case: str) -> None:
    outcomes = await replay(case)
    if case in EXPECTED:
        assert outcomes == EXPECTED[case]


def test_every_expected_result_has_its_recording() -> None:
    assert set(EXPECTED) <= set(CASES)
    assert len(CASES) == 177
    assert set(CASES_OF_16) <= set(CASES)
