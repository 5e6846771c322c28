"""The rules for single events: canonical body, matching columns, valid state, true commitments.

An event's hash shows that it was not changed later; these rules show that it was valid when it was
written. They repeat the rules of `consent.record` and `consent.states` from the stored bodies
alone. Hashes and checkpoints are not checked here but in `verifier`.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final, NoReturn

from agi_bridge.consent import (
    EVENT_TYPES,
    Act,
    State,
    canonical,
    commitment,
    commitments,
    text_sha256,
)
from agi_bridge.consent.signing import ledger_id_of
from agi_bridge.evidence.verify.history import StateHistories

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.consent import EventType, Row
    from agi_bridge.evidence.verify.report import Findings

COMMITMENTS: Final = {
    f"{name}_c": (name, name)
    for name in sorted({each for kind in EVENT_TYPES.values() for each in commitments(kind)})
}
"""The commitments in a body: the field's name in the HMAC, and the personal value it is made of."""

_COLUMNS: Final = ("ledger_id", "seq", "consent_id", "type", "at")
_TYPES: Final[Mapping[str, EventType]] = {kind.value: kind for kind in (*State, *Act)}


def _refuse(_: str) -> NoReturn:
    raise ValueError("only integers")


_DECODER: Final = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse)


class EventChecker:
    """Checks the events of each chain in order and notes their faults.

    It remembers the history of every consent: an event may come years after the one before it.
    """

    __slots__ = ("_disclosed", "_disclosures", "_findings", "_histories")

    def __init__(
        self,
        findings: Findings,
        *,
        disclosures: Mapping[str, str] | None,
        unknown_before: bool,
    ) -> None:
        """Start without any history.

        Args:
            findings: where faults are noted.
            disclosures: the texts by SHA-256; None if they are not available and not checked.
            unknown_before: events before the first are left out, so a history may start anywhere.
        """
        self._findings = findings
        self._disclosures = disclosures
        self._histories = StateHistories(unknown_before=unknown_before)
        self._disclosed: set[str] = set()
        for sha256, text in (disclosures or {}).items():
            if text_sha256(text) != sha256:
                what = f"the text of the disclosure {sha256[:16]} was changed"
                findings.add("integrity", "text_changed", what)

    def check(self, row: Row, personal: Mapping[str, str] | None) -> None:
        """Check one event; `personal` is what the vault holds for its consent, if anything."""
        facts = _facts(row.body)
        if facts is None:
            self._add(row, "body_not_canonical", "its body is not canonical JSON")
            return
        differ = [name for name in _COLUMNS if facts.get(name) != getattr(row, name)]
        if differ:
            what = f"its body and its columns differ: {', '.join(differ)}"
            self._add(row, "columns_differ", what)
            return
        kind = _TYPES.get(row.type)
        if row.seq == 1 or kind is Act.OPENED:
            self._opening(row, facts)
        elif kind is None:
            self._add(row, "unknown_type", "its type is unknown")
        elif type(kind) is State:
            self._state(row, kind, facts)
        if personal:
            self._commitments(row, facts, personal)

    def finish(self) -> None:
        """Note the faults that can only be seen once all events are read."""
        self._histories.finish(self._findings)

    def _add(self, row: Row, code: str, what: str) -> None:
        self._findings.add("integrity", code, what, row.ledger_id, row.seq)

    def _opening(self, row: Row, facts: Mapping[str, Any]) -> None:
        if row.type != Act.OPENED:
            self._add(row, "opening_missing", "the chain does not start with an opened event")
        elif row.seq != 1:
            self._add(row, "opened_twice", "it opens the chain a second time")
        elif not _belongs(facts.get("public_key"), row.ledger_id):
            self._add(row, "foreign_public_key", "its public key is not this chain's")

    def _state(self, row: Row, kind: State, facts: Mapping[str, Any]) -> None:
        self._histories.add(row.ledger_id, row.seq, row.consent_id, kind)
        if kind is State.DISCLOSED:
            self._disclosure(row, facts)
        elif kind is State.CONFIRMED:
            if row.consent_id not in self._disclosed:
                what = "confirmed, but no disclosure was played to its end before"
                self._add(row, "no_disclosure", what)
            if "number_c" not in facts:
                self._add(row, "no_number", "confirmed, but without a commitment to a number")
            self._disclosed.discard(row.consent_id)

    def _disclosure(self, row: Row, facts: Mapping[str, Any]) -> None:
        if _complete(facts):
            self._disclosed.add(row.consent_id)
        elif facts.get("complete") is not False:
            what = "it says that its disclosure was complete, but its figures do not"
            self._add(row, "disclosure_incomplete", what)
        texts = self._disclosures
        if texts is not None and facts.get("disclosure_sha256") not in texts:
            what = "the text of its disclosure is missing"
            self._findings.add("completeness", "text_missing", what, row.ledger_id, row.seq)

    def _commitments(self, row: Row, facts: Mapping[str, Any], personal: Mapping[str, str]) -> None:
        for name, (field, key) in COMMITMENTS.items():
            # Without salt or value it can no longer be checked: they were erased.
            if (
                name in facts
                and key in personal
                and "salt" in personal
                and facts[name] != _commitment(personal["salt"], field, personal[key])
            ):
                what = f"its {name} does not match the {key} in the vault"
                self._add(row, "commitment_mismatch", what)


def _facts(body: str) -> dict[str, Any] | None:
    """The body's fields; None if it is not canonical JSON."""
    try:
        facts, _ = _DECODER.raw_decode(body)
        # Trailing text, duplicate keys and spaces all differ from the body written again.
        return facts if type(facts) is dict and canonical(facts) == body else None
    except (ValueError, TypeError, RecursionError):
        return None


def _belongs(public_key: object, ledger_id: str) -> bool:
    try:
        raw = base64.b64decode(public_key, validate=True) if isinstance(public_key, str) else b""
    except ValueError:
        return False
    return ledger_id_of(raw) == ledger_id


def _complete(facts: Mapping[str, Any]) -> bool:
    samples, endpos = facts.get("samples"), facts.get("endpos")
    return (
        facts.get("complete") is True
        and type(samples) is int
        and type(endpos) is int
        and endpos >= samples > 0
    )


def _commitment(salt: str, field: str, value: str) -> str | None:
    """The commitment to a value; None if the salt is not hexadecimal."""
    try:
        return commitment(bytes.fromhex(salt), field, value)
    except ValueError:
        return None
