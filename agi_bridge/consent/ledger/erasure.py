"""Erases or restricts personal data, on request or by retention; the events stay verifiable.

Deleting a row of `pii` deletes the salt, and with it the meaning of every commitment. The key of
the person goes with the last row, or is renewed if others stay: so what a database leaves of the
old rows in its files opens no more. Nothing brings it back, so no clock alone decides that it is
time: see `clock_check`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import case, delete, exists, literal, or_, select, update

from agi_bridge.consent.encoding import Identifiers, stamp, suppression_sha256, timestamp
from agi_bridge.consent.errors import KeyFault, VaultDamaged
from agi_bridge.consent.ledger import outbox
from agi_bridge.consent.ledger.clock_check import check_clock
from agi_bridge.consent.ledger.schema import EVENT, PERSON, PII
from agi_bridge.consent.models import StoredEvent
from agi_bridge.consent.results import RetentionReport
from agi_bridge.consent.signing.vault import PersonKey
from agi_bridge.consent.states import Act

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement

    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.results import RetentionRules
    from agi_bridge.consent.signing.vault import Vault

PAGE: Final = 500
"""Most rows in one transaction: calls wait for it."""


def erase(
    transaction: Transaction,
    writer: Writer,
    consent_ids: Iterable[str],
    *,
    basis: str,
    actor: str,
) -> int:
    """Delete personal data that is not restricted; returns the number of consents."""
    ids = sorted(set(consent_ids))
    people = _lock_people(transaction, writer, ids)
    return _erase(transaction, writer, people, ids, now=stamp(writer.clock()), why=(basis, actor))


def restrict(
    transaction: Transaction,
    writer: Writer,
    consent_ids: Iterable[str],
    *,
    basis: str,
    until: str,
    actor: str,
) -> int:
    """Restrict personal data to the defence of claims until a day; returns how many."""
    ids = sorted(set(consent_ids))
    writer.lock(transaction, map("consent:{}".format, ids))
    pii = PII.c
    there = transaction.core.execute(
        select(pii.consent_id).where(pii.consent_id.in_(ids))
    ).scalars()
    held = there.all()
    transaction.core.execute(
        update(PII).where(pii.consent_id.in_(held)).values(restricted_until=until)
    )
    body = {"basis": basis, "until": until, "actor": actor}
    if held:
        writer.append(transaction, [_event(id_, Act.RESTRICTED, body) for id_ in held])
    return len(held)


def due(transaction: Transaction, rules: RetentionRules) -> RetentionReport:
    """Report what `retain` would delete."""
    return RetentionReport(
        len(_due(transaction, rules, None)), len(_details_due(transaction, rules, None))
    )


def retain(transaction: Transaction, writer: Writer, rules: RetentionRules) -> RetentionReport:
    """Delete one page of data whose retention has expired; calls wait for one page at most.

    Raises:
        ClockInDoubt: there is something, but nothing confirms that it is time.
    """
    gone = _due(transaction, rules, PAGE)
    details = [] if gone else _details_due(transaction, rules, PAGE)
    if not gone and not details:
        return RetentionReport()
    check_clock(transaction, rules.now)
    people = _lock_people(transaction, writer, gone or details)
    if gone:
        why = ("retention", "agi-bridge")
        erased = _erase(transaction, writer, people, gone, now=stamp(rules.now), why=why)
        return RetentionReport(erase=erased)
    return RetentionReport(trim=_trim(transaction, writer, people, details))


@dataclass(frozen=True, slots=True)
class _Record:
    """The personal data of one record; if it cannot be opened, `values` is None, with a reason."""

    consent_id: str
    person_id: str
    person: PersonKey | None
    values: dict[str, str] | None
    fault: KeyFault | VaultDamaged | None


class _People:
    """All sealed records of the persons that some records are of; their locks are held."""

    def __init__(self, records: Iterable[_Record]) -> None:
        self.by_id = {record.consent_id: record for record in records}

    def of(self, person_ids: Collection[str]) -> dict[str, list[_Record]]:
        """The records of some persons."""
        found: dict[str, list[_Record]] = {person_id: [] for person_id in person_ids}
        for record in self.by_id.values():
            if record.person_id in found:
                found[record.person_id].append(record)
        return found

    def whose(self, ids: Iterable[str]) -> dict[str, PersonKey | None]:
        """Whose some records are, for their events' tags."""
        return {id_: self.by_id[id_].person if id_ in self.by_id else None for id_ in ids}


def _lock_people(transaction: Transaction, writer: Writer, ids: Sequence[str]) -> _People:
    """Lock some records and all others of the same persons, and open them."""
    pii = PII.c
    found = transaction.core.execute(
        select(pii.person_id, pii.number_hmac).where(pii.consent_id.in_(ids))
    ).all()
    of_persons = pii.person_id.in_(sorted({row.person_id for row in found}))
    numbers = [f"number:{row.number_hmac}" for row in found]
    locked: set[str] = set()
    wanted = set(ids)
    while not wanted <= locked:  # a record that is added meanwhile: rare, and at most once
        locked = wanted
        writer.lock(transaction, [*numbers, *map("consent:{}".format, sorted(locked))])
        there = transaction.core.execute(select(pii.consent_id).where(of_persons))
        wanted = {*ids, *there.scalars()}
    rows = transaction.core.execute(
        select(pii.consent_id, pii.person_id, PERSON.c.sealed, pii.sealed)
        .select_from(PII.outerjoin(PERSON, PERSON.c.person_id == pii.person_id))
        .where(of_persons)
        .order_by(pii.consent_id)
    )
    return _People(_open(writer.vault, *row) for row in rows)


def _open(
    vault: Vault, consent_id: str, person_id: str, key: bytes | None, sealed: bytes
) -> _Record:
    person = values = fault = None
    try:
        person = vault.open_person(person_id, key)
        values = vault.open(person, consent_id, sealed)
    except (KeyFault, VaultDamaged) as error:
        fault = error
    return _Record(consent_id, person_id, person, values, fault)


def _erase(
    transaction: Transaction,
    writer: Writer,
    people: _People,
    ids: Sequence[str],
    *,
    now: str,
    why: tuple[str, str],
) -> int:
    pii = PII.c
    gone = transaction.core.execute(
        delete(PII).where(pii.consent_id.in_(ids), _not_restricted(now)).returning(pii.consent_id)
    ).scalars()
    erased = sorted(gone)
    _renew_keys(transaction, writer, people, dict.fromkeys(erased))
    outbox.forget(transaction, erased)
    basis, actor = why
    body: dict[str, Any] = {"fields": ["*"], "basis": basis, "actor": actor}
    sums = _suppressed(transaction, writer.vault, people, erased)
    events = [_event(id_, Act.ERASED, body | sums.get(id_, {})) for id_ in erased]
    if events:
        writer.append(transaction, events, persons=people.whose(erased))
    return len(erased)


def _suppressed(
    transaction: Transaction, vault: Vault, people: _People, erased: Sequence[str]
) -> dict[str, dict[str, str]]:
    """What the erasures of revocations say of their numbers, by the revocations' ids.

    A revocation outlives its erasure in the index, which any administrator of the database can
    change. So the event binds the number's keyed hash, from the number itself.
    """
    event = EVENT.c
    of_revocations = select(event.consent_id).where(
        event.consent_id.in_(erased), event.type == Act.REVOCATION.value
    )
    found = {}
    for id_ in transaction.core.execute(of_revocations).scalars():
        record = people.by_id.get(id_)
        if record is not None and record.values is not None and "number" in record.values:
            hash_ = vault.lookup(record.values["number"])
            found[id_] = {"suppression_sha256": suppression_sha256(id_, hash_)}
    return found


def _trim(transaction: Transaction, writer: Writer, people: _People, ids: Sequence[str]) -> int:
    events, changed = [], {}
    for consent_id in ids:
        known = _details(people.by_id.get(consent_id))
        gone = {"digits"} & known.keys()
        if known.get("caller_id") not in {None, known.get("number")}:
            gone.add("caller_id")
        values: dict[str, Any] = {"trimmed": True}
        if "caller_id" in gone:
            values["caller_hmac"] = None
        transaction.core.execute(update(PII).where(PII.c.consent_id == consent_id).values(**values))
        if gone:
            changed[consent_id] = {name: of for name, of in known.items() if name not in gone}
            body = {"fields": sorted(gone), "basis": "retention", "actor": "agi-bridge"}
            events.append(_event(consent_id, Act.ERASED, body))
    _renew_keys(transaction, writer, people, changed)
    if events:
        writer.append(transaction, events, persons=people.whose(changed))
    return len(ids)


def _details(record: _Record | None) -> dict[str, str]:
    """What is sealed of a record; nothing if it is damaged: the others' details go.

    Raises:
        KeyFault: the right key opens it.
    """
    if record is None or record.values is not None:
        return {} if record is None else record.values or {}
    if isinstance(record.fault, KeyFault):
        raise record.fault
    structlog.get_logger().error(
        "retention.details_not_erased", consent=record.consent_id, reason=str(record.fault)
    )
    return {}


def _renew_keys(
    transaction: Transaction,
    writer: Writer,
    people: _People,
    changed: Mapping[str, dict[str, str] | None],
) -> None:
    """Delete the keys of persons without remaining data; renew the others' keys.

    Args:
        transaction: holds the persons' locks.
        writer: seals.
        people: their records, as they were.
        changed: what is left of the records that have changed; None is nothing.
    """
    persons = {people.by_id[id_].person_id for id_ in changed if id_ in people.by_id}
    for person_id, records in people.of(persons).items():
        left = {
            record.consent_id: changed.get(record.consent_id, record.values)
            for record in records
            if changed.get(record.consent_id, record) is not None
        }
        where = PERSON.c.person_id == person_id
        if not left:
            transaction.core.execute(delete(PERSON).where(where))
            continue
        old = next((record.person for record in records if record.person is not None), None)
        if old is None:  # nothing of theirs can be opened, and nothing sealed again
            continue
        fresh = PersonKey.new(old.salt)
        sealed = writer.vault.seal_person(person_id, fresh)
        transaction.core.execute(update(PERSON).where(where).values(sealed=sealed))
        for consent_id, values in left.items():
            if values is not None:
                transaction.core.execute(
                    update(PII)
                    .where(PII.c.consent_id == consent_id)
                    .values(sealed=writer.vault.seal(fresh, consent_id, values))
                )


def _due(transaction: Transaction, rules: RetentionRules, limit: int | None) -> Sequence[str]:
    """The consents of people who have not been texted, and have not revoked, since then."""
    pii, later = PII.c, PII.alias()
    query = select(pii.consent_id).where(
        pii.at < _before(rules),
        _not_restricted(stamp(rules.now)),
        ~exists().where(later.c.number_hmac == pii.number_hmac, later.c.at >= _before(rules)),
    )
    return transaction.core.execute(query.order_by(pii.at).limit(limit)).scalars().all()


def _details_due(
    transaction: Transaction, rules: RetentionRules, limit: int | None
) -> Sequence[str]:
    """The consents whose details are due, though they themselves are not."""
    pii, later = PII.c, PII.alias()
    stays = or_(
        pii.at >= _before(rules),
        exists().where(later.c.number_hmac == pii.number_hmac, later.c.at >= _before(rules)),
    )
    query = select(pii.consent_id).where(
        pii.at < rules.details_before,
        pii.trimmed.is_(False),
        pii.kind.in_(["consent", "returned"]),
        _not_restricted(stamp(rules.now)),
        stays,
    )
    return transaction.core.execute(query.order_by(pii.at).limit(limit)).scalars().all()


def _before(rules: RetentionRules) -> ColumnElement[str]:
    """The time before which a consent is due for deletion, by its line."""
    usual = literal(rules.personal_before)
    return case(rules.of_lines, value=PII.c.line_id, else_=usual) if rules.of_lines else usual


def _not_restricted(now: str) -> ColumnElement[bool]:
    """The condition that a record is not restricted to the defence of claims."""
    until = PII.c.restricted_until
    return or_(until.is_(None), until < now)


def _event(consent_id: str, act: Act, body: dict[str, Any]) -> StoredEvent:
    return StoredEvent(Identifiers().next(), consent_id, act, timestamp(), body)
