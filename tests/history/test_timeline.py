"""The timeline as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge.history import moments
from agi_bridge.history.timeline import MAX_EVENTS, in_order

if TYPE_CHECKING:
    from agi_bridge.observe import Event


def test_events_are_in_the_order_of_their_beginning() -> None:
    recorded: list[Event] = [(5, "answered"), (30, "key"), (10, "prompt", "x", "en", 20, 90, "key")]
    assert [ms for ms, *_ in in_order(recorded)] == [5, 10, 30]


def test_keys_that_follow_each_other_are_one_line_and_no_digit_is_in_it() -> None:
    keys = [(100 * number, "key") for number in range(10)]
    (made, number) = moments([*keys, (950, "number", "valid")])
    assert (made.ms, made.kind, made.details) == (0, "key", (10, 900))
    assert "10 keys" in made.text
    assert number.text == "a valid number"


def test_how_much_of_a_prompt_was_heard_is_said() -> None:
    prompts = [
        (0, "prompt", "disclosure", "en", 9000, 23_200, how)
        for how in ("whole", "key", "hangup", "early", "missing")
    ]
    texts = [each.text for each in moments(prompts)]
    assert texts[0].endswith("23.2 s, to its end")
    assert all("9.0 of 23.2 s" in text for text in texts[1:4])
    assert "not played" in texts[4]


def test_an_event_of_a_newer_version_is_shown_by_its_words() -> None:
    shown = moments([(0, "video_begun", "h264", None, 3), (1, "prompt", "too", "few")])
    assert [each.text for each in shown] == ["video begun h264 3", "prompt too few"]


def test_of_an_endless_call_beginning_and_end_are_kept() -> None:
    events = [*((ms, "key") for ms in range(10 * MAX_EVENTS)), (10 * MAX_EVENTS, "hung_up")]
    kept = in_order(events)
    assert len(kept) == MAX_EVENTS + 1
    assert kept[-1][1] == "hung_up"
    assert kept[MAX_EVENTS // 2][1:] == ("omitted", 9 * MAX_EVENTS + 1)
