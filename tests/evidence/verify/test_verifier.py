from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agi_bridge.consent import Act, State, commitment, leaf, link, text_sha256
from agi_bridge.consent.encoding import new_salt
from agi_bridge.evidence.verify import VerifiedChain, Verifier, verify
from tests.support.chains import CALLER, TEXT, Bridge, codes, integrity, whole

DISCLOSURES = {text_sha256(TEXT): TEXT}


def test_an_untouched_chain_holds_in_every_respect() -> None:
    bridge = whole()
    report = verify(
        bridge.rows,
        [bridge.checkpoint(5), bridge.checkpoint(20)],
        personal=bridge.personal,
        disclosures=DISCLOSURES,
        trusted={bridge.ledger_id},
    )
    assert report.ok
    count = len(bridge.rows)
    assert report.integrity.text == f"{count} events as written"
    assert report.anchored.text == f"up to event 20 of {count}"
    assert report.completeness.text == f"events 1 to {count}, none missing"
    seen = VerifiedChain(bridge.ledger_id, 1, count, bridge.rows[-1].hash, 20)
    assert report.parts == (seen,)


def test_events_may_be_read_piece_by_piece() -> None:
    bridge = whole()
    verifier = Verifier([bridge.checkpoint()])
    for row in bridge.rows:
        verifier.read([row], bridge.personal)
    assert verifier.report() == verify(bridge.rows, [bridge.checkpoint()])


def test_a_ledger_of_no_chain_proves_nothing() -> None:
    report = verify([])
    assert not report.ok
    assert codes(report.anchored) == ["no_chain"]
    assert report.integrity.text == "0 events as written"


def test_several_chains_are_judged_each_by_itself() -> None:
    one, two = whole(), whole()
    rows = [row for pair in zip(one.rows, two.rows, strict=True) for row in pair]
    report = verify(rows, [one.checkpoint(), two.checkpoint(10)])
    count = len(one.rows)
    assert report.ok
    assert report.anchored.text == f"up to event {count} of {count}; up to event 10 of {count}"


# What lies in an event


@pytest.mark.parametrize(
    ("was", "is_"),
    [
        (":", ": "),
        ("}", "} "),
        ("}", "}{}"),
        ('"schema":3', '"schema":3.0'),
        ('"schema":3', '"schema":3,"schema":3'),
        ('"schema":3', '"schema":NaN'),
        ('"schema":3', '"schema":01'),
        ('"schema"', '"\\u0073chema"'),
        ("{", "[{"),
        ("{", '{"a":' * 100_000),
    ],
)
def test_a_body_that_is_written_another_way_is_refused(was: str, is_: str) -> None:
    bridge = Bridge()
    row = bridge.add(Act.REVEALED)
    body = row.body.replace(was, is_, 1)
    hash_ = link(bytes.fromhex(bridge.rows[0].hash), leaf(row.tags, body)).hex()
    bridge.rows[-1] = replace(row, body=body, hash=hash_)
    assert integrity(bridge) == ["body_not_canonical"]


def test_a_body_that_is_no_object_is_refused() -> None:
    bridge = Bridge()
    bridge.rows[0] = replace(bridge.rows[0], body="[1]")
    assert "body_not_canonical" in integrity(bridge)


@pytest.mark.parametrize("name", ["consent_id", "type", "at"])
def test_a_column_that_is_not_what_the_body_says_is_named(name: str) -> None:
    bridge = whole()
    changed: dict[str, Any] = {name: "another"}
    bridge.rows[4] = replace(bridge.rows[4], **changed)
    assert "columns_differ" in integrity(bridge)


def test_an_unknown_type_is_a_fault() -> None:
    bridge = Bridge()
    bridge.add("invented")
    assert integrity(bridge) == ["unknown_type"]


@pytest.mark.parametrize(
    "change",
    [
        {"body": None},
        {"body": 7},
        {"body": "\ud800"},
        {"seq": None},
        {"seq": "four"},
        {"hash": None},
    ],
)
def test_what_a_database_may_hold_but_no_event_does_is_a_fault_of_that_event(
    change: dict[str, Any],
) -> None:
    bridge = whole()
    bridge.rows[3] = replace(bridge.rows[3], **change)
    verdict = verify(bridge.rows, [bridge.checkpoint()]).integrity
    assert (verdict.faults[0].seq, verdict.ok) == (4, False)


# Openings


def test_a_chain_begins_with_its_opening() -> None:
    bridge = Bridge()
    bridge.rows.clear()
    bridge.add(Act.REVEALED)
    assert integrity(bridge) == ["opening_missing"]


def test_a_chain_is_opened_once() -> None:
    bridge = Bridge()
    bridge.add(Act.OPENED)
    assert integrity(bridge) == ["opened_twice"]


@pytest.mark.parametrize("public_key", [None, 7, "no key", "AAAA"])
def test_a_chain_is_opened_with_its_own_public_key(public_key: object) -> None:
    bridge = Bridge()
    bridge.rows.clear()
    bridge.add(Act.OPENED, public_key=public_key)
    assert integrity(bridge) == ["foreign_public_key"]


# StateHistories


def test_a_step_that_the_table_does_not_allow_is_a_fault_of_its_event() -> None:
    bridge = Bridge()
    told = bridge.agreement(State.SUBMITTING, State.UNKNOWN)
    bridge.tell(told, State.SUBMITTING)
    verdict = verify(bridge.rows, [bridge.checkpoint()]).integrity
    [fault] = verdict.faults
    assert (fault.code, fault.ledger_id, fault.seq) == ("illegal_transition", bridge.ledger_id, 7)
    bridge.tell("unheard of", State.ACCEPTED)
    assert integrity(bridge)[1:] == ["illegal_transition"]


def test_acts_change_no_consents_story() -> None:
    bridge = Bridge()
    told = bridge.agreement(State.SUBMITTING, State.REVOKED)
    for act in Act:
        if act is not Act.OPENED:
            bridge.add(act, told)
    assert integrity(bridge) == []


@pytest.mark.parametrize(
    "heard",
    [
        {"complete": False},
        {"complete": False, "endpos": 7999},
        {"endpos": 7999},
        {"samples": 0, "endpos": 0},
        {"samples": None},
        {"endpos": "8000"},
        {"complete": 1},
        {"complete": None},
    ],
)
def test_no_consent_without_a_disclosure_played_to_its_end(heard: dict[str, Any]) -> None:
    bridge = Bridge()
    told = bridge.disclosed(**heard)
    bridge.tell(told, State.ENTERED)
    bridge.add(State.CONFIRMED, told, number_c="0" * 64)
    found = integrity(bridge)
    assert "no_disclosure" in found
    claims = "disclosure_incomplete"
    assert (claims in found) == (heard.get("complete") is not False)


def test_no_consent_that_is_bound_to_no_number() -> None:
    bridge = Bridge()
    told = bridge.disclosed()
    bridge.tell(told, State.ENTERED, State.CONFIRMED)
    assert integrity(bridge) == ["no_number"]


# Disclosures


def test_a_changed_disclosure_is_a_fault_of_integrity() -> None:
    bridge = whole()
    changed = {sha256: text + "!" for sha256, text in DISCLOSURES.items()}
    assert integrity(bridge, disclosures=changed) == ["text_changed"]


def test_a_missing_disclosure_is_a_fault_of_completeness() -> None:
    bridge = Bridge()
    bridge.disclosed()
    report = verify(bridge.rows, [bridge.checkpoint()], disclosures={})
    assert report.integrity.ok
    assert codes(report.completeness) == ["text_missing"]
    assert verify(bridge.rows, [bridge.checkpoint()]).ok


# Commitments


@pytest.mark.parametrize(
    ("key", "value"),
    [("number", "+14155550124"), ("caller_id", "+15145550101")],
)
def test_another_number_than_the_callers_does_not_open_the_commitment(key: str, value: str) -> None:
    bridge = Bridge()
    personal = bridge.personal[bridge.agreement()]
    assert integrity(bridge, personal=bridge.personal) == []
    personal[key] = value
    assert integrity(bridge, personal=bridge.personal) == ["commitment_mismatch"]


@pytest.mark.parametrize(
    ("name", "field", "key"),
    [
        ("number_c", "number", "number"),
        ("caller_id_c", "caller_id", "caller_id"),
        ("forward_c", "forward", "forward"),
        ("customer_id_c", "customer_id", "customer_id"),
    ],
)
def test_every_commitment_is_opened_with_its_own_value(name: str, field: str, key: str) -> None:
    bridge, salt = Bridge(), new_salt()
    bound: dict[str, Any] = {name: commitment(salt, field, "7")}
    row = bridge.add(Act.MESSAGE, **bound)
    for value, faults in (("7", 0), ("8", 1)):
        personal = {row.consent_id: {"salt": salt.hex(), key: value}}
        assert len(integrity(bridge, personal=personal)) == faults


@pytest.mark.parametrize("salt", ["00" * 32, "no salt"])
def test_another_salt_opens_no_commitment(salt: str) -> None:
    bridge = Bridge()
    bridge.personal[bridge.agreement()]["salt"] = salt
    assert len(integrity(bridge, personal=bridge.personal)) == 2


@pytest.mark.parametrize("erased", ["salt", "number", "caller_id"])
def test_what_was_erased_is_not_opened_and_is_no_fault(erased: str) -> None:
    bridge = Bridge()
    del bridge.personal[bridge.agreement()][erased]
    assert integrity(bridge, personal=bridge.personal) == []


def test_no_fault_quotes_a_number() -> None:
    bridge = Bridge()
    told = bridge.agreement()
    bridge.personal[told] = {**bridge.personal[told], "number": CALLER}
    report = verify(bridge.rows, [], personal=bridge.personal)
    assert "5145550100" not in repr(report)
