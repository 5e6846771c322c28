"""Heads of other chains that an owner's checkpoint names otherwise, or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import generate_keys, sign
from tests.support import evidence_ledger as shop

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.forgery import Place


def last(place: Place, ledger_id: str) -> tuple[str, int, str]:
    """A chain's head."""
    query = "SELECT ledger_id, seq, hash FROM event WHERE ledger_id = ? ORDER BY seq DESC LIMIT 1"
    return tuple(place.sql(query, ledger_id)[0])


async def revokes(place: Place) -> tuple[str, int, str]:
    """The other bridge takes a revocation; its head before."""
    assert place.other_keys is not None
    async with await Ledger.open(place.database, place.other_keys) as other:
        await shop.accepted(other, "+14155550199")
        await other.checkpoint()
        before = last(place, other.ledger_id)
        await shop.revoked(other, shop.OTHER)
    return before


async def goes_on(place: Place) -> None:
    """The other bridge signs what it has."""
    assert place.other_keys is not None
    async with await Ledger.open(place.database, place.other_keys) as other:
        await shop.accepted(other, "+14155550198")
        await other.checkpoint()


@pytest.mark.parametrize("named", ["true", "old", "none"])
def test_no_head_acquits_a_submission_that_clocks_accuse(
    place: Place, tmp_path: Path, named: str
) -> None:
    """It was made ten minutes after the revocation; no checkpoint lies between the two."""
    place.other_keys = replace(place.keys, signing=generate_keys().signing)
    record = shop.agreed(shop.OTHER)
    batch = record.take()
    place.use(lambda ledger: ledger.append(replace(batch, events=batch.events[:-1])))
    old = asyncio.run(revokes(place))
    place.use(lambda ledger: shop.accepted(ledger, "+14155550105"))

    def submit(bodies: list[dict[str, Any]]) -> None:
        sent = next(each for each in bodies[::-1] if each["type"] == "submitting")
        later = datetime.fromisoformat(bodies[-1]["written"]) + timedelta(minutes=10)
        now = f"{later:%Y-%m-%dT%H:%M:%S}.000Z"
        event_id = "0199f3b0-0000-7000-8000-000000000001"
        own = {"consent_id": record.id, "event_id": event_id, "deadline": now}
        bodies.append({**sent, **own, "at": now, "written": now})

    place.elsewhere = []
    place.forge(submit)
    ledger_id, seq, hash_ = last(place, place.keys.ledger_id)
    [(at,)] = place.sql("SELECT at FROM event WHERE ledger_id = ? AND seq = ?", ledger_id, seq)
    heads = {"true": [last(place, place.other_keys.ledger_id)], "old": [old], "none": []}[named]
    made = sign(place.keys.signing, seq, hash_, at, heads)
    place.sql("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?)", ledger_id, seq, made.line)
    asyncio.run(goes_on(place))
    found = place.both(place.export(tmp_path / "out"))
    assert "submitted_after_revocation" in found.codes
    assert "time" in found.failing
