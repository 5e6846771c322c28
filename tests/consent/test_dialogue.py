from __future__ import annotations

from itertools import count

from agi_bridge.consent import Dialogue
from tests.support.consent_builders import prompt


def dialogue() -> Dialogue:
    ticks = count(1000, 500)
    return Dialogue(lambda: next(ticks))


def test_entries_are_as_documented() -> None:
    told = dialogue()
    told.played(prompt("enter-number"), 9000, cut=True)
    told.digits_keyed(10, "full")
    told.said(10, whole=True)
    told.key_pressed("1")
    assert told.take() == [
        ["play", 1000, "enter-number", "en", "2" * 64, "3" * 64, 16_000, 9000],
        ["digits", 1500, 10, "full"],
        ["say", 2000, 10, True],
        ["key", 2500, "1", "read-back", None],
    ]
    assert told.take() == []


def test_a_key_has_the_place_in_what_it_cut_short() -> None:
    told = dialogue()
    told.played(prompt("confirm-number"), 9000, cut=True)
    told.key_pressed("1")
    told.played(prompt("confirm-number"), 16_000)
    told.key_pressed("2")
    keys = [entry for entry in told.take() if entry[0] == "key"]
    assert [entry[2:] for entry in keys] == [
        ["1", "confirm-number", 9000],
        ["2", "confirm-number", None],
    ]


def test_a_second_key_was_not_pressed_where_the_first_one_was() -> None:
    told = dialogue()
    told.played(prompt("confirm-number"), 9000, cut=True)
    told.key_pressed("7")
    told.key_pressed("*")
    assert [entry[4] for entry in told.take() if entry[0] == "key"] == [9000, None]


def test_groups_of_digits_are_one_entry_until_one_is_cut_short() -> None:
    told = dialogue()
    told.said(3, whole=True)
    told.said(3, whole=True)
    told.said(4, whole=False)
    told.said(3, whole=True)
    assert [entry[2:] for entry in told.take()] == [[10, False], [3, True]]


def test_digits_that_were_handed_over_are_not_added_to() -> None:
    told = dialogue()
    told.said(3, whole=True)
    told.take()
    told.said(3, whole=True)
    assert [entry[2:] for entry in told.take()] == [[3, True]]
