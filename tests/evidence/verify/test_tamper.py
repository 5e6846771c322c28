"""What somebody who rules the database might do to a chain, and which verdict catches it.

The attacker has every row and every checkpoint in the database, can change both, and can sign with
keys of their own; what they have not is the signing key, and checkpoints that have left.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.consent import START, Row, State, leaf, link
from agi_bridge.evidence.verify import verify
from tests.support.chains import Bridge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi_bridge.consent.signing import Checkpoint
    from agi_bridge.evidence.verify import Report

BRIDGE = Bridge()
for _ in range(2):
    BRIDGE.agreement(State.SUBMITTING, State.ACCEPTED)
BRIDGE.tell(BRIDGE.disclosed(), State.DECLINED)
ROWS = BRIDGE.rows
LAST = len(ROWS)
CHECKPOINTS = [BRIDGE.checkpoint(8), BRIDGE.checkpoint()]
PLACES = st.integers(1, LAST - 1)
"""Places in the chain, its opening aside."""


def broken(report: Report) -> set[str]:
    """The verdicts that do not hold."""
    names = ("integrity", "anchored", "completeness")
    return {name for name in names if not getattr(report, name).ok}


def check(rows: Sequence[Row], checkpoints: Sequence[Checkpoint] = CHECKPOINTS) -> set[str]:
    return broken(verify(rows, checkpoints))


def first_fault(rows: Sequence[Row]) -> int | None:
    return verify(rows, CHECKPOINTS).integrity.faults[0].seq


def changed(place: int, **columns: Any) -> list[Row]:
    return [*ROWS[:place], replace(ROWS[place], **columns), *ROWS[place + 1 :]]


def relinked(bodies: Sequence[str]) -> list[Row]:
    """A chain of these bodies as one who knows how it is made would write it: whole in itself."""
    rows, head = [], START
    for seq, (body, row) in enumerate(zip(bodies, ROWS, strict=False), 1):
        head = link(head, leaf(row.tags, body))
        rows.append(replace(row, seq=seq, body=body, hash=head.hex()))
    return rows


def test_nothing_is_wrong_before() -> None:
    assert check(ROWS) == set()


@pytest.mark.parametrize("place", range(LAST))
def test_every_flipped_byte_of_every_event_is_caught(place: int) -> None:
    body = ROWS[place].body.encode()
    for at in range(len(body)):
        bits = 0x80 if at % 2 else 1  # the first leaves what is no UTF-8
        flipped = bytes((*body[:at], body[at] ^ bits, *body[at + 1 :]))
        rows = changed(place, body=flipped.decode(errors="surrogateescape"))
        report = verify(rows, CHECKPOINTS[1:])
        assert broken(report) == {"integrity"}
        assert report.integrity.faults[0].seq == place + 1


@given(PLACES, st.integers(0, 400), st.integers(1, 255))
def test_any_change_of_a_byte_is_caught(place: int, at: int, bits: int) -> None:
    body = bytearray(ROWS[place].body.encode())
    body[at % len(body)] ^= bits
    assert "integrity" in check(changed(place, body=body.decode(errors="replace")))


@given(PLACES, PLACES)
def test_swapped_rows_are_caught(one: int, other: int) -> None:
    rows = list(ROWS)
    rows[one], rows[other] = rows[other], rows[one]
    assert ("integrity" in check(rows)) == (one != other)


@given(PLACES, PLACES)
def test_swapped_bodies_are_caught_even_in_rows_that_fit_them(one: int, other: int) -> None:
    rows = list(ROWS)
    for to, from_ in ((one, other), (other, one)):
        rows[to] = replace(ROWS[from_], seq=ROWS[to].seq)
    assert ("integrity" in check(rows)) == (one != other)


@given(st.integers(0, LAST - 2))
def test_a_dropped_row_is_missed(place: int) -> None:
    report = verify([*ROWS[:place], *ROWS[place + 1 :]], CHECKPOINTS)
    assert report.completeness.faults[0].code == "events_missing"


@given(st.integers(1, LAST - 2))
def test_a_dropped_row_whose_gap_was_closed_is_caught(place: int) -> None:
    bodies = [row.body for row in (*ROWS[:place], *ROWS[place + 1 :])]
    assert "integrity" in check(relinked(bodies))


@given(PLACES)
def test_a_row_that_comes_twice_is_caught(place: int) -> None:
    assert check([*ROWS[: place + 1], *ROWS[place:]]) == {"integrity"}


@given(PLACES)
def test_a_row_that_was_put_in_is_caught(place: int) -> None:
    forged = replace(ROWS[place], consent_id="invented")
    assert "integrity" in check([*ROWS[:place], forged, *ROWS[place:]])


@given(st.integers(1, LAST - 1))
def test_a_tail_that_was_cut_is_missed_as_far_as_a_checkpoint_tells(length: int) -> None:
    report = verify(ROWS[:length], CHECKPOINTS)
    assert broken(report) >= {"completeness"}
    assert report.completeness.faults[0].seq == length
    assert report.completeness.count == 1
    # Behind the last checkpoint nobody can know: so write them often.
    assert check(ROWS[:length], [BRIDGE.checkpoint(length)]) == set()


@pytest.mark.parametrize("place", [1, LAST // 2, LAST - 1])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("consent_id", "another"),
        ("type", "revoked"),
        ("at", "2026-11-23T05:07:08.010Z"),
        ("hash", "00" * 32),
        ("hash", "no hash"),
        ("hash", "zz" * 32),
        ("body", "{}"),
    ],
)
def test_a_changed_column_is_caught_in_its_event(place: int, column: str, value: str) -> None:
    rows = changed(place, **{column: value})
    assert check(rows) == {"integrity"}
    assert first_fault(rows) == place + 1


def test_an_event_of_another_chain_is_caught() -> None:
    other = Bridge()
    other.agreement()
    moved = replace(other.rows[3], ledger_id=BRIDGE.ledger_id, seq=4)
    rows = [*ROWS[:3], moved, *ROWS[4:]]
    assert check(rows) == {"integrity"}


# A whole chain, rebuilt by one who has the database but not the signing key


def revoked_is_gone(bridge: Bridge) -> Bridge:
    """Another story, told into a chain of these keys: lawful, linked, and as long."""
    told = Bridge(bridge.keys)
    while len(told.rows) < LAST:
        told.tell(told.disclosed(), State.ABANDONED)
    return told


REBUILT = revoked_is_gone(BRIDGE)
"""In the true chain's name: its id is public."""
OWN = revoked_is_gone(Bridge())
"""Under a key of the attacker's own."""


def test_a_rebuilt_chain_is_whole_in_itself() -> None:
    report = verify(REBUILT.rows)
    assert broken(report) == {"anchored"}


def test_a_rebuilt_chain_contradicts_the_checkpoints_that_were_kept() -> None:
    report = verify(REBUILT.rows, CHECKPOINTS)
    assert broken(report) == {"integrity", "anchored"}
    assert {fault.seq for fault in report.integrity.faults} == {8, LAST}


def test_a_rebuilt_chain_whose_checkpoints_were_removed_is_not_anchored() -> None:
    assert check(REBUILT.rows, []) == {"anchored"}


def test_a_rebuilt_chain_contradicts_a_single_checkpoint_that_had_left_the_machine() -> None:
    assert "integrity" in broken(verify(REBUILT.rows, [CHECKPOINTS[0]]))
    assert "integrity" in broken(verify(REBUILT.rows, elsewhere=[CHECKPOINTS[0]]))


def forged(signer: Bridge, **claims: Any) -> Checkpoint:
    """A checkpoint of the rebuilt chain, signed with the attacker's key."""
    return replace(signer.checkpoint(), seq=LAST, hash=REBUILT.rows[-1].hash, **claims)


@pytest.mark.parametrize(
    "checkpoint",
    [
        replace(CHECKPOINTS[1], hash=REBUILT.rows[-1].hash),
        forged(OWN, ledger_id=BRIDGE.ledger_id),
        forged(OWN, ledger_id=BRIDGE.ledger_id, public_key=CHECKPOINTS[0].public_key),
    ],
)
def test_checkpoints_that_were_replaced_are_not_genuine(checkpoint: Checkpoint) -> None:
    report = verify(REBUILT.rows, [checkpoint])
    assert broken(report) == {"anchored"}
    assert report.anchored.faults[0].code == "checkpoint_forged"


def test_a_chain_under_another_key_is_not_one_of_the_trusted() -> None:
    checkpoints = [OWN.checkpoint()]
    assert broken(verify(OWN.rows, checkpoints)) == set()  # to one who knows neither
    report = verify(OWN.rows, checkpoints, trusted={BRIDGE.ledger_id})
    assert broken(report) == {"anchored"}
    assert report.anchored.faults[0].code == "key_not_trusted"
    assert broken(verify(ROWS, CHECKPOINTS, trusted={BRIDGE.ledger_id})) == set()


def test_a_chain_under_another_key_leaves_the_true_ones_checkpoints_without_a_chain() -> None:
    report = verify(OWN.rows, [OWN.checkpoint(), *CHECKPOINTS])
    assert broken(report) == {"completeness"}
    assert report.completeness.faults[0].ledger_id == BRIDGE.ledger_id
    assert report.completeness.faults[0].code == "chain_missing"


def test_a_chain_under_another_key_that_claims_the_true_id_is_caught() -> None:
    rows = [replace(row, ledger_id=BRIDGE.ledger_id) for row in OWN.rows]
    assert "integrity" in check(rows)
