"""Attacks on a repeated submission of unknown outcome: only an idempotent receiver's may be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import State
from tests.support import evidence_ledger as shop
from tests.support.forgery import forge_export

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.forgery import Place

THIRD = "+14155550177"
SENDING = replace(shop.SENDING, hook_kind="webhook", idempotent=True)


@pytest.fixture
def repeated(place: Place) -> Place:
    """With a consent of a third number that a receiver was asked about twice."""

    async def fill(ledger: Any) -> None:
        record = shop.agreed(THIRD, sending=SENDING)
        await ledger.append(record.take())
        record.submission_ended(
            State.UNKNOWN, reason="timeout", status=None, attempts=1, answer=None
        )
        await ledger.append(record.take())
        record = await ledger.load_for_retry(record.id)
        record.submitting(SENDING, 2)
        await ledger.append(record.take())
        record.submission_ended(
            State.ACCEPTED, reason="no_document", status=204, attempts=1, answer="a" * 64
        )
        await ledger.append(record.take())
        place.ids["repeated"] = record.id
        await ledger.checkpoint()

    place.use(fill)
    return place


def test_a_repetition_that_was_promised_to_be_safe_holds(repeated: Place, tmp_path: Path) -> None:
    assert repeated.verify().failing == set()
    out = repeated.export(tmp_path / "x", repeated.ids["repeated"])
    assert repeated.both(out).failing == set()
    pages = "".join(path.read_text() for path in out.rglob("*.html"))
    assert "a program of the business (webhook)" in pages


def _first_unpromised(body: dict[str, Any]) -> None:
    if body["type"] == "submitting" and body["attempt"] == 1:
        body.pop("idempotent", None)


def _second_unpromised(body: dict[str, Any]) -> None:
    if body["type"] == "submitting" and body["attempt"] == 2:
        body.pop("idempotent", None)


def _by_instaply(body: dict[str, Any]) -> None:
    """Which texts again for every request."""
    if body["type"] == "submitting":
        body.pop("hook_kind", None)


def _never_sent_after_all(body: dict[str, Any]) -> None:
    if body["type"] == "accepted" and body["reason"] == "no_document":
        body["type"] = "not_sent"


def _to_another_receiver(body: dict[str, Any]) -> None:
    if body["type"] == "submitting" and body["attempt"] == 2:
        body["platform"] = "elsewhere.example"


@pytest.mark.parametrize(
    "attack",
    [
        _first_unpromised,
        _second_unpromised,
        _by_instaply,
        _never_sent_after_all,
        _to_another_receiver,
    ],
)
def test_both_judges_refuse_a_repetition_that_was_not(
    repeated: Place, tmp_path: Path, attack: Callable[[dict[str, Any]], None]
) -> None:
    out = repeated.export(tmp_path / "x", repeated.ids["repeated"])
    forge_export(out, repeated.keys, attack)
    assert "integrity" in repeated.both(out, elsewhere=False).failing
