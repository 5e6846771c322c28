"""Two bridges of which one's clock is set: honestly, or to hide what came before what."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import generate_keys
from tests.support import evidence_ledger as shop
from tests.support.forgery import Place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.consent.signing import Keys

HOUR = 3600.0
DAY = 24 * HOUR
LATE = "+14155550105"


@dataclass
class Shop(Place):
    """A ledger on a database of any kind, with one bridge whose clock can be set, and another."""

    where: Path | str = ""

    @property
    def database(self) -> Any:
        return self.where or self.folder / "ledger.db"

    @asynccontextmanager
    async def bridge(self, keys: Keys | None, clock: shop.Clock) -> AsyncIterator[Ledger]:
        """A bridge that dates its events by a clock that can be set."""
        assert keys is not None
        async with await Ledger.open(self.database, keys) as ledger:
            vars(ledger._writer).update(_clocks=clock.read, _read=None)  # as if it had just started
            yield ledger


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> shop.Clock:
    return shop.Clock(monkeypatch)


@pytest.fixture
def two(where: Path | str, tmp_path: Path, honest: Place) -> Shop:
    """A shop with two bridges, on each kind of database."""
    (tmp_path / "state").mkdir(exist_ok=True)
    keys = generate_keys()
    other = replace(keys, signing=generate_keys().signing)
    return Shop(tmp_path / "state", keys, honest.root, other_keys=other, where=where)


async def sees_its_clock_put_right(
    two: Shop, clock: shop.Clock, ahead: float, *, running: bool
) -> None:
    """The first bridge's clock is ahead, and is put right while it runs or while it is stopped.

    Meanwhile the other one takes a revocation, and a consent that lifts another one.
    """
    async with two.bridge(two.other_keys, clock) as other:
        async with two.bridge(two.keys, clock) as first:
            clock.offset = ahead
            await shop.begin(first)
            await shop.accepted(first)
            await shop.accepted(first, shop.OTHER)
            await shop.revoked(first, shop.OTHER)
            await shop.accepted(first, LATE, reply=True)
            clock.offset = 0
            await shop.revoked(other)
            await shop.accepted(other, shop.OTHER, caller_id=shop.OTHER)
            if running:
                assert await shop.replied(first, LATE)
        if not running:
            async with two.bridge(two.keys, clock) as first:
                assert await shop.replied(first, LATE)
        async with two.bridge(two.keys, clock) as first:
            await first.checkpoint()
        await other.checkpoint()


@pytest.mark.programs
@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
@pytest.mark.parametrize("ahead", [HOUR, DAY], ids=["an hour", "a day"])
def test_a_clock_that_was_ahead_and_is_put_right_costs_no_integrity(
    two: Shop, clock: shop.Clock, tmp_path: Path, *, ahead: float, running: bool
) -> None:
    asyncio.run(sees_its_clock_put_right(two, clock, ahead, running=running))
    found = two.verify()
    assert (found.failing, found.values["time"], found.status) == (set(), "trusting", 3)
    found = two.both(two.export(tmp_path / "out"))
    assert (found.failing, found.values["time"], found.status) == (set(), "trusting", 3)


@pytest.mark.programs
def test_a_clock_that_is_ahead_to_the_end_contradicts_the_other_bridges(
    two: Shop, clock: shop.Clock, tmp_path: Path
) -> None:
    """No event says that it was set, so the times of the two contradict each other."""

    async def run() -> None:
        async with (
            two.bridge(two.other_keys, clock) as other,
            two.bridge(two.keys, clock) as first,
        ):
            clock.offset = DAY
            await shop.begin(first)
            await shop.accepted(first)
            clock.offset = 0
            await shop.revoked(other)
            await other.checkpoint()
            clock.offset = DAY
            await first.checkpoint()

    asyncio.run(run())
    found = two.verify()
    assert (found.failing, found.status) == ({"time"}, 1)
    assert "agreed_under_revocation" in found.codes
    assert two.both(two.export(tmp_path / "out")).failing == {"time"}


async def agrees_under_a_revocation(place: Shop, clock: shop.Clock, *, covered: bool) -> str:
    """A consent of the first bridge that lifts what the other one revoked ten minutes before."""
    async with (
        place.bridge(place.other_keys, clock) as other,
        place.bridge(place.keys, clock) as first,
    ):
        await shop.accepted(first, LATE)
        await shop.revoked(other, shop.OTHER)
        if covered:
            await other.checkpoint()
        clock.offset = 600.0  # the owner sets it, so a `clock` event stands before the consent
        record = await shop.accepted(first, shop.OTHER, caller_id=shop.OTHER)
        await first.checkpoint()
    return record


@pytest.mark.parametrize("covered", [True, False])
def test_a_clock_that_is_set_hides_no_order_that_a_checkpoint_proves(
    place: Place, clock: shop.Clock, tmp_path: Path, *, covered: bool
) -> None:
    """The owner lets somebody agree under a revocation, and says that his clock was set."""
    attacked = Shop(
        place.folder, place.keys, place.root, ids=place.ids,
        other_keys=replace(place.keys, signing=generate_keys().signing),
    )  # fmt: skip
    record = asyncio.run(agrees_under_a_revocation(attacked, clock, covered=covered))

    def unlifted(bodies: list[dict[str, Any]]) -> None:
        assert any(each["type"] == "clock" for each in bodies)
        bodies[:] = [
            each for each in bodies if (each["consent_id"], each["type"]) != (record, "lifted")
        ]

    attacked.forge(unlifted, stamps=True)

    async def sign() -> None:
        async with attacked.bridge(attacked.other_keys, clock) as other:
            await other.checkpoint()

    asyncio.run(sign())
    found = attacked.both(attacked.export(tmp_path / "out"))
    if covered:
        assert "agreed_under_revocation" in found.codes
        assert (found.failing, found.status) == ({"integrity"}, 1)
    else:
        assert (found.failing, found.values["time"], found.status) == (set(), "trusting", 3)
