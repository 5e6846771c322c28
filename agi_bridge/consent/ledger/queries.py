"""Queries: events, a summary line of each record, and texts by their hash. Changes nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import collate, exists, func, or_, select, union_all

from agi_bridge import phone
from agi_bridge.consent.acts import is_unfinished
from agi_bridge.consent.chain import Chain, Row
from agi_bridge.consent.errors import KeyFault, RecordDamaged, VaultDamaged, reading
from agi_bridge.consent.ledger.schema import (
    AUDIO,
    CONTENT,
    DISCLOSURE,
    ENDED_CHAIN,
    EVENT,
    LEDGER,
    LIFTING,
    PERSON,
    PII,
    SUBMISSION,
    SUPPRESSION,
    is_rare,
)
from agi_bridge.consent.ledger.suppressions import ends_import
from agi_bridge.consent.results import Disclosure, Filter, Summary
from agi_bridge.consent.states import Act, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Select

    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.signing.vault import PersonKey, Vault

_PAGE: Final = 200
_ROOTS: Final = (State.DISCLOSED, State.RETURNED, State.IMPORTED, Act.REVOCATION, Act.MESSAGE)
"""The first events of what has its own line."""
_KINDS: Final = {
    State.DISCLOSED.value: "consent",
    State.RETURNED.value: "returned",
    State.IMPORTED.value: "imported",
    Act.REVOCATION.value: "revocation",
    Act.MESSAGE.value: "message",
}

_IN_CHAIN: Final = EVENT.c.ledger_id == LEDGER.c.ledger_id
# Built once: busy bridges ask these many times a second, and to build them takes twice as long.
_CHAINS: Final = select(
    LEDGER.c.ledger_id,
    LEDGER.c.public_key,
    *(
        select(column).where(_IN_CHAIN).order_by(EVENT.c.seq.desc()).limit(1).scalar_subquery()
        for column in (EVENT.c.seq, EVENT.c.hash)
    ),
).order_by(LEDGER.c.at)
_ENDED_CHAINS: Final = select(ENDED_CHAIN.c.ledger_id, ENDED_CHAIN.c.seq)


def chains(transaction: Transaction) -> list[Chain]:
    """The chains in this database, with their heads."""
    return [
        Chain(ledger_id, public_key, *((0, "") if seq is None else (seq, hash_)))
        for ledger_id, public_key, seq, hash_ in transaction.core.execute(_CHAINS)
    ]


def ended_chains(transaction: Transaction) -> dict[str, int]:
    """The chains that a restore from a backup has ended, with the number of their last event."""
    return dict(transaction.core.execute(_ENDED_CHAINS).all())


def rows(transaction: Transaction, ledger_id: str, first: int, last: int | None) -> list[Row]:
    """Events of one chain, from one number to another, both included."""
    query = _rows().where(EVENT.c.ledger_id == ledger_id, EVENT.c.seq >= first)
    if last is not None:
        query = query.where(EVENT.c.seq <= last)
    return _read(transaction, query.order_by(EVENT.c.seq))


def rows_of(transaction: Transaction, consent_id: str) -> list[Row]:
    """The events of one consent or act, in the order they were stored."""
    return _read(transaction, _rows().where(EVENT.c.consent_id == consent_id).order_by(EVENT.c.id))


def ids_with_prefix(transaction: Transaction, prefix: str, limit: int) -> list[str]:
    """The ids of records that begin with these characters, in their order, some of them."""
    id_: ColumnElement[str] = EVENT.c.consent_id
    if transaction.locks:  # PostgreSQL may sort by a language's rules, which pass over hyphens
        id_ = collate(id_, "C")
    query = (
        select(EVENT.c.consent_id)
        .where(id_ >= prefix, id_ < f"{prefix}~", EVENT.c.type.in_([root.value for root in _ROOTS]))
        .distinct()
        .order_by(EVENT.c.consent_id)
        .limit(limit)
    )
    return list(transaction.core.execute(query).scalars())


def events(transaction: Transaction, consent_id: str | None) -> list[Row]:
    """The events of one consent, or of all, in the order they were stored."""
    if consent_id is not None:
        return rows_of(transaction, consent_id)
    return _read(transaction, _rows().where(EVENT.c.type != Act.OPENED.value).order_by(EVENT.c.id))


def personal(transaction: Transaction, vault: Vault, consent_id: str) -> dict[str, str] | None:
    """The personal data of a record, opened; None if it was erased or never existed."""
    row = transaction.core.execute(_sealed().where(PII.c.consent_id == consent_id)).first()
    if row is None:
        return None
    return vault.open(vault.open_person(row[0], row[1]), consent_id, row[2])


def person(transaction: Transaction, vault: Vault, consent_id: str) -> PersonKey | None:
    """The key and the salt of the person that a record is of; None if they are erased.

    Raises:
        KeyMissing, VaultDamaged: they cannot be opened.
    """
    row = transaction.core.execute(_sealed().where(PII.c.consent_id == consent_id)).first()
    return None if row is None else vault.open_person(row[0], row[1])


def _sealed() -> Select[Any]:
    """The person's id, their sealed key, and what is sealed under it."""
    return select(PII.c.person_id, PERSON.c.sealed, PII.c.sealed).select_from(
        PII.outerjoin(PERSON, PERSON.c.person_id == PII.c.person_id)
    )


def is_text(value: object) -> bool:
    """Whether a value is a text. SQLite takes any type in any column, and any bytes for a text."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def disclosure(transaction: Transaction, sha256: str) -> Disclosure | None:
    """A disclosure by its hash."""
    table = DISCLOSURE.c
    row = transaction.core.execute(
        select(table.sha256, table.lang, table.version, table.text).where(table.sha256 == sha256)
    ).first()
    return None if row is None else Disclosure(*row)


def audio(transaction: Transaction, sha256: str) -> bytes | None:
    """A disclosure's recording by its hash, as a WAV file."""
    found = transaction.core.execute(select(AUDIO.c.wav).where(AUDIO.c.sha256 == sha256)).scalar()
    return found if isinstance(found, bytes) else None


def text(transaction: Transaction, sha256: str) -> str | None:
    """A text that events name by its hash: a disclosure, a prompt, a configuration, a sample.

    None if it is not there, or is no text.
    """
    kept = disclosure(transaction, sha256)
    if kept is not None:
        return kept.text if is_text(kept.text) else None
    table = CONTENT.c
    found = transaction.core.execute(select(table.text).where(table.sha256 == sha256)).scalar()
    return found if is_text(found) else None


def last_lookup(rows_: Sequence[Row]) -> str | None:
    """Why the last look-up did not say whose message it is; None if there was none."""
    found = [row.fields["reason"] for row in rows_ if row.type == Act.LOOKED_UP]
    return found[-1] if found else None


def suppressions(transaction: Transaction) -> dict[str, tuple[str, str, str | None]]:
    """The index of revocations: the number's keyed hash, the scope and the brand, by id."""
    table = SUPPRESSION.c
    rows_ = transaction.core.execute(
        select(table.revocation_id, table.number_hmac, table.scope, table.brand)
    )
    return {row.revocation_id: (row.number_hmac, row.scope, row.brand) for row in rows_}


def liftings(transaction: Transaction) -> set[tuple[str, str]]:
    """The index of what consents have lifted: revocation and brand."""
    rows_ = transaction.core.execute(select(LIFTING.c.revocation_id, LIFTING.c.brand))
    return {(row.revocation_id, row.brand) for row in rows_}


def summaries(transaction: Transaction, vault: Vault, wanted: Filter, *, now: str) -> list[Summary]:
    """Consents and acts in one line each; `now` is by the database's clock."""
    found: list[Summary] = []
    for root in _roots(transaction, vault, wanted, now):
        if wanted.limit is not None and len(found) >= wanted.limit:
            break
        try:
            with reading(str(root.consent_id)):
                summary = _summary(transaction, vault, root, now)
        except RecordDamaged:  # one row's fault must not hide the others
            summary = _damaged(root)
        if wanted.state is None or summary.state is wanted.state:
            found.append(summary)
    return found


def waiting_for_person(transaction: Transaction, vault: Vault) -> dict[str, int]:
    """How many consents and acts of each kind wait for a person."""
    table = EVENT.c
    query = (
        select(table.type, func.count())
        .where(*_conditions(vault, Filter(open_=True)))
        .group_by(table.type)
    )
    found = {_KINDS[type_]: count for type_, count in transaction.core.execute(query)}
    return {kind: found.get(kind, 0) for kind in _KINDS.values() if kind != "imported"}


def _rows() -> Select[Any]:
    table = EVENT.c
    return select(
        table.ledger_id, table.seq, table.consent_id, table.type, table.at, table.tags, table.body,
        table.hash,
    )  # fmt: skip


def _read(transaction: Transaction, query: Select[Any]) -> list[Row]:
    return [Row(*row) for row in transaction.core.execute(query)]


def _roots(transaction: Transaction, vault: Vault, wanted: Filter, now: str) -> Iterator[Row]:
    """The first events of what is wanted, in its order, page by page."""
    table = EVENT.c
    conditions = [*_conditions(vault, wanted, now)]
    order = table.id if wanted.oldest_first else table.id.desc()
    past: int | None = None
    if wanted.past is not None:
        first = select(func.min(table.id)).where(table.consent_id == wanted.past)
        past = transaction.core.execute(first).scalar()
        if past is None:
            return
    while True:
        query = _rows().add_columns(table.id).where(*conditions)
        if past is not None:
            query = query.where(table.id > past if wanted.oldest_first else table.id < past)
        page = transaction.core.execute(query.order_by(order).limit(_PAGE)).all()
        for row in page:
            yield Row(*row[:-1])
        if len(page) < _PAGE:
            return
        past = page[-1].id


def _conditions(vault: Vault, wanted: Filter, now: str = "") -> Iterator[ColumnElement[bool]]:
    table = EVENT.c
    yield table.type.in_([root.value for root in _ROOTS])
    if wanted.number is not None:
        hashed = vault.lookup(wanted.number)
        mine = select(PII.c.consent_id).where(PII.c.number_hmac == hashed)
        yield table.consent_id.in_(mine)
    if wanted.line is not None:
        mine = select(PII.c.consent_id).where(PII.c.line_id == wanted.line)
        names_line = table.body.contains(f'"line_id":"{wanted.line}"', autoescape=True)
        yield or_(table.consent_id.in_(mine), names_line)
    if wanted.since is not None:
        yield table.at >= wanted.since
    if wanted.until is not None:
        yield table.at < wanted.until
    if wanted.state is State.REVOKED:  # an import also by a revocation before it: see `_state`
        yield or_(_has(wanted.state.value), table.type == State.IMPORTED.value)
    elif wanted.state is not None:
        yield _has(wanted.state.value)
    if wanted.open_:
        yield from _waits(now)
        yield ~_has(Act.RESOLVED.value)


def _has(type_: str) -> ColumnElement[bool]:
    other = EVENT.alias()
    return exists().where(other.c.consent_id == EVENT.c.consent_id, other.c.type == type_)


def _waits(now: str) -> Iterator[ColumnElement[bool]]:
    """What waits for a person: also submissions whose lease was over by `now` ("": none)."""
    table, rare, again = EVENT.c, EVENT.alias().c, EVENT.alias().c
    waiting = select(rare.consent_id).where(
        is_rare(rare.type),
        rare.type.in_([State.UNKNOWN.value, Act.MESSAGE.value, Act.REVOCATION.value]),
        ~exists().where(  # an idempotent receiver was asked again
            again.consent_id == rare.consent_id,
            again.id > rare.id,
            again.type == State.SUBMITTING.value,
        ),
    )
    overdue = select(SUBMISSION.c.consent_id).where(SUBMISSION.c.deadline < now)
    yield table.consent_id.in_(union_all(waiting, overdue))
    yield or_(
        table.type != Act.REVOCATION.value,
        table.body.contains('"passed_on":false', autoescape=True),
    )


def _summary(transaction: Transaction, vault: Vault, root: Row, now: str) -> Summary:
    facts = root.fields
    events_ = rows_of(transaction, root.consent_id)
    row = transaction.core.execute(
        select(PII.c.restricted_until).where(PII.c.consent_id == root.consent_id)
    ).first()
    known: dict[str, str] = {}
    with suppress(KeyFault, VaultDamaged):  # one row's fault must not hide the others
        known = personal(transaction, vault, root.consent_id) or {}
    deadline = transaction.core.execute(
        select(SUBMISSION.c.deadline).where(SUBMISSION.c.consent_id == root.consent_id)
    ).scalar()
    erased = row is None and any(event.type == Act.ERASED.value for event in events_)
    return Summary(
        consent_id=root.consent_id,
        kind=_KINDS[root.type],
        line_id=facts.get("line_id"),
        brand=facts.get("brand") or facts.get("seller"),
        state=_state(transaction, vault, events_, known.get("number")),
        unfinished=is_unfinished((row.type, row.fields) for row in events_),
        overdue=isinstance(deadline, str) and deadline < now,
        at=root.at,
        last_at=events_[-1].at,
        erased=erased,
        restricted_until=None if row is None else _text_or_unknown(row.restricted_until),
        masked_number=phone.mask(known["number"]) if "number" in known else None,
        lookup=last_lookup(events_),
    )


def _damaged(root: Row) -> Summary:
    """The summary of a record that was changed into something that nothing ever wrote."""
    return Summary(
        consent_id=_text_or_unknown(root.consent_id) or "?",
        kind=_KINDS[root.type],
        line_id=None,
        brand=None,
        state=None,
        unfinished=False,
        overdue=False,
        at=_text_or_unknown(root.at) or "?",
        last_at=_text_or_unknown(root.at) or "?",
        erased=False,
        restricted_until=None,
        masked_number=None,
        damaged=True,
    )


def _text_or_unknown(value: object) -> str | None:
    """A text, or `?` for what is none: what is restricted stays so."""
    return None if value is None else str(value) if is_text(value) else "?"


def _state(
    transaction: Transaction, vault: Vault, events_: Sequence[Row], number: str | None
) -> State | None:
    """The state of a consent; None: it is an act.

    An import is also revoked by a revocation that came here before it.
    """
    states = [State(row.type) for row in events_ if row.type in _STATES]
    if states == [State.IMPORTED] and number is not None:
        ended = ends_import(transaction, vault.lookup(number), events_[0].fields)
        return State.IMPORTED if ended is None else State.REVOKED
    return states[-1] if states else None


_STATES: Final = frozenset(state.value for state in State)
