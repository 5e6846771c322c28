"""Checkpoints that a verifier has kept, beside an export that they are not of."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.forgery import Place


def day_before(at: str) -> str:
    earlier = datetime.fromisoformat(at) - timedelta(days=1)
    return earlier.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def date_back(bodies: list[dict[str, Any]]) -> None:
    for body in bodies:
        for name in {"at", "written", "received", "honoured"} & body.keys():
            body[name] = day_before(body[name])


def begins(export: Path) -> int:
    """The event that an export begins after."""
    with (export / "chain.jsonl").open() as lines:
        return int(json.loads(next(lines))["seq"])


def test_an_export_dated_back_behind_a_checkpoint_that_was_kept_is_named(
    place: Place, tmp_path: Path
) -> None:
    """It begins after that checkpoint, which its hashes therefore cannot contradict."""
    place.forge(date_back, day_before)
    out = place.export(tmp_path / "out", place.ids["declined"])
    place.elsewhere = [each for each in place.elsewhere if each.seq < begins(out)]
    assert place.elsewhere
    found = place.both(out, elsewhere=True)
    assert (found.failing, found.values["time"], found.status) == (set(), "trusting", 3)
    assert all("is dated before the checkpoint of event" in each for each in found.said)


def test_a_kept_checkpoint_of_an_earlier_event_is_said_to_compare_nothing(
    place: Place, tmp_path: Path
) -> None:
    out = place.export(tmp_path / "out", place.ids["declined"])
    place.elsewhere = [each for each in place.elsewhere if each.seq < begins(out)]
    found = place.both(out, elsewhere=True)
    assert found.status == 0
    assert all("could be compared" in each for each in found.said)


def test_a_kept_checkpoint_that_is_newer_is_known_by_its_number(
    place: Place, tmp_path: Path
) -> None:
    """The owner dates what follows it later than it is."""
    kept = place.elsewhere[-1]
    place.forge(lambda bodies: bodies.__delitem__(slice(kept.seq - 3, None)))
    out = place.export(tmp_path / "out", place.ids["first"])
    found = place.both(out, elsewhere=True)
    assert all(f"newer (event {kept.seq}" in each for each in found.said)
    assert "could be compared" not in "".join(found.said)
