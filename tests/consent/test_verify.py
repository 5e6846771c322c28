from __future__ import annotations

from dataclasses import replace
from itertools import permutations, zip_longest
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent.chain import START, Row, leaf, link
from agi_bridge.consent.proof import commitment, new_salt, text_sha256
from agi_bridge.consent.states import Act, State
from agi_bridge.consent.verify import Leaf, Start, Verifier, verify
from agi_bridge.consent.verify_verdict import SHOWN, ChainSeen, Fault
from tests.consent.chains import CALLER, TEXT, Bridge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agi_bridge.consent.verify_verdict import Verdict

DISCLOSURES = {text_sha256(TEXT): TEXT}


def whole() -> Bridge:
    """A chain in which everything that is lawful happens."""
    bridge = Bridge()
    told = bridge.agreement(State.SUBMITTING, State.ACCEPTED)
    bridge.agreement(State.SUBMITTING, State.NOT_SENT, State.SUBMITTING, State.UNKNOWN)
    bridge.agreement(State.EXPIRED)
    bridge.tell(bridge.disclosed(), State.ENTERED, State.ENTERED, State.DECLINED)
    bridge.tell(bridge.disclosed(endpos=7999, complete=False), State.ABANDONED)
    bridge.add(Act.REVOCATION, received="now")
    bridge.tell(told, State.REVOKED)
    returning = bridge.add(State.RETURNED).consent_id
    bridge.tell(returning, State.SUBMITTING, State.ACCEPTED)
    bridge.add(Act.ERASED, told)
    return bridge


def whats(verdict: Verdict) -> list[str]:
    return [fault.what for fault in verdict.faults]


def integrity(bridge: Bridge, **given: Any) -> list[str]:
    return whats(verify(bridge.rows, [bridge.checkpoint()], **given).integrity)


def test_an_untouched_chain_holds_in_every_respect() -> None:
    bridge = whole()
    verdicts = verify(
        bridge.rows,
        [bridge.checkpoint(5), bridge.checkpoint(20)],
        personal=bridge.personal,
        disclosures=DISCLOSURES,
        trusted={bridge.ledger_id},
    )
    assert verdicts.ok
    count = len(bridge.rows)
    assert verdicts.integrity.text == f"{count} events as written"
    assert verdicts.anchored.text == f"up to event 20 of {count}"
    assert verdicts.completeness.text == f"events 1 to {count}, none missing"
    seen = ChainSeen(bridge.ledger_id, 1, count, bridge.rows[-1].hash, 20)
    assert verdicts.chains == (seen,)


def test_events_may_be_read_piece_by_piece() -> None:
    bridge = whole()
    verifier = Verifier([bridge.checkpoint()])
    for row in bridge.rows:
        verifier.read([row], bridge.personal)
    assert verifier.verdicts() == verify(bridge.rows, [bridge.checkpoint()])


def test_a_ledger_of_no_chain_proves_nothing() -> None:
    verdicts = verify([])
    assert not verdicts.ok
    assert whats(verdicts.anchored) == ["there is no chain"]
    assert verdicts.integrity.text == "0 events as written"


def test_several_chains_are_judged_each_by_itself() -> None:
    one, two = whole(), whole()
    rows = [row for pair in zip(one.rows, two.rows, strict=True) for row in pair]
    verdicts = verify(rows, [one.checkpoint(), two.checkpoint(10)])
    count = len(one.rows)
    assert verdicts.ok
    assert verdicts.anchored.text == f"up to event {count} of {count}; up to event 10 of {count}"


# What lies in an event


@pytest.mark.parametrize(
    ("was", "is_"),
    [
        (":", ": "),
        ("}", "} "),
        ("}", "}{}"),
        ('"schema":1', '"schema":1.0'),
        ('"schema":1', '"schema":1,"schema":1'),
        ('"schema":1', '"schema":NaN'),
        ('"schema":1', '"schema":01'),
        ('"schema"', '"\\u0073chema"'),
        ("{", "[{"),
        ("{", '{"a":' * 100_000),
    ],
)
def test_a_body_that_is_written_another_way_is_refused(was: str, is_: str) -> None:
    bridge = Bridge()
    row = bridge.add(Act.REVEALED)
    body = row.body.replace(was, is_, 1)
    hash_ = link(bytes.fromhex(bridge.rows[0].hash), leaf(body)).hex()
    bridge.rows[-1] = replace(row, body=body, hash=hash_)
    assert integrity(bridge) == ["its body is not canonical JSON"]


def test_a_body_that_is_no_object_is_refused() -> None:
    bridge = Bridge()
    bridge.rows[0] = replace(bridge.rows[0], body="[1]")
    assert "its body is not canonical JSON" in integrity(bridge)


@pytest.mark.parametrize("name", ["consent_id", "type", "at"])
def test_a_column_that_is_not_what_the_body_says_is_named(name: str) -> None:
    bridge = whole()
    changed: dict[str, Any] = {name: "another"}
    bridge.rows[4] = replace(bridge.rows[4], **changed)
    assert f"its body and its columns differ: {name}" in integrity(bridge)


def test_an_unknown_type_is_a_fault() -> None:
    bridge = Bridge()
    bridge.add("invented")
    assert integrity(bridge) == ["its type is not known"]


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
    assert integrity(bridge) == ["the chain does not begin with its opening"]


def test_a_chain_is_opened_once() -> None:
    bridge = Bridge()
    bridge.add(Act.OPENED)
    assert integrity(bridge) == ["it opens the chain a second time"]


@pytest.mark.parametrize("public_key", [None, 7, "no key", "AAAA"])
def test_a_chain_is_opened_with_its_own_public_key(public_key: object) -> None:
    bridge = Bridge()
    bridge.rows.clear()
    bridge.add(Act.OPENED, public_key=public_key)
    assert integrity(bridge) == ["its public key is not this chain's"]


# Stories


def test_a_step_that_the_table_does_not_allow_is_a_fault_of_its_event() -> None:
    bridge = Bridge()
    told = bridge.agreement(State.SUBMITTING, State.UNKNOWN)
    bridge.tell(told, State.SUBMITTING)
    verdict = verify(bridge.rows, [bridge.checkpoint()]).integrity
    assert verdict.faults == (Fault(bridge.ledger_id, 7, "submitting may not follow unknown"),)
    bridge.tell("unheard of", State.ACCEPTED)
    assert integrity(bridge)[1:] == ["accepted may not follow nothing"]


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
    assert "confirmed, but no disclosure was played to its end before" in found
    claims = "says that its disclosure was complete, which its figures do not"
    assert (claims in found) == (heard.get("complete") is not False)


def test_no_consent_that_is_bound_to_no_number() -> None:
    bridge = Bridge()
    told = bridge.disclosed()
    bridge.tell(told, State.ENTERED, State.CONFIRMED)
    assert integrity(bridge) == ["confirmed, but bound to no number"]


# Disclosures


def test_a_changed_disclosure_is_a_fault_of_integrity() -> None:
    bridge = whole()
    changed = {sha256: text + "!" for sha256, text in DISCLOSURES.items()}
    assert integrity(bridge, disclosures=changed) == [
        f"the text of the disclosure {text_sha256(TEXT)[:16]} was changed"
    ]


def test_a_missing_disclosure_is_a_fault_of_completeness() -> None:
    bridge = Bridge()
    bridge.disclosed()
    verdicts = verify(bridge.rows, [bridge.checkpoint()], disclosures={})
    assert verdicts.integrity.ok
    assert whats(verdicts.completeness) == ["the text of its disclosure is missing"]
    assert verify(bridge.rows, [bridge.checkpoint()]).ok


# Commitments


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [("number", "+14155550124", "number_c"), ("caller_id", "+15145550101", "ani_c")],
)
def test_another_number_than_the_callers_does_not_open_the_commitment(
    key: str, value: str, name: str
) -> None:
    bridge = Bridge()
    personal = bridge.personal[bridge.agreement()]
    assert integrity(bridge, personal=bridge.personal) == []
    personal[key] = value
    assert integrity(bridge, personal=bridge.personal) == [
        f"its {name} is not of the {key} that the vault holds"
    ]


@pytest.mark.parametrize(
    ("name", "field", "key"),
    [
        ("number_c", "number", "number"),
        ("ani_c", "ani", "caller_id"),
        ("forward_c", "forward", "forward"),
        ("customer_c", "customer", "customer_id"),
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
    verdicts = verify(bridge.rows, [], personal=bridge.personal)
    assert "5145550100" not in repr(verdicts)


# Consents that several chains tell of


def shared(one: Bridge, other: Bridge) -> str:
    """The first takes the agreement, the other sends it, the first revokes it."""
    told = one.agreement(State.SUBMITTING, State.NOT_SENT)
    other.tell(told, State.SUBMITTING, State.ACCEPTED)
    one.tell(told, State.REVOKED)
    return told


def test_a_consent_may_go_on_in_another_chain_whichever_is_read_first() -> None:
    one, other = Bridge(), Bridge()
    shared(one, other)
    shared(other, one)
    checkpoints = [one.checkpoint(), other.checkpoint()]
    orders: list[Iterable[Row]] = [
        [*one.rows, *other.rows],
        [*other.rows, *one.rows],
        [row for pair in zip_longest(one.rows, other.rows) for row in pair if row],
    ]
    assert all(verify(rows, checkpoints).ok for rows in orders)


def test_three_chains_may_tell_of_one_consent() -> None:
    bridges = [Bridge(), Bridge(), Bridge()]
    told = bridges[0].agreement(State.SUBMITTING, State.NOT_SENT)
    bridges[1].tell(told, State.SUBMITTING, State.UNKNOWN)
    bridges[2].tell(told, State.REVOKED)
    checkpoints = [bridge.checkpoint() for bridge in bridges]
    for order in permutations(bridges):
        assert verify([row for bridge in order for row in bridge.rows], checkpoints).ok


def test_what_several_chains_tell_of_a_consent_must_fit_together() -> None:
    one, other = Bridge(), Bridge()
    told = one.agreement(State.SUBMITTING, State.UNKNOWN)
    other.tell(told, State.SUBMITTING, State.ACCEPTED)
    for rows in ([*one.rows, *other.rows], [*other.rows, *one.rows]):
        verdict = verify(rows, [one.checkpoint(), other.checkpoint()]).integrity
        assert whats(verdict) == [f"what 2 chains tell of the consent {told} does not fit"]


def test_a_story_that_is_too_long_to_be_one_is_refused_and_not_pondered() -> None:
    one, other = Bridge(), Bridge()
    told = one.agreement(*[State.SUBMITTING, State.NOT_SENT] * 200)
    other.tell(told, *[State.SUBMITTING, State.NOT_SENT] * 200)
    verdict = verify([*one.rows, *other.rows]).integrity
    assert whats(verdict) == [f"what 2 chains tell of the consent {told} does not fit"]


# Chains that are not there from their first event, or in part


def after(bridge: Bridge, seq: int) -> tuple[list[Row], Start]:
    return bridge.rows[seq:], Start(bridge.ledger_id, seq, bridge.rows[seq - 1].hash)


def test_a_chain_may_begin_at_a_checkpoint() -> None:
    bridge = whole()
    rows, start = after(bridge, 6)
    verdicts = verify(rows, [bridge.checkpoint(6)], starts=[start])
    assert verdicts.ok
    assert verdicts.anchored.text == f"up to event 6 of {len(bridge.rows)}"
    assert verdicts.chains[0].first == 7


def test_a_chain_may_be_said_to_begin_at_its_beginning() -> None:
    bridge = whole()
    start = Start(bridge.ledger_id, 0, START.hex())
    assert verify(bridge.rows, [bridge.checkpoint()], starts=[start]).ok
    bridge.tell("unheard of", State.ACCEPTED)
    assert integrity(bridge, starts=[start]) == ["accepted may not follow nothing"]


def test_where_a_chain_begins_a_checkpoint_has_to_vouch_for_it() -> None:
    bridge = whole()
    rows, start = after(bridge, 6)
    verdicts = verify(rows, [bridge.checkpoint(7)], starts=[start])
    assert whats(verdicts.completeness) == [
        "the events before are missing, and no checkpoint vouches for the rest"
    ]
    verdicts = verify(rows, [bridge.checkpoint(6)], starts=[replace(start, hash="00" * 32)])
    assert whats(verdicts.integrity)[0].startswith("a checkpoint says otherwise")
    assert not verdicts.completeness.ok


def test_a_chain_that_simply_begins_later_is_missing_its_beginning() -> None:
    bridge = whole()
    verdicts = verify(bridge.rows[6:], [bridge.checkpoint()])
    assert whats(verdicts.completeness) == ["events 1 to 6 are missing before it"]


def test_where_events_were_left_out_a_story_may_begin_in_its_middle_but_no_consent() -> None:
    bridge = Bridge()
    told = bridge.agreement()
    bridge.tell(told, State.SUBMITTING, State.ACCEPTED)
    other = Bridge()
    other.tell(told, State.REVOKED)
    checkpoints = [bridge.checkpoint(4), bridge.checkpoint(3), other.checkpoint()]
    rows, start = after(bridge, 4)
    assert verify([*other.rows, *rows], checkpoints, starts=[start]).ok
    rows, start = after(bridge, 3)
    assert whats(verify(rows, [bridge.checkpoint(3)], starts=[start]).integrity) == [
        "confirmed, but no disclosure was played to its end before"
    ]


def test_events_of_others_may_be_shown_by_their_hashes_alone() -> None:
    bridge = Bridge()
    bridge.agreement()
    told = bridge.agreement(State.SUBMITTING, State.ACCEPTED)
    entries = [
        row if row.consent_id == told else Leaf(row.ledger_id, row.seq, leaf(row.body).hex())
        for row in bridge.rows
    ]
    checkpoint = bridge.checkpoint()
    assert verify(entries, [checkpoint]).ok
    entries[2] = Leaf(bridge.ledger_id, 3, "00" * 32)
    verdicts = verify(entries, [checkpoint])
    assert verdicts.integrity.faults[0].seq == 5  # the first event that is shown
    entries[2] = Leaf(bridge.ledger_id, 3, "no hash")
    assert verify(entries, [checkpoint]).integrity.faults[0].seq == 3


def test_a_hash_alone_after_a_gap_follows_from_nothing() -> None:
    bridge = whole()
    entries = [Leaf(row.ledger_id, row.seq, leaf(row.body).hex()) for row in bridge.rows]
    verdicts = verify([*entries[:3], *entries[4:]], [bridge.checkpoint(2), bridge.checkpoint()])
    assert verdicts.integrity.ok
    assert whats(verdicts.completeness) == ["event 4 is missing before it"]
    assert verdicts.chains[0].hash == ""
    assert verdicts.chains[0].anchored == 2


# Checkpoints


def test_without_a_checkpoint_nothing_is_anchored() -> None:
    bridge = whole()
    verdicts = verify(bridge.rows)
    assert (verdicts.integrity.ok, verdicts.completeness.ok) == (True, True)
    assert whats(verdicts.anchored) == ["no checkpoint vouches for any event"]


def test_checkpoints_of_the_same_come_once() -> None:
    bridge = whole()
    forged = replace(bridge.checkpoint(), hash="00" * 32)
    assert verify(bridge.rows, [bridge.checkpoint(), forged, forged]).anchored.count == 1


def test_a_checkpoint_kept_elsewhere_may_be_of_more_than_an_export_holds() -> None:
    bridge, other = whole(), whole()
    exported, own = bridge.rows[:10], [bridge.checkpoint(10)]
    elsewhere = [bridge.checkpoint(5), bridge.checkpoint(20), other.checkpoint()]
    assert verify(exported, own, elsewhere=elsewhere).ok
    assert not verify(exported, own + elsewhere).completeness.ok


def test_a_chain_that_no_checkpoint_kept_elsewhere_is_of_is_not_taken_for_the_businesss() -> None:
    bridge, forged = whole(), whole()
    verdicts = verify(forged.rows, [forged.checkpoint()], elsewhere=[bridge.checkpoint()])
    assert whats(verdicts.anchored) == ["none of the checkpoints kept elsewhere is of this chain"]


def test_a_checkpoint_kept_elsewhere_that_says_otherwise_is_a_fault_of_integrity() -> None:
    bridge = whole()
    was = bridge.checkpoint(5)
    rebuilt = Bridge(bridge.keys)
    rebuilt.tell(rebuilt.disclosed(), State.ENTERED, State.ENTERED, State.DECLINED)
    verdicts = verify(rebuilt.rows, [rebuilt.checkpoint()], elsewhere=[was])
    assert whats(verdicts.integrity) == [
        "a checkpoint says otherwise: the chain up to here was rebuilt"
    ]


# Faults


def test_faults_are_counted_and_the_first_are_kept() -> None:
    bridge = Bridge()
    for _ in range(SHOWN + 50):
        bridge.add("invented")
    verdict = verify(bridge.rows, [bridge.checkpoint()]).integrity
    assert (len(verdict.faults), verdict.count) == (SHOWN, SHOWN + 50)
    assert verdict.text == f"{SHOWN + 50} faults"


def test_a_fault_says_where_it_is() -> None:
    assert str(Fault("ab" * 16, 1237, "changed")) == "chain abababab, event 1,237: changed"
    assert str(Fault("ab" * 16, None, "gone")) == "chain abababab: gone"
    assert str(Fault("", None, "gone")) == "gone"


def test_one_fault_is_one() -> None:
    assert verify(Bridge().rows).anchored.text == "1 fault"
