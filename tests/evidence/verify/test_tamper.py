"""Rows changed in memory: whatever an attacker does to a chain, some verdict tells."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import Row, canonical
from agi_bridge.consent.signing import Checkpoint, generate_keys, sign
from agi_bridge.evidence.verify import Report, Start, Value, Verifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.support.forgery import Place


@pytest.fixture(scope="module")
def chain(honest: Place) -> tuple[list[Row], list[Checkpoint]]:
    rows = honest.sql(
        "SELECT ledger_id, seq, consent_id, type, at, tags, body, hash FROM event ORDER BY seq"
    )
    return [Row(*row) for row in rows], honest.elsewhere


def verify(rows: Iterable[Row], checkpoints: Sequence[Checkpoint] = (), **given: Any) -> Report:
    verifier = Verifier(checkpoints, whole=True, **given)
    try:
        verifier.read(rows)
        verifier.finish()
        return verifier.report("rows")
    finally:
        verifier.close()


def codes(report: Report) -> set[str]:
    return {fault.code for _, verdict in report.verdicts for fault in verdict.faults}


def test_an_untouched_chain_holds(chain: tuple[list[Row], list[Checkpoint]]) -> None:
    rows, checkpoints = chain
    report = verify(rows, checkpoints)
    # No values are given here, so their absence is all that is wrong.
    assert codes(report) == {"value_missing"}
    assert report.integrity.ok


def test_a_flipped_byte_of_any_event_is_caught(
    chain: tuple[list[Row], list[Checkpoint]],
) -> None:
    rows, checkpoints = chain
    for place, row in enumerate(rows):
        for at in range(0, len(row.body), 37):
            body = row.body[:at] + chr(ord(row.body[at]) ^ 1) + row.body[at + 1 :]
            changed = [*rows[:place], replace(row, body=body), *rows[place + 1 :]]
            assert verify(changed, checkpoints).integrity.value is Value.FAILS


def test_a_flipped_tag_is_caught(chain: tuple[list[Row], list[Checkpoint]]) -> None:
    rows, checkpoints = chain
    for place, row in enumerate(rows):
        tags = row.tags[:4] + ("0" if row.tags[4] != "0" else "1") + row.tags[5:]
        changed = [*rows[:place], replace(row, tags=tags), *rows[place + 1 :]]
        assert "hash_mismatch" in codes(verify(changed, checkpoints))


def test_dropped_doubled_and_swapped_rows_are_caught(
    chain: tuple[list[Row], list[Checkpoint]],
) -> None:
    rows, checkpoints = chain
    for place in range(len(rows) - 1):
        dropped = [*rows[:place], *rows[place + 1 :]]
        assert "events_missing" in codes(verify(dropped, checkpoints))
        doubled = [*rows[: place + 1], *rows[place:]]
        assert "event_repeated" in codes(verify(doubled, checkpoints))
        swapped = [*rows[:place], rows[place + 1], rows[place], *rows[place + 2 :]]
        assert codes(verify(swapped, checkpoints)) & {"events_missing", "event_repeated"}


def test_a_tail_that_was_cut_is_missed_as_far_as_a_checkpoint_tells(
    chain: tuple[list[Row], list[Checkpoint]],
) -> None:
    rows, checkpoints = chain
    assert "chain_cut_off" in codes(verify(rows[:-5], checkpoints))


@pytest.mark.parametrize("column", ["ledger_id", "consent_id", "type", "at"])
def test_a_column_that_is_not_what_the_body_says_is_named(
    chain: tuple[list[Row], list[Checkpoint]], column: str
) -> None:
    rows, checkpoints = chain
    values: dict[str, Any] = {column: "x"}
    changed = [*rows[:4], replace(rows[4], **values), *rows[5:]]
    assert codes(verify(changed, checkpoints)) & {"columns_differ", "opening_missing"}


def test_a_chain_of_no_event_proves_nothing() -> None:
    assert codes(verify([])) == {"no_chain"}


def test_a_chain_is_opened_once_and_with_its_own_key(
    chain: tuple[list[Row], list[Checkpoint]],
) -> None:
    rows, _ = chain
    body = json.loads(rows[0].body)
    again = {**body, "seq": 2}
    assert "opened_twice" in codes(
        verify([rows[0], replace(rows[0], seq=2, body=canonical(again))])
    )
    other = {**body, "public_key": "A" * 43 + "="}
    assert "foreign_public_key" in codes(verify([replace(rows[0], body=canonical(other))]))
    later = [replace(rows[1], seq=1, body=canonical({**json.loads(rows[1].body), "seq": 1}))]
    assert "opening_missing" in codes(verify(later))


@pytest.mark.parametrize(
    "text", ["", "[]", "5", '{"a": 1}', '{"a":1.5}', '{"b":1,"a":2}', '{"a":1,"a":1}', '{"a":1} ']
)
def test_a_body_that_is_not_canonical_is_refused(
    chain: tuple[list[Row], list[Checkpoint]], text: str
) -> None:
    rows, _ = chain
    assert "body_not_canonical" in codes(verify([rows[0], replace(rows[1], body=text)]))


@pytest.mark.parametrize("tags", ["", "[]", "5", '["x"]', '["b","a"]', '{"a":1}'])
def test_tags_that_are_not_those_of_the_event_are_refused(
    chain: tuple[list[Row], list[Checkpoint]], tags: str
) -> None:
    rows, _ = chain
    assert codes(verify([rows[0], replace(rows[1], tags=tags)])) & {"tags_invalid", "tags_wrong"}


def test_checkpoints_of_another_key_anchor_nothing(
    chain: tuple[list[Row], list[Checkpoint]],
) -> None:
    rows, checkpoints = chain
    last = checkpoints[-1]
    stranger = sign(generate_keys().signing, last.seq, last.hash, last.at)
    assert {"chain_missing", "no_checkpoint"} <= codes(verify(rows, [stranger]))
    forged = replace(stranger, ledger_id=last.ledger_id)
    assert "checkpoint_forged" in codes(verify(rows, [forged]))
    assert "checkpoint_forged" in codes(verify(rows, [replace(last, seq=last.seq - 1)]))


def test_a_checkpoint_that_says_otherwise_tells_that_the_chain_was_rebuilt(
    chain: tuple[list[Row], list[Checkpoint]], honest: Place
) -> None:
    rows, checkpoints = chain
    other = sign(honest.keys.signing, checkpoints[0].seq, "ab" * 32, checkpoints[0].at)
    assert "chain_rebuilt" in codes(verify(rows, [*checkpoints, other]))


def test_a_key_that_is_not_the_businesss_is_told(
    chain: tuple[list[Row], list[Checkpoint]],
) -> None:
    rows, checkpoints = chain
    assert "key_not_trusted" in codes(verify(rows, checkpoints, trusted={"0" * 32}))
    assert verify(rows, checkpoints).anchored.value is Value.TRUSTING
    named = verify(rows, checkpoints, trusted={rows[0].ledger_id})
    assert named.anchored.value is Value.HOLDS


def test_a_chain_that_is_read_from_a_checkpoint_needs_one(
    chain: tuple[list[Row], list[Checkpoint]],
) -> None:
    rows, checkpoints = chain
    start = checkpoints[0]
    begin = Start(start.ledger_id, start.seq, start.hash)
    later = rows[start.seq :]
    assert "start_not_anchored" not in codes(verify(later, checkpoints, starts=[begin]))
    assert "start_not_anchored" in codes(verify(later, checkpoints[1:], starts=[begin]))


def test_faults_are_counted_and_the_first_are_kept(
    chain: tuple[list[Row], list[Checkpoint]],
) -> None:
    rows, _ = chain
    report = verify([*rows, *rows * 20])
    assert report.integrity.count >= len(report.integrity.faults) > 0
    assert "event" in str(report.integrity.faults[0])
    assert report.json()["ok"] is False
