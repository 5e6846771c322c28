"""Chains together, chains in part, and what checkpoints say of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, zip_longest
from typing import TYPE_CHECKING

from agi_bridge.consent import START, Row, State, leaf, text_sha256
from agi_bridge.evidence.verify.verdict import SHOWN, Fault
from agi_bridge.evidence.verify.verifier import Leaf, Start, verify
from tests.support.chains import TEXT, Bridge, integrity, whats, whole

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
