"""Chains together, chains in part, and what checkpoints say of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, zip_longest
from typing import TYPE_CHECKING

from agi_bridge.consent import START, Row, State, leaf, text_sha256
from agi_bridge.evidence.verify import MAX_FAULTS, Fault, Leaf, Start, verify
from tests.support.chains import TEXT, Bridge, codes, integrity, whole

if TYPE_CHECKING:
    from collections.abc import Iterable


DISCLOSURES = {text_sha256(TEXT): TEXT}


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
        assert codes(verdict) == ["conflicting_histories"]


def test_a_story_that_is_too_long_to_be_one_is_refused_and_not_pondered() -> None:
    one, other = Bridge(), Bridge()
    told = one.agreement(*[State.SUBMITTING, State.NOT_SENT] * 200)
    other.tell(told, *[State.SUBMITTING, State.NOT_SENT] * 200)
    verdict = verify([*one.rows, *other.rows]).integrity
    assert codes(verdict) == ["conflicting_histories"]


# Chains that are not there from their first event, or in part


def after(bridge: Bridge, seq: int) -> tuple[list[Row], Start]:
    return bridge.rows[seq:], Start(bridge.ledger_id, seq, bridge.rows[seq - 1].hash)


def test_a_chain_may_begin_at_a_checkpoint() -> None:
    bridge = whole()
    rows, start = after(bridge, 6)
    report = verify(rows, [bridge.checkpoint(6)], starts=[start])
    assert report.ok
    assert report.anchored.text == f"up to event 6 of {len(bridge.rows)}"
    assert report.parts[0].first == 7


def test_a_chain_may_be_said_to_begin_at_its_beginning() -> None:
    bridge = whole()
    start = Start(bridge.ledger_id, 0, START.hex())
    assert verify(bridge.rows, [bridge.checkpoint()], starts=[start]).ok
    bridge.tell("unheard of", State.ACCEPTED)
    assert integrity(bridge, starts=[start]) == ["illegal_transition"]


def test_where_a_chain_begins_a_checkpoint_has_to_vouch_for_it() -> None:
    bridge = whole()
    rows, start = after(bridge, 6)
    report = verify(rows, [bridge.checkpoint(7)], starts=[start])
    assert codes(report.completeness) == ["start_not_anchored"]
    report = verify(rows, [bridge.checkpoint(6)], starts=[replace(start, hash="00" * 32)])
    assert codes(report.integrity)[0] == "chain_rebuilt"
    assert not report.completeness.ok


def test_a_chain_that_simply_begins_later_is_missing_its_beginning() -> None:
    bridge = whole()
    report = verify(bridge.rows[6:], [bridge.checkpoint()])
    assert codes(report.completeness) == ["events_missing"]


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
    assert codes(verify(rows, [bridge.checkpoint(3)], starts=[start]).integrity) == [
        "no_disclosure"
    ]


def test_events_of_others_may_be_shown_by_their_hashes_alone() -> None:
    bridge = Bridge()
    bridge.agreement()
    told = bridge.agreement(State.SUBMITTING, State.ACCEPTED)
    entries = [
        row
        if row.consent_id == told
        else Leaf(row.ledger_id, row.seq, leaf(row.tags, row.body).hex())
        for row in bridge.rows
    ]
    checkpoint = bridge.checkpoint()
    assert verify(entries, [checkpoint]).ok
    entries[2] = Leaf(bridge.ledger_id, 3, "00" * 32)
    report = verify(entries, [checkpoint])
    assert report.integrity.faults[0].seq == 5  # the first event that is shown
    entries[2] = Leaf(bridge.ledger_id, 3, "no hash")
    assert verify(entries, [checkpoint]).integrity.faults[0].seq == 3


def test_a_hash_alone_after_a_gap_follows_from_nothing() -> None:
    bridge = whole()
    entries = [Leaf(row.ledger_id, row.seq, leaf(row.tags, row.body).hex()) for row in bridge.rows]
    report = verify([*entries[:3], *entries[4:]], [bridge.checkpoint(2), bridge.checkpoint()])
    assert report.integrity.ok
    assert codes(report.completeness) == ["events_missing"]
    assert report.parts[0].hash == ""
    assert report.parts[0].anchored == 2


# Checkpoints


def test_without_a_checkpoint_nothing_is_anchored() -> None:
    bridge = whole()
    report = verify(bridge.rows)
    assert (report.integrity.ok, report.completeness.ok) == (True, True)
    assert codes(report.anchored) == ["no_checkpoint"]


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
    report = verify(forged.rows, [forged.checkpoint()], elsewhere=[bridge.checkpoint()])
    assert codes(report.anchored) == ["not_kept_elsewhere"]


def test_a_checkpoint_kept_elsewhere_that_says_otherwise_is_a_fault_of_integrity() -> None:
    bridge = whole()
    was = bridge.checkpoint(5)
    rebuilt = Bridge(bridge.keys)
    rebuilt.tell(rebuilt.disclosed(), State.ENTERED, State.ENTERED, State.DECLINED)
    report = verify(rebuilt.rows, [rebuilt.checkpoint()], elsewhere=[was])
    assert codes(report.integrity) == ["chain_rebuilt"]


# Faults


def test_faults_are_counted_and_the_first_are_kept() -> None:
    bridge = Bridge()
    for _ in range(MAX_FAULTS + 50):
        bridge.add("invented")
    verdict = verify(bridge.rows, [bridge.checkpoint()]).integrity
    assert (len(verdict.faults), verdict.count) == (MAX_FAULTS, MAX_FAULTS + 50)
    assert verdict.text == f"{MAX_FAULTS + 50} faults"


def test_a_fault_says_where_it_is() -> None:
    assert str(Fault("code", "changed", "ab" * 16, 1237)) == "chain abababab, event 1,237: changed"
    assert str(Fault("code", "gone", "ab" * 16)) == "chain abababab: gone"
    assert str(Fault("code", "gone")) == "gone"


def test_one_fault_is_one() -> None:
    assert verify(Bridge().rows).anchored.text == "1 fault"
