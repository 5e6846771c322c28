"""Stores consents that were given elsewhere: one event each, `imported`, with sealed evidence.

A revocation outlives an import: it keeps the number from being texted whatever is imported, and the
same import a second time finds its first record, revoked as it may be. No import lifts a
revocation: it shows no caller ID. What the person agreed to before a revocation stays revoked, even
if a call has lifted that since (`suppressions`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agi_bridge.consent.encoding import Identifiers, timestamp
from agi_bridge.consent.imported import ImportResult, evidence_value
from agi_bridge.consent.ledger import queries
from agi_bridge.consent.ledger.revoke import bound_values, commitments_of, derived_id
from agi_bridge.consent.ledger.schema import brand_key
from agi_bridge.consent.ledger.suppressions import ends_import
from agi_bridge.consent.models import PersonalData, StoredEvent
from agi_bridge.consent.states import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi_bridge.consent.imported import ImportedConsent
    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.signing.vault import PersonKey


def store(
    transaction: Transaction,
    writer: Writer,
    consents: Sequence[ImportedConsent],
    *,
    actor: str,
    software: str,
    dry_run: bool = False,
) -> ImportResult:
    """Store consents that are not on record yet; with `dry_run`, only say what would become."""
    ids = [_id(writer, each) for each in consents]
    if not dry_run:
        numbers = [f"number:{writer.vault.lookup(each.number)}" for each in consents]
        writer.lock(transaction, [*numbers, *map("consent:{}".format, ids)])
    events: list[StoredEvent] = []
    persons: dict[str, PersonKey | None] = {}
    already = suppressed = 0
    for id_, consent in zip(ids, consents, strict=True):
        hashed = writer.vault.lookup(consent.number)
        if ends_import(transaction, hashed, _facts(consent)) is not None:
            suppressed += 1
        if id_ in persons or queries.rows_of(transaction, id_):
            already += 1
            continue
        persons[id_] = None
        if dry_run:
            continue
        personal = _personal(consent)
        persons[id_] = writer.keep_personal(transaction, id_, personal)
        events.append(_event(id_, consent, personal, actor=actor, software=software))
    if events:
        writer.append(transaction, events, persons=persons)
    return ImportResult(tuple(persons), already, suppressed)


def _id(writer: Writer, consent: ImportedConsent) -> str:
    """The id of an import: the same facts have the same, so nothing is imported twice."""
    brand, when = brand_key(consent.brand), consent.given
    facts = ("imported", consent.number, brand, consent.purpose, when, consent.source)
    return derived_id(writer, "\0".join(facts))


def _personal(consent: ImportedConsent) -> PersonalData:
    values = bound_values(
        number=consent.number,
        evidence=evidence_value(consent.evidence),
        reference=consent.reference,
    )
    return PersonalData(kind="imported", values=values, brand=consent.brand)


def _facts(consent: ImportedConsent) -> dict[str, Any]:
    """What the event says of a consent, without what identifies the person."""
    return {
        "brand": consent.brand,
        "legal_name": consent.legal_name,
        "purpose": consent.purpose,
        "method": consent.method,
        "source": consent.source,
        "given": consent.given,
        "files": len(consent.evidence),
    }


def _event(
    id_: str, consent: ImportedConsent, personal: PersonalData, *, actor: str, software: str
) -> StoredEvent:
    body: dict[str, Any] = {
        **_facts(consent),
        "actor": actor,
        "software": software,
        **commitments_of(personal),
    }
    return StoredEvent(Identifiers().next(), id_, State.IMPORTED, timestamp(), body)
