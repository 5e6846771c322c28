"""The parts of a chain that an export needs, and no more."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.evidence.export.collect import ranges


def parts(shown: set[int], signed: set[int], head: int) -> list[tuple[int, int]]:
    found = ranges("chain", shown, signed, head)
    assert all(each.ledger_id == "chain" for each in found)
    return [(each.after, each.last) for each in found]


def test_an_event_is_proved_from_the_checkpoint_before_to_the_one_after() -> None:
    assert parts({42}, {10, 40, 50, 90}, 100) == [(40, 50)]


def test_an_event_that_is_signed_itself_ends_its_part() -> None:
    assert parts({50}, {40, 50}, 100) == [(40, 50)]


def test_before_the_first_checkpoint_a_part_begins_with_the_chain() -> None:
    assert parts({3}, {10}, 12) == [(0, 10)]


def test_behind_the_last_checkpoint_a_part_ends_with_the_chain() -> None:
    assert parts({11}, {10}, 12) == [(10, 12)]
    assert parts({11}, set(), 12) == [(0, 12)]


def test_parts_that_touch_are_one() -> None:
    assert parts({5, 15, 16, 35}, {10, 20, 30, 40}, 40) == [(0, 20), (30, 40)]


def test_nothing_shown_needs_nothing() -> None:
    assert parts(set(), {10}, 12) == []


@given(st.data())
def test_every_shown_event_is_in_exactly_one_part_that_no_checkpoint_could_shorten(
    data: st.DataObject,
) -> None:
    head = data.draw(st.integers(1, 60))
    events = st.sets(st.integers(1, head))
    shown, signed = data.draw(events), data.draw(events)
    found = ranges("chain", shown, signed, head)
    for seq in shown:
        assert sum(part.after < seq <= part.last for part in found) == 1
    for part in found:
        inside = {seq for seq in shown if part.after < seq <= part.last}
        assert part.after in signed | {0}
        assert part.last in signed | {head}
        assert not any(part.after < mark < min(inside) for mark in signed)
        assert not any(max(inside) <= mark < part.last for mark in signed)
    assert all(one.last < other.after for one, other in pairwise(found))
    assert found == sorted(found, key=lambda part: part.after)
