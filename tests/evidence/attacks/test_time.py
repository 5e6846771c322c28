"""Attacks on time: what is dated as it was not."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent.ledger import Ledger
from tests.support import evidence_ledger as shop
from tests.support.forgery import Place, forge_export, resign
from tests.support.timestamp_authority import make_authority, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Bodies = list[dict[str, Any]]


def moved(at: str, days: float) -> str:
    later = datetime.fromisoformat(at) + timedelta(days=days)
    return later.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def move(body: dict[str, Any], days: float) -> None:
    for name in ("at", "written", "received", "honoured"):  # the last two of a revocation
        if name in body:
            body[name] = moved(body[name], days)


def of(record: str, days: float) -> Callable[[Bodies], None]:
    """Date one record's events otherwise."""

    def change(bodies: Bodies) -> None:
        for body in bodies:
            if body["consent_id"] == record:
                move(body, days)

    return change


def attacked(
    place: Place,
    change: Callable[[Bodies], None],
    tmp_path: Path,
    date: Callable[[str], str] = lambda at: at,
) -> tuple[Any, Any]:
    """The owner writes the chain again before any checkpoint left; ledger and export are judged."""
    place.elsewhere = []
    place.forge(change, date)
    return place.verify(), place.both(place.export(tmp_path / "out", place.ids["second"]))


def test_a_consent_dated_back_by_200_days_contradicts_its_chain(
    place: Place, tmp_path: Path
) -> None:
    for found in attacked(place, of(place.ids["second"], -200), tmp_path):
        assert found.values["time"] == "fails"
        assert found.status == 1


def test_a_consent_dated_next_year_contradicts_what_follows(place: Place, tmp_path: Path) -> None:
    for found in attacked(place, of(place.ids["first"], 365), tmp_path):
        assert found.values["time"] == "fails"
        assert found.status == 1


def test_a_chain_that_is_dated_back_as_a_whole_contradicts_the_first_stamp(
    place: Place, tmp_path: Path
) -> None:
    def change(bodies: Bodies) -> None:
        for body in bodies:
            move(body, -200)

    for found in attacked(place, change, tmp_path):
        assert found.values["time"] == "fails"  # the stamp that it chains is younger than it says


def test_a_chain_dated_back_without_any_stamp_is_unwitnessed(place: Place, tmp_path: Path) -> None:
    place.sql("DELETE FROM witness")

    def change(bodies: Bodies) -> None:
        for body in bodies:
            move(body, -200)

    for found in attacked(place, change, tmp_path, lambda at: moved(at, -200)):
        assert found.failing == set()
        assert found.values["time"] == "trusting"
        assert found.status == 3


def test_a_clock_event_explains_a_step_but_proves_no_time(place: Place, tmp_path: Path) -> None:
    def change(bodies: Bodies) -> None:
        first = next(n for n, b in enumerate(bodies) if b["consent_id"] == place.ids["second"])
        clock = {
            **{name: bodies[first][name] for name in ("schema", "ledger_id", "seq")},
            "event_id": "01a207a2-80d0-7359-b1ce-8f4b4e34e569",
            "consent_id": "01a207a2-80d0-7359-b1ce-8f4b4e34e569",
            "type": "clock", "step_ms": -200 * 86_400_000, "seen": "running",
            "synchronised": True, "at": bodies[first]["at"], "written": bodies[first]["written"],
        }  # fmt: skip
        of(place.ids["second"], -200)(bodies)
        move(clock, -200)
        back = {**clock, "event_id": clock["event_id"].replace("69", "70")}
        back["consent_id"] = back["event_id"]
        move(back, 200)
        last = max(n for n, b in enumerate(bodies) if b["consent_id"] == place.ids["second"])
        bodies.insert(last + 1, back)
        bodies.insert(first, clock)

    for found in attacked(place, change, tmp_path):
        assert found.values["time"] == "trusting"
        assert found.values["integrity"] == "holds"
        assert found.status == 3


def test_a_clock_set_during_service_is_explained_and_not_relied_on(
    honest: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, clock = honest.copy(tmp_path / "state"), shop.Clock(monkeypatch)

    async def run() -> None:
        async with await Ledger.open(place.database, place.keys) as ledger:
            monkeypatch.setattr(ledger._writer, "_clocks", clock.read)
            place.ids["before"] = await shop.accepted(ledger, "+14155550101")
            clock.offset = -200 * 86_400.0
            place.ids["dated back"] = await shop.accepted(ledger, "+14155550102")
            clock.offset = 0.0
            place.ids["after"] = await shop.accepted(ledger, "+14155550103")
            await ledger.checkpoint()

    asyncio.run(run())
    assert place.verify().failing == set()
    found = place.both(place.export(tmp_path / "out", place.ids["dated back"]))
    assert (found.values["time"], found.status) == ("trusting", 3)


@pytest.mark.programs
def test_stamps_of_an_authority_of_the_owners_own_prove_nothing(
    honest: Place, tmp_path: Path
) -> None:
    place = honest.copy(tmp_path / "state")
    with serving(make_authority(tmp_path / "own")) as own:

        async def run() -> None:
            async with await Ledger.open(place.database, place.keys) as ledger:
                await shop.stamped(ledger, own.client())
                place.ids["third"] = await shop.accepted(ledger, "+14155550104")
                await shop.stamped(ledger, own.client())

        asyncio.run(run())
    found = place.both(place.export(tmp_path / "out", place.ids["third"]))
    assert (found.values["time"], found.status) == ("trusting", 3)


def test_stamps_that_are_left_out_leave_events_unwitnessed(place: Place, export: Path) -> None:
    for stamp in (export / "stamps").iterdir():
        stamp.unlink()
    resign(export, place.keys)
    found = place.both(export)
    assert found.values["time"] == "trusting"


def test_a_stamp_moved_to_another_checkpoint_is_found(place: Place, export: Path) -> None:
    """The owner lets a `witnessed` event name a stamp of something else."""

    stamps = sorted(path.stem for path in (export / "stamps").iterdir())

    def change(body: dict[str, Any]) -> None:
        if body["type"] == "witnessed":
            other = next(each for each in stamps if each != body["stamp_sha256"])
            body["stamp_sha256"] = other

    forge_export(export, place.keys, change)
    found = place.both(export)
    assert "integrity" in found.failing


def test_an_agreement_cannot_be_called_late(place: Place, tmp_path: Path) -> None:
    def change(bodies: Bodies) -> None:
        for body in bodies:
            if body["consent_id"] == place.ids["second"] and body["type"] == "confirmed":
                body["at"], body["late"] = moved(body["at"], -30), True

    for found in attacked(place, change, tmp_path):
        assert "integrity" in found.failing


def test_an_agreement_that_happened_long_before_it_was_written_is_contradicted(
    place: Place, tmp_path: Path
) -> None:
    def change(bodies: Bodies) -> None:
        for body in bodies:
            if body["consent_id"] == place.ids["second"] and body["type"] == "confirmed":
                body["at"] = moved(body["at"], -30)

    for found in attacked(place, change, tmp_path):
        assert found.values["time"] == "fails"
