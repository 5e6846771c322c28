"""Who has to go once all places are taken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.guard import WaitingRoom


def test_nobody_has_to_go_while_there_are_places() -> None:
    room: WaitingRoom[int] = WaitingRoom(2)
    assert [room.enter(1, "a"), room.enter(2, "a")] == [None, None]
    room.leave(1)
    room.leave(1)
    assert room.enter(3, "a") is None
    assert len(room) == 2


def test_the_oldest_of_the_fullest_address_goes_for_a_newcomer() -> None:
    room: WaitingRoom[str] = WaitingRoom(4)
    for each in ("pbx", "idle1", "idle2", "idle3"):
        assert room.enter(each, each.rstrip("123")) is None
    assert room.enter("pbx2", "pbx") == "idle1"
    assert room.enter("idle4", "idle") in {"idle2", "pbx"}


def test_a_flood_from_one_address_pushes_out_none_but_its_own() -> None:
    room: WaitingRoom[int] = WaitingRoom(10)
    for each in range(3):
        room.enter(each, "pbx")
    gone = {room.enter(each, "stranger") for each in range(100, 1000)} - {None}
    assert not gone & {0, 1, 2}
    assert len(room) == 10


@given(
    places=st.integers(1, 5),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.sampled_from("abc"))),
)
def test_there_are_never_more_than_places_and_nobody_is_lost(
    places: int, steps: list[tuple[bool, int, str]]
) -> None:
    room: WaitingRoom[int] = WaitingRoom(places)
    inside: set[int] = set()
    for enters, one, source in steps:
        if enters and one not in inside:
            gone = room.enter(one, source)
            inside.add(one)
            if gone is not None:
                inside.remove(gone)
        elif not enters:
            room.leave(one)
            inside.discard(one)
        assert len(room) == len(inside) <= places
    for one in inside:
        room.leave(one)
    assert room._by_source == {}
