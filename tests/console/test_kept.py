"""What a form asked for: for how long, for whom, how much of it, and behind which key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agi_bridge.console import kept
from agi_bridge.console.kept import Kept
from agi_bridge.console.sessions import Visitor

if TYPE_CHECKING:
    import pytest

ALICE: Final = Visitor("alice", "act")
BOB: Final = Visitor("bob", "act")


def test_it_is_kept_for_who_asked_until_its_time_is_over() -> None:
    now = 0.0
    values = Kept[str](60, lambda: now)
    key = values.keep(ALICE, "+14155550123")
    assert values.get(ALICE, key) == "+14155550123"
    assert values.get(Visitor("alice", "look"), key) == "+14155550123"
    assert values.get(BOB, key) is None
    assert values.get(ALICE, "") is None
    now = 60.0
    assert values.get(ALICE, key) is None


def test_the_oldest_goes_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MAX_KEPT", 2)
    values = Kept[int]()
    keys = [values.keep(ALICE, number) for number in range(3)]
    assert [values.get(ALICE, key) for key in keys] == [None, 1, 2]


def test_what_is_over_is_not_held_on_to() -> None:
    now = 0.0
    values = Kept[int](60, lambda: now)
    for _ in range(3):
        values.keep(ALICE, 1)
    now = 60.0
    values.keep(ALICE, 2)
    assert len(values._entries) == 1


def test_a_key_cannot_be_guessed_and_what_is_kept_is_in_no_text() -> None:
    values = Kept[str]()
    keys = {values.keep(ALICE, "+14155550123") for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) >= 22 for key in keys)
    assert "4155550123" not in str(values._entries)
