from __future__ import annotations

from itertools import count

from agi_bridge.consent import Dialogue
from tests.support.consent_builders import prompt


def dialogue() -> Dialogue:
    ticks = count(1000, 500)
    return Dialogue(lambda: next(ticks))


def test_entries_are_as_documented() -> None:
    entries = dialogue()
    entries.played(prompt("enter-number"), 9000, cut=True)
    entries.digits_keyed(10, "full")
    entries.digits_spoken(10, whole=True)
    entries.key_pressed("1")
    assert entries.take() == [
        ["play", 1000, "enter-number", "en", "2" * 64, "3" * 64, 16_000, 9000],
        ["digits", 1500, 10, "full"],
        ["say", 2000, 10, True],
        ["key", 2500, "1", "read-back", None],
    ]
    assert entries.take() == []


def test_a_key_has_the_place_in_what_it_cut_short() -> None:
    entries = dialogue()
    entries.played(prompt("confirm-number"), 9000, cut=True)
    entries.key_pressed("1")
    entries.played(prompt("confirm-number"), 16_000)
    entries.key_pressed("2")
    keys = [entry for entry in entries.take() if entry[0] == "key"]
    assert [entry[2:] for entry in keys] == [
        ["1", "confirm-number", 9000],
        ["2", "confirm-number", None],
    ]


def test_a_second_key_was_not_pressed_where_the_first_one_was() -> None:
    entries = dialogue()
    entries.played(prompt("confirm-number"), 9000, cut=True)
    entries.key_pressed("7")
    entries.key_pressed("*")
    assert [entry[4] for entry in entries.take() if entry[0] == "key"] == [9000, None]


def test_groups_of_digits_are_one_entry_until_one_is_cut_short() -> None:
    entries = dialogue()
    entries.digits_spoken(3, whole=True)
    entries.digits_spoken(3, whole=True)
    entries.digits_spoken(4, whole=False)
    entries.digits_spoken(3, whole=True)
    assert [entry[2:] for entry in entries.take()] == [[10, False], [3, True]]


def test_digits_that_were_handed_over_are_not_added_to() -> None:
    entries = dialogue()
    entries.digits_spoken(3, whole=True)
    entries.take()
    entries.digits_spoken(3, whole=True)
    assert [entry[2:] for entry in entries.take()] == [[3, True]]
