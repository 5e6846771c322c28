"""Each test is a lie that an owner might write into a new record, and the rule that finds it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import (
    QUESTION,
    YOU_ENTERED,
    ConsentRecord,
    agreement_faults,
    read_back_and_asked,
    says_its_text,
)
from tests.support.consent_builders import ENTERED, FACTS, HEARD, number_keyed, prompt, read_back

if TYPE_CHECKING:
    from collections.abc import Callable


def events(record: ConsentRecord) -> list[tuple[str, dict[str, Any]]]:
    return [(event.type.value, dict(event.body)) for event in record.take().events]


def dialogue(
    answer: Callable[[ConsentRecord], None] = read_back,
    *,
    act: str = "number_then_1",
    before: Callable[[ConsentRecord], None] = number_keyed,
) -> list[str]:
    """The faults of an agreement whose read-back and answer went like this."""
    record = ConsentRecord(FACTS)
    record.disclosed(HEARD)
    before(record)
    record.entered(ENTERED)
    answer(record)
    record.confirmed(act)
    return agreement_faults(events(record))


def whole(name: str) -> Callable[[ConsentRecord], None]:
    return lambda record: record.dialogue.played(prompt(name), 16_000)


def digits_spoken(digits: int = 10, *, whole: bool = True) -> Callable[[ConsentRecord], None]:
    return lambda record: record.dialogue.digits_spoken(digits, whole=whole)


def key(pressed: str = "1") -> Callable[[ConsentRecord], None]:
    return lambda record: record.dialogue.key_pressed(pressed)


def cut(name: str, endpos: int) -> Callable[[ConsentRecord], None]:
    return lambda record: record.dialogue.played(prompt(name), endpos, cut=True)


def steps(*each: Callable[[ConsentRecord], None]) -> Callable[[ConsentRecord], None]:
    def answer(record: ConsentRecord) -> None:
        for step in each:
            step(record)

    return answer


READ, ASKED = (whole(YOU_ENTERED), digits_spoken()), whole(QUESTION)


@pytest.mark.parametrize(
    "answer",
    [
        steps(*READ, ASKED, key()),
        steps(*READ, cut(QUESTION, 8000), key()),  # into the question, after its first second
        steps(*READ, ASKED, *READ, ASKED, key()),  # asked twice
        steps(*READ, ASKED, cut(YOU_ENTERED, 100), key()),  # heard out before, asked again
        steps(*READ, ASKED, whole(YOU_ENTERED), digits_spoken(3, whole=False), key()),
        steps(*READ, ASKED, key("7"), *READ, ASKED, key()),
        steps(*READ, cut(QUESTION, 100), key("2"), ASKED, key()),  # meant for what came before
    ],
)
def test_an_agreement_is_one(answer: Callable[[ConsentRecord], None]) -> None:
    assert dialogue(answer) == []


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (steps(cut(YOU_ENTERED, 1600), key()), "not_read_back"),  # 0.2 s into "You entered"
        (steps(key()), "not_read_back"),
        (steps(whole(YOU_ENTERED), digits_spoken(9), ASKED, key()), "not_read_back"),
        (steps(whole(YOU_ENTERED), digits_spoken(10, whole=False), ASKED, key()), "not_read_back"),
        (
            steps(digits_spoken(), ASKED, key()),
            "not_read_back",
        ),  # digits, but nobody said what they are
        (steps(*READ, key()), "not_asked"),
        (steps(ASKED, *READ, key()), "not_asked"),  # asked before the number was known
        (steps(*READ, cut(QUESTION, 7999), key()), "not_asked"),
        (steps(*READ, cut(QUESTION, 8000), cut(YOU_ENTERED, 10), key()), "not_asked"),
        (steps(*READ, ASKED), "no_key"),
        (steps(*READ, ASKED, key("2")), "no_key"),
        (steps(*READ, key("5"), ASKED, key()), "entry_ended"),  # the number was keyed wrong
        (steps(*READ, ASKED, key("2"), ASKED, key()), "entry_ended"),  # another one was wanted
        (steps(*READ, ASKED, key("*"), *READ, ASKED, key()), "entry_ended"),
        (steps(*READ, ASKED, key(), ASKED), "no_key"),
    ],
)
def test_an_act_that_the_dialogue_does_not_show_is_none(
    answer: Callable[[ConsentRecord], None], fault: str
) -> None:
    assert dialogue(answer) == [fault]


def test_keying_the_number_is_enough_where_that_is_the_act() -> None:
    assert dialogue(steps(), act="number") == []
    assert dialogue(key("5"), act="number") == ["key_after_number"]


def test_the_number_of_digits_is_the_one_that_was_keyed() -> None:
    assert dialogue(before=lambda record: number_keyed(record, 9)) == ["no_number"]
    assert dialogue(before=steps()) == ["no_number"]


def test_a_number_keyed_before_the_disclosure_is_none() -> None:
    record = ConsentRecord(FACTS)
    number_keyed(record)
    record.disclosed(HEARD)
    record.entered(ENTERED)
    read_back(record)
    record.confirmed("number_then_1")
    assert agreement_faults(events(record)) == ["no_number"]


def test_star_after_the_disclosure_has_declined_whatever_follows() -> None:
    assert dialogue(before=steps(number_keyed, key("*"), number_keyed)) == ["entry_ended"]
    record = ConsentRecord(FACTS)
    record.disclosed(HEARD)
    record.dialogue.digits_keyed(10, "star")
    record.entered(ENTERED)
    read_back(record)
    record.confirmed("number_then_1")
    assert agreement_faults(events(record)) == ["entry_ended"]


def test_the_last_number_counts() -> None:
    record = ConsentRecord(FACTS)
    record.disclosed(HEARD)
    number_keyed(record)
    record.entered(ENTERED)
    read_back(record, key="2")
    number_keyed(record)
    record.entered(ENTERED)
    read_back(record)
    record.confirmed("number_then_1")
    assert agreement_faults(events(record)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"samples": 1, "endpos": 1},
        {"audio_sha256": "9" * 64},
        {"disclosure_sha256": "9" * 64},
        {"lang": "fr"},
        {"prompt": "goodbye"},
        {"complete": False},
        {"endpos": 7999},
    ],
)
def test_a_disclosure_that_the_dialogue_does_not_have_was_not_played(
    change: dict[str, Any],
) -> None:
    record = ConsentRecord(FACTS)
    record.disclosed(HEARD)
    number_keyed(record)
    record.entered(ENTERED)
    read_back(record)
    record.confirmed("number_then_1")
    first, *others = events(record)
    first[1].update(change)
    assert agreement_faults([first, *others]) == ["no_disclosure"]


def test_another_language_than_the_disclosures_is_noticed() -> None:
    spanish = steps(
        lambda record: record.dialogue.played(prompt(YOU_ENTERED, "es"), 16_000),
        digits_spoken(), ASKED,
        key(),
    )  # fmt: skip
    assert dialogue(spanish) == ["language_differs"]


def test_entries_do_not_run_back() -> None:
    record = ConsentRecord(FACTS)
    record.disclosed(HEARD)
    number_keyed(record)
    record.entered(ENTERED)
    read_back(record)
    record.confirmed("number_then_1")
    changed = events(record)
    changed[0][1]["dialogue"][0][1] = 5000
    assert agreement_faults(changed) == ["dialogue_disordered"]


def test_without_its_disclosure_nothing_is_an_agreement() -> None:
    record = ConsentRecord(FACTS)
    record.disclosed(HEARD)
    number_keyed(record)
    record.entered(ENTERED)
    record.confirmed("number")
    assert agreement_faults(events(record)[1:]) == ["no_disclosure"]


def test_read_back_and_question_are_told_apart() -> None:
    assert read_back_and_asked([], 10) == (False, False)
    record = ConsentRecord(FACTS)
    steps(*READ)(record)
    assert read_back_and_asked(record.dialogue.take(), 10) == (True, False)


@pytest.mark.parametrize(
    ("characters", "samples", "fits"),
    [(40, 8000, True), (41, 8000, False), (400, 80_000, True), (0, 0, True), (1, 0, False)],
)
def test_a_recording_is_long_enough_for_its_text(
    characters: int, samples: int, *, fits: bool
) -> None:
    assert says_its_text("x" * characters, samples) is fits


def test_the_shipped_disclosure_says_its_text() -> None:
    assert not says_its_text(replace(HEARD, text="a" * 500).text, HEARD.samples)
