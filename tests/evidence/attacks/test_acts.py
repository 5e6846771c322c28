"""Attacks with acts and outcomes that belong to no record of their kind, or to nothing that was."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import ConsentRecord, commitment
from agi_bridge.consent.dialogue import Dialogue
from agi_bridge.consent.models import UNLIMITED
from tests.evidence.attacks.test_order import forged
from tests.support import evidence_ledger as shop

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.forgery import Place

Bodies = list[dict[str, Any]]
VICTIM = "+14155550177"


def one(bodies: Bodies, record: str, type_: str) -> dict[str, Any]:
    """The event of a record that has this type."""
    return next(each for each in bodies if (each["consent_id"], each["type"]) == (record, type_))


def last(bodies: Bodies, record: str, type_: str, **body: Any) -> dict[str, Any]:
    """A new event at the end of the chain."""
    end = bodies[-1]
    kept = {name: end[name] for name in ("schema", "ledger_id", "seq")}
    number = len(bodies)
    return {
        **kept, "event_id": f"0199f3b0-0000-7000-8000-{number:012x}", "consent_id": record,
        "type": type_, "at": end["written"], "written": end["written"], **body,
    }  # fmt: skip


def bind(place: Place, record: str, name: str, value: str) -> str:
    """Seal another value of a record; returns the commitment that would bind it."""
    found: dict[str, str] = {}

    def change(values: dict[str, str]) -> None:
        found.update(values)
        values[name] = value

    place.reseal(record, change)
    return commitment(bytes.fromhex(found["salt"]), name, value)


def test_an_agreement_is_not_given_to_another_number_by_a_later_event(
    place: Place, tmp_path: Path
) -> None:
    """A second event that is bound to a number says whose consent it is, in place of the first."""
    first = place.ids["first"]
    bound = bind(place, first, "number", VICTIM)

    def add(bodies: Bodies) -> None:
        asked = one(bodies, place.ids["revocation"], "revocation")
        own = {name: asked[name] for name in ("channel", "seller", "actor", "passed_on")}
        now = bodies[-1]["written"]
        scope = {"scope": "brand", "brand": "Nobody", "consents": 0, "under_way": 0}
        times = {"honoured": now, "received": now}
        bodies.append(last(bodies, first, "revocation", **own, **scope, **times, number_c=bound))

    found = forged(place, tmp_path, add)
    assert {"bound_again", "kinds_mixed"} <= found.codes
    assert found.status == 1


SETTLED = {"reason": "dial", "status": 200, "attempts": 1}
FOREIGN: dict[tuple[str, str, str], dict[str, Any]] = {
    ("first", "settled", "outcome_unfounded"): {**SETTLED, "outcome": "refused"},
    ("declined", "settled", "outcome_unfounded"): {**SETTLED, "outcome": "unknown"},
    ("first", "resolved", "resolved_unfounded"): {"as": "not-texted", "actor": "me"},
    ("second", "looked_up", "kinds_mixed"): {"channel": "instaply", "reason": "unknown"},
    ("revocation", "settled", "kinds_mixed"): {**SETTLED, "outcome": "accepted"},
}


@pytest.mark.parametrize("added", FOREIGN)
def test_an_act_is_of_a_record_of_its_kind_and_of_something_that_happened(
    place: Place, tmp_path: Path, added: tuple[str, str, str]
) -> None:
    record, type_, code = added

    def add(bodies: Bodies) -> None:
        bodies.append(last(bodies, place.ids[record], type_, **FOREIGN[added]))

    found = forged(place, tmp_path, add)
    assert code in found.codes
    assert found.status == 1


def test_an_outcome_is_not_dated_before_its_submission(place: Place, tmp_path: Path) -> None:
    def date(bodies: Bodies) -> None:
        body = one(bodies, place.ids["first"], "accepted")
        body.update(at="2019-01-01T00:00:00.000Z", late=True)

    found = forged(place, tmp_path, date)
    assert "outcome_before" in found.codes
    assert "time" in found.failing


def test_outcomes_of_a_clock_that_was_set_in_between_hold(place: Place, tmp_path: Path) -> None:
    def step(bodies: Bodies) -> None:
        accepted = one(bodies, place.ids["first"], "accepted")
        clock = {"step_ms": -86_400_000, "seen": "running", "synchronised": True}
        event = last(bodies, "0199f3b0-0000-7000-8000-000000000001", "clock", **clock)
        earlier = datetime.fromisoformat(accepted["at"]) - timedelta(days=1)
        at = f"{earlier:%Y-%m-%dT%H:%M:%S}.000Z"
        event.update(at=at, written=at)
        accepted.update(at=at, written=at)
        bodies.insert(bodies.index(accepted), event)

    assert "outcome_before" not in forged(place, tmp_path, step).codes


def test_the_number_is_the_one_that_was_keyed(place: Place, tmp_path: Path) -> None:
    bound = bind(place, place.ids["first"], "digits", "2125550199")

    def change(bodies: Bodies) -> None:
        one(bodies, place.ids["first"], "confirmed")["digits_c"] = bound

    found = forged(place, tmp_path, change)
    assert "number_not_keyed" in found.codes
    assert found.status == 1


@pytest.mark.parametrize(
    ("number", "digits"),
    [
        (shop.OTHER, f"1{shop.OTHER[2:]}"),
        (shop.OTHER, f"011{shop.OTHER[1:]}"),
        ("+33612345678", "0612345678"),
        ("+33612345678", "0033612345678"),
        ("+390612345678", "0612345678"),
        ("+542966412345", "02966 15 412345"),
    ],
)
def test_the_ways_to_key_a_number_hold(place: Place, number: str, digits: str) -> None:
    record = ConsentRecord(shop.CALL, UNLIMITED, Dialogue(shop.iter_ms().__next__))
    record.disclosed(shop.heard())
    record.dialogue.digits_keyed(len(digits), "pause")
    record.entered(replace(shop.ENTERED, e164=number, digits=digits))
    record.dialogue.played(shop.prompt("you-entered"), shop.prompt("you-entered").samples)
    record.dialogue.digits_spoken(len(digits), whole=True)
    record.dialogue.played(shop.prompt("confirm-number"), 12_000, cut=True)
    record.dialogue.key_pressed("1")
    record.confirmed("number_then_1")
    place.use(lambda ledger: ledger.append(record.take()))
    assert place.verify().failing == set()


def test_a_revocation_says_how_many_texts_were_under_way(place: Place, tmp_path: Path) -> None:
    async def sending(ledger: Any) -> None:
        await ledger.append(shop.agreed(VICTIM).take())
        place.ids["late"] = await shop.revoked(ledger, VICTIM)
        await ledger.checkpoint()

    place.use(sending)
    assert place.verify().failing == set()

    def deny(bodies: Bodies) -> None:
        asked = one(bodies, place.ids["late"], "revocation")
        assert asked["under_way"] == 1
        asked["under_way"] = 0

    found = forged(place, tmp_path, deny)
    assert "under_way_wrong" in found.codes
    assert found.status == 1
