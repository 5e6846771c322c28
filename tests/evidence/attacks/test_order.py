"""Attacks on what has to come before what: consents, revocations, what lifts them, replies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import ConsentRecord
from agi_bridge.consent.dialogue import Dialogue
from agi_bridge.consent.models import UNLIMITED
from tests.support import evidence_ledger as shop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.consent.ledger import Ledger
    from tests.support.forgery import Judgement, Place

Bodies = list[dict[str, Any]]


def forged(place: Place, tmp_path: Path, change: Callable[[Bodies], None]) -> Judgement:
    """What both judges say of an export of everything, before any checkpoint left."""
    place.elsewhere = []
    place.forge(change)
    return place.both(place.export(tmp_path / "forged"))


def put_before(bodies: Bodies, moved: Callable[[dict[str, Any]], bool], type_: str) -> None:
    """Move events before the first one of a type, with its time."""
    part = [body for body in bodies if moved(body)]
    rest = [body for body in bodies if not moved(body)]
    place = next(n for n, body in enumerate(rest) if body["type"] == type_)
    for body in part:
        body.update(at=rest[place - 1]["written"], written=rest[place - 1]["written"])
    bodies[:] = [*rest[:place], *part, *rest[place:]]


def of(record: str) -> Callable[[dict[str, Any]], bool]:
    return lambda body: body["consent_id"] == record


async def returning(ledger: Ledger, consent: str) -> str:
    """A returning caller is texted under a consent."""
    call = replace(shop.CALL, caller_id=shop.NUMBER)
    record = ConsentRecord(call, UNLIMITED, Dialogue(shop.iter_ms().__next__))
    record.returned(consent, region="US")
    record.submitting(shop.SENDING)
    await ledger.append(record.take())
    return record.id


def test_a_return_cannot_rely_on_a_consent_that_was_given_later(
    place: Place, tmp_path: Path
) -> None:
    record = place.use(lambda ledger: returning(ledger, place.ids["second"]))
    assert "returned_unfounded" not in place.both(place.export(tmp_path / "honest")).codes

    def earlier(bodies: Bodies) -> None:
        put_before(bodies, of(record), "revocation")

    found = forged(place, tmp_path, earlier)
    assert "returned_unfounded" in found.codes
    assert found.status == 1


@pytest.mark.parametrize("before", ["revocation", "disclosed"])
def test_a_revocation_is_not_lifted_before_it_is_there_or_its_consent_is(
    place: Place, tmp_path: Path, before: str
) -> None:
    second = place.ids["second"]

    def earlier(bodies: Bodies) -> None:
        if before == "revocation":  # consent and all
            put_before(bodies, of(second), before)
        else:
            lifted = next(body for body in bodies if body["type"] == "lifted")
            bodies.remove(lifted)
            begun = next(n for n, body in enumerate(bodies) if body["consent_id"] == second)
            bodies.insert(begun, lifted)

    found = forged(place, tmp_path, earlier)
    assert "lifting_unfounded" in found.codes
    assert found.status == 1


def test_a_revocation_ends_every_consent_that_it_reaches(place: Place, tmp_path: Path) -> None:
    def spare(bodies: Bodies) -> None:
        bodies[:] = [body for body in bodies if body["type"] != "revoked"]
        for body in bodies:
            if body["type"] == "revocation":
                body["consents"] = 0

    found = forged(place, tmp_path, spare)
    assert "consent_not_ended" in found.codes
    assert found.status == 1


def test_nobody_agrees_under_a_revocation_that_nothing_lifted(place: Place, tmp_path: Path) -> None:
    def keep(bodies: Bodies) -> None:
        bodies[:] = [body for body in bodies if body["type"] != "lifted"]

    found = forged(place, tmp_path, keep)
    assert "agreed_under_revocation" in found.codes
    assert found.status == 1


@pytest.mark.parametrize("received", ["2019-01-01T00:00:00Z", "2039-01-01T00:00:00Z"])
def test_a_reply_was_received_after_its_agreement_and_before_it_was_stored(
    place: Place, tmp_path: Path, received: str
) -> None:
    async def answer(ledger: Ledger) -> None:
        await shop.accepted(ledger, "+14155550105", reply=True)
        await shop.replied(ledger, "+14155550105")

    place.use(answer)
    assert place.verify().failing == set()

    def change(bodies: Bodies) -> None:
        for body in bodies:
            if body["type"] == "replied":
                body["received"] = received

    found = forged(place, tmp_path, change)
    assert "reply_unfounded" in found.codes
    assert found.status == 1


def test_honest_orders_hold(place: Place, tmp_path: Path) -> None:
    """Revocations of a brand and of all, each followed by a consent from the number itself."""

    async def live(ledger: Ledger) -> None:
        await shop.accepted(ledger, shop.OTHER)
        await shop.revoked(ledger, shop.OTHER, scope="all", brand=None)
        await shop.accepted(ledger, shop.OTHER, caller_id=shop.OTHER)
        await shop.revoked(ledger, shop.OTHER)
        await shop.revoked(ledger, shop.OTHER, brand="Another Store")
        record = await shop.accepted(ledger, shop.OTHER, caller_id=shop.OTHER)
        await returning(ledger, place.ids["second"])
        await ledger.erase([record], basis="request", actor="admin")
        await ledger.checkpoint()

    place.use(live)
    assert place.verify().failing == set()
    assert place.both(place.export(tmp_path / "out")).failing == set()
