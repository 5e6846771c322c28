"""Attacks on what has to come before what: consents, revocations, what lifts them, replies."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import ConsentRecord, commitment
from agi_bridge.consent.dialogue import Dialogue
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.models import UNLIMITED
from agi_bridge.consent.signing import generate_keys
from tests.support import evidence_ledger as shop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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


def test_a_revocation_ends_its_consents_itself_not_a_later_one(
    place: Place, tmp_path: Path
) -> None:
    """Texts went on after the first one, until somebody asked again."""

    async def again(ledger: Ledger) -> None:
        place.ids["again"] = await shop.revoked(ledger)
        await ledger.checkpoint()

    place.use(again)

    def spare(bodies: Bodies) -> None:
        ended = next(body for body in bodies if body["type"] == "revoked")
        bodies.remove(ended)
        asked = {body["consent_id"]: body for body in bodies if body["type"] == "revocation"}
        early, late = asked[place.ids["revocation"]], asked[place.ids["again"]]
        early["consents"], late["consents"] = 0, 2
        ended.update(revocation=place.ids["again"], at=late["at"], written=late["written"])
        bodies.insert(bodies.index(late) + 1, ended)

    found = forged(place, tmp_path, spare)
    assert "consent_not_ended" in found.codes
    assert found.status == 1


def test_a_consent_is_ended_by_a_revocation_of_its_own_number(place: Place, tmp_path: Path) -> None:
    async def another(ledger: Ledger) -> None:
        place.ids["another"] = await shop.revoked(ledger, shop.OTHER)
        await ledger.checkpoint()

    place.use(another)

    def name(bodies: Bodies) -> None:
        for body in bodies:
            if body["type"] == "revoked" and body["consent_id"] == place.ids["first"]:
                body["revocation"] = place.ids["another"]
            elif body["type"] == "revocation":
                body["consents"] = 0 if body["consent_id"] == place.ids["revocation"] else 2

    found = forged(place, tmp_path, name)
    assert "revocation_unfounded" in found.codes
    assert found.status == 1


def test_a_revocation_is_where_its_own_event_stands(place: Place, tmp_path: Path) -> None:
    """Another act with its id before it does not let a consent lift what was not there yet."""

    def earlier(bodies: Bodies) -> None:
        asked = next(body for body in bodies if body["type"] == "revocation")
        put_before(bodies, of(place.ids["second"]), "revocation")
        begun = next(n for n, body in enumerate(bodies) if body is asked) - 1
        while bodies[begun]["consent_id"] == place.ids["second"]:
            begun -= 1
        looked = {"type": "revealed", "actor": "me", "command": "show"}
        kept = {name: asked[name] for name in ("schema", "ledger_id", "seq", "consent_id")}
        now = bodies[begun]["written"]
        event_id = "0199f3b0-0000-7000-8000-000000000001"
        bodies.insert(
            begun + 1, {**kept, **looked, "event_id": event_id, "at": now, "written": now}
        )

    found = forged(place, tmp_path, earlier)
    assert "lifting_unfounded" in found.codes
    assert found.status == 1


def test_another_bridge_does_not_submit_a_consent_after_it_was_revoked(
    place: Place, tmp_path: Path
) -> None:
    """Between chains only clocks tell the order."""
    place.other_keys = replace(place.keys, signing=generate_keys().signing)
    record = shop.agreed(shop.OTHER)
    batch = record.take()

    async def agree(ledger: Ledger) -> None:
        await ledger.append(replace(batch, events=batch.events[:-1]))

    async def revoke() -> None:
        assert place.other_keys is not None
        async with await Ledger.open(place.database, place.other_keys) as other:
            await shop.revoked(other, shop.OTHER)
            await other.checkpoint()

    place.use(agree)
    asyncio.run(revoke())
    place.use(lambda ledger: shop.accepted(ledger, "+14155550105"))

    def submit(bodies: Bodies) -> None:
        sent = next(each for each in bodies[::-1] if each["type"] == "submitting")
        event_id = "0199f3b0-0000-7000-8000-000000000001"
        later = datetime.fromisoformat(bodies[-1]["written"]) + timedelta(minutes=10)
        now = f"{later:%Y-%m-%dT%H:%M:%S}.000Z"
        bodies.append(
            {**sent, "consent_id": record.id, "event_id": event_id, "at": now, "written": now}
        )

    place.elsewhere = []
    place.forge(submit)
    place.use(lambda ledger: ledger.checkpoint())
    found = place.both(place.export(tmp_path / "out"))
    assert "submitted_after_revocation" in found.codes
    assert "integrity" in found.failing


@pytest.mark.parametrize("scope", ["brand", "seller"])
def test_a_revocation_of_a_brand_or_seller_names_it(
    place: Place, tmp_path: Path, scope: str
) -> None:
    def nothing(bodies: Bodies) -> None:
        bodies[:] = [body for body in bodies if body["type"] not in {"revoked", "lifted"}]
        for body in bodies:
            if body["type"] == "revocation":
                body.update(scope=scope, brand=None, seller=None, consents=0)

    found = forged(place, tmp_path, nothing)
    assert "revocation_of_nothing" in found.codes
    assert found.status == 1


@pytest.mark.parametrize("given", ["caller", "attestation"])
def test_a_return_is_a_call_from_the_number_that_its_caller_id_can_stand_for(
    place: Place, tmp_path: Path, given: str
) -> None:
    record = place.use(lambda ledger: returning(ledger, place.ids["second"]))
    other = shop.OTHER if given == "caller" else shop.NUMBER
    salts: dict[str, str] = {}

    def show(values: dict[str, str]) -> None:
        salts.update(values)
        values["caller_id"] = other

    place.reseal(record, show)

    def change(bodies: Bodies) -> None:
        for body in bodies:
            if body["type"] == "returned":
                salt = bytes.fromhex(salts["salt"])
                body["caller_id_c"] = commitment(salt, "caller_id", other)
                if given == "attestation":
                    body.update(attestation="C", caller_id_trust="B")

    found = forged(place, tmp_path, change)
    assert "returned_unfounded" in found.codes
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
