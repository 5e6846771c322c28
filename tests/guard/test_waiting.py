"""Who has to go once all places are taken."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.guard import WaitingRoom


def test_the_oldest_of_the_fullest_address_goes_first() -> None:
    room: WaitingRoom[str] = WaitingRoom()
    for each in ("pbx", "idle1", "idle2", "idle3"):
        room.enter(each, each.rstrip("123"))
    assert [room.crowded_out() for _ in range(2)] == ["idle1", "idle2"]
    assert len(room) == 2


def test_who_has_left_is_not_taken_out() -> None:
    room: WaitingRoom[int] = WaitingRoom()
    for each in (1, 2, 3):
        room.enter(each, "a")
    room.leave(1)
    room.leave(1)
    assert room.crowded_out() == 2
    assert len(room) == 1


def test_a_flood_from_one_address_pushes_out_none_but_its_own() -> None:
    room: WaitingRoom[int] = WaitingRoom()
    for each in range(3):
        room.enter(each, "pbx")
    for each in range(100, 1000):
        room.enter(each, "stranger")
        if len(room) > 10:
            assert room.crowded_out() >= 100
    assert len(room) == 10


@given(
    steps=st.lists(st.tuples(st.sampled_from("eelo"), st.integers(0, 20), st.sampled_from("abc")))
)
def test_nobody_is_lost_and_nobody_stays(steps: list[tuple[str, int, str]]) -> None:
    room: WaitingRoom[int] = WaitingRoom()
    inside: dict[int, str] = {}
    for what, one, source in steps:
        if what == "e" and one not in inside:
            room.enter(one, source)
            inside[one] = source
        elif what == "l":
            room.leave(one)
            inside.pop(one, None)
        elif what == "o" and inside:
            most = max(Counter(inside.values()).values())
            out = room.crowded_out()
            assert list(inside.values()).count(inside[out]) == most
            del inside[out]
        assert len(room) == len(inside)
    for one in inside:
        room.leave(one)
    assert room._by_source == {}
