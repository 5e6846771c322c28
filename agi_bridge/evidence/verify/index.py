"""Holds the tables beside the events against the events and the sealed values.

They are an index, and any database administrator can change them. So they are computed again:
whose number a row is found by, which revocations are in force, which of them a consent has lifted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agi_bridge.consent import State, suppression_sha256
from agi_bridge.evidence.verify.relations import name_key, scope_key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from agi_bridge.consent import StoredValues
    from agi_bridge.evidence.verify.record_store import RecordFacts, RecordStore
    from agi_bridge.evidence.verify.report import Findings


def check_revocations(
    findings: Findings,
    records: RecordStore,
    suppressions: Mapping[str, tuple[str, str, str | None]],
    liftings: Collection[tuple[str, str]],
    *,
    is_all: bool,
) -> None:
    """Hold the index of revocations against the events that it is made of.

    Args:
        findings: where faults are noted.
        records: facts and values.
        suppressions: the number's keyed hash, scope and brand, by revocation.
        liftings: what consents have lifted: revocation and brand.
        is_all: whether all events were read: otherwise the rest belongs to earlier ones.
    """
    suppressed, lifted = dict(suppressions), set(liftings)
    for record, facts in records.all():
        for lift in facts.lifts:
            key = (lift[2], name_key(lift[3]))
            if key in lifted:
                lifted.discard(key)
            else:
                what = "the index lacks that a revocation was lifted"
                findings.add("integrity", "lifting_missing", what, *lift[:2])
        if not facts.requests:
            continue
        found = suppressed.pop(record, None)
        if found is None:
            what = "the revoked number may be texted again, but nobody agreed since"
            findings.add("completeness", "revocation_undone", what, *facts.first)
        elif not _is_suppressed(records.lookup(record), record, facts, found):
            what = "the index has another number, scope or brand for it"
            findings.add("integrity", "suppression_changed", what, *facts.first)
    if not is_all:
        return
    for record in suppressed:
        what = f"the index has a revocation {record} that is not on record"
        findings.add("integrity", "suppression_unfounded", what)
    for record, _ in sorted(lifted, key=repr):  # SQLite takes any type in any column
        what = f"the revocation {record} was lifted in the index, but nobody agreed since"
        findings.add("completeness", "revocation_undone", what)


def _is_suppressed(
    expected: str | None, record: str, facts: RecordFacts, found: tuple[str, str, str | None]
) -> bool:
    """Whether a row of the index is what the revocation says.

    Its number is known from the sealed values, or once they are erased from what the erasure says.
    """
    number, scope, brand = found
    named = facts.requests["brand"]
    return (
        scope == scope_key(facts.requests)
        and brand == (None if named is None else name_key(named))
        and expected in {None, number}
        and facts.suppressed in {"", suppression_sha256(record, str(number))}
    )


def wrong_columns(row: StoredValues, facts: RecordFacts) -> list[str]:
    """The columns of a row of personal data that are not what events and values say."""
    kind, call = _kind(facts), facts.call
    of_call = kind in {"consent", "returned"}
    has_brand = of_call or kind == "imported"
    until: Any = facts.restricted or None
    columns = [
        ("kind", row.kind == kind),
        ("line_id", row.line_id == (call.get("line_id") if of_call else None)),
        ("brand", row.brand == (name_key(call.get("brand", "")) if has_brand else None)),
        ("number_hmac", row.number_hmac == row.number_lookup),
        ("restricted_until", row.restricted_until == until),
        ("trimmed", not (row.trimmed and _has_details(row.values or {}))),
    ]
    if kind == "consent":
        heard = call.get("disclosure_sha256")
        columns.append(("disclosure_sha256", row.disclosure_sha256 == heard))
    if row.caller_lookup is not None:
        columns.append(("caller_hmac", row.caller_hmac == row.caller_lookup))
    return [name for name, fits in columns if not fits]


def _has_details(values: Mapping[str, str]) -> bool:
    """Whether a record still has what is erased after `details_days`."""
    return "digits" in values or values.get("caller_id") not in {None, values.get("number")}


def _kind(facts: RecordFacts) -> str:
    if facts.requests:
        return "revocation"
    if facts.agreed:
        return "consent" if facts.agreed[2] == State.CONFIRMED else str(facts.agreed[2])
    return "message"
