import pytest

from agi_bridge.agi.testing import DtmfScript, KeySequence
from agi_bridge.agi.testing.dtmf_script import DtmfQueue

ANY = "0123456789*#"
LONG = 5.0


def test_a_group_is_begun_when_the_caller_is_waited_for() -> None:
    script = DtmfScript("415,1")
    assert script.playing() == ""
    assert script.waiting(ANY, LONG) == "415"
    assert script.waiting(ANY, LONG) == ""  # the group is used up: a further wait times out
    script.playing()
    assert script.waiting(ANY, LONG) == "1"


def test_a_prompt_that_lists_some_keys_asks_for_one() -> None:
    script = DtmfScript("1,2")
    assert script.playing("12*") == "1"
    assert script.playing("12*") == "2"  # a group that was begun ends the chance


def test_a_prompt_that_lists_all_digits_may_be_a_read_back_and_plays_out() -> None:
    script = DtmfScript("1")
    assert script.playing(ANY) == ""
    assert script.waiting(ANY, LONG) == "1"


def test_a_pause_between_prompts_is_not_a_question() -> None:
    script = DtmfScript("1,2")
    script.playing()
    assert script.waiting(ANY, 0.4) == ""
    script.playing()
    assert script.waiting(ANY, LONG) == "1"


def test_a_prompt_that_does_not_list_the_key_plays_out_and_does_not_use_it_up() -> None:
    script = DtmfScript("41")
    assert script.playing("*") == ""
    script.playing()
    assert script.waiting(ANY, LONG) == "41"


def test_an_empty_group_is_silent_until_the_caller_was_waited_for() -> None:
    script = DtmfScript(",1")
    script.playing()
    assert script.playing("1") == ""
    assert script.waiting(ANY, LONG) == ""
    assert script.playing("1") == "1"


def test_a_group_that_nobody_asked_for_is_not_keyed_later() -> None:
    script = DtmfScript("1,9")
    script.playing()
    assert script.waiting("", LONG) == ""
    script.playing()
    assert script.waiting(ANY, LONG) == "9"


def test_hanging_up_is_accepted_everywhere() -> None:
    assert DtmfScript("!").playing(ANY) == "!"
    assert DtmfScript("!").waiting("", LONG) == "!"


def test_waiting_before_anything_was_played_is_a_chance() -> None:
    assert DtmfScript("7").waiting(ANY, LONG) == "7"


def test_after_the_last_group_there_is_silence() -> None:
    script = DtmfScript("")
    for _ in range(3):
        script.playing()
        assert script.waiting(ANY, LONG) == ""


def test_what_is_not_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match="keys are"):
        DtmfScript("415 555")


def taken(keypad: DtmfQueue, *listening: tuple[float, float, str]) -> list[str]:
    """The keys that commands get which listen from, to, for which keys."""
    found = [keypad.take(*each) for each in listening]
    return [key[0] if key else "" for key in found]


def test_keys_are_pressed_at_their_pace_even_if_no_command_reads_them() -> None:
    keypad = DtmfQueue()
    keypad.press(KeySequence("1234"), 0.0)  # released at 0.2, 0.4, 0.6 and 0.8
    assert taken(keypad, (0.0, 0.3, ANY), (0.3, 0.5, "*"), (0.5, 0.7, ANY)) == ["1", "", "3"]
    assert taken(keypad, (0.7, 0.75, ANY), (0.75, 9.0, ANY)) == ["", "4"]


def test_keys_pressed_later_follow_those_that_are_being_pressed() -> None:
    keypad = DtmfQueue()
    keypad.press(KeySequence("12"), 0.0)
    keypad.press(KeySequence("3"), 0.1)
    assert taken(keypad, (0.0, 0.3, ANY), (0.3, 0.5, ANY), (0.5, 0.7, ANY)) == ["1", "2", "3"]


def test_at_a_persons_pace_what_is_keyed_while_no_command_runs_is_lost() -> None:
    keypad = DtmfQueue()
    keypad.press(KeySequence("123"), 0.0)
    assert taken(keypad, (0.5, 9.0, ANY), (9.0, 10.0, ANY)) == ["3", ""]


def test_of_keys_that_are_too_fast_for_the_pbx_the_last_ones_reach_the_next_command() -> None:
    keypad = DtmfQueue()
    keypad.press(KeySequence("12345678", held=0.04, gap=0.0), 0.0)  # the last is released at 0.42
    assert taken(keypad, *[(0.6, 9.0, ANY)] * 5) == ["5", "6", "7", "8", ""]


def test_a_caller_who_hung_up_while_no_command_ran_has_gone() -> None:
    keypad = DtmfQueue()
    keypad.press(KeySequence("1!"), 0.0)
    assert taken(keypad, (5.0, 9.0, "")) == ["!"]
