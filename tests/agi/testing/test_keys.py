import pytest

from agi_bridge.agi.testing import KeyScript

ANY = "0123456789*#"


def test_a_group_is_keyed_key_by_key_within_its_chance() -> None:
    script = KeyScript("415,1")
    script.playing()
    assert script.take(ANY) == "4"
    script.waiting()
    assert script.take(ANY) + script.take(ANY) == "15"
    script.waiting()
    assert script.take(ANY) == ""  # the group is used up: a further wait times out
    script.playing()
    assert script.take(ANY) == "1"


def test_a_prompt_that_does_not_list_the_key_plays_out_and_does_not_use_it_up() -> None:
    script = KeyScript("41")
    script.playing()
    assert script.take("*") == ""
    script.playing()
    assert script.take(ANY) == "4"


def test_an_empty_group_is_silent_until_the_caller_was_waited_for() -> None:
    script = KeyScript(",1")
    script.playing()
    script.playing()
    assert script.take(ANY) == ""
    script.waiting()
    assert script.take(ANY) == ""
    script.playing()
    assert script.take(ANY) == "1"


def test_keys_that_nobody_asked_for_are_lost_with_the_chance() -> None:
    script = KeyScript("123,9")
    script.playing()
    script.waiting()
    assert script.take(ANY) == "1"
    script.playing()
    assert script.take(ANY) == "9"


def test_a_group_used_up_by_a_prompt_ends_the_chance() -> None:
    script = KeyScript("*,5")
    script.playing()
    assert script.take("*") == "*"
    script.playing()
    assert script.take(ANY) == "5"


def test_hanging_up_is_accepted_everywhere() -> None:
    script = KeyScript("!")
    script.playing()
    assert script.take("") == "!"


def test_waiting_before_anything_was_played_is_a_chance() -> None:
    script = KeyScript("7")
    script.waiting()
    assert script.take(ANY) == "7"


def test_after_the_last_group_there_is_silence() -> None:
    script = KeyScript("")
    for _ in range(3):
        script.playing()
        script.waiting()
        assert script.take(ANY) == ""


def test_what_is_no_key_is_refused() -> None:
    with pytest.raises(ValueError, match="keys are"):
        KeyScript("415 555")
