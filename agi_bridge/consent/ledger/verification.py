"""Reads a whole ledger page by page, for verification and export. Changes nothing.

The columns of the tables beside the events are an index: they come with what they should be,
computed from the sealed values with the keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, and_, cast, collate, func, or_, select

from agi_bridge.consent.chain import Row
from agi_bridge.consent.errors import VaultDamaged
from agi_bridge.consent.ledger.schema import EVENT, LEDGER, PERSON, PII, WITNESS
from agi_bridge.consent.results import StoredValues

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import ColumnElement

    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.signing.vault import Vault

PAGE: Final = 500
"""Rows of personal data read at once: each costs two decryptions."""
_SOME: Final = 20
"""Faults of one kind that are looked for."""


def stored_values(
    transaction: Transaction, vault: Vault, *, after: str = "", only: Collection[str] | None = None
) -> list[StoredValues]:
    """Some rows of personal data, by the ids of their records; those after an id, or `only` these.

    Raises:
        KeyMissing: one is sealed under a vault key that is not available.
    """
    pii = PII.c
    query = select(
        pii.consent_id, pii.kind, pii.line_id, pii.brand, pii.number_hmac, pii.caller_hmac,
        pii.restricted_until, pii.disclosure_sha256, pii.trimmed, pii.sealed, pii.person_id,
        PERSON.c.sealed.label("person"),
    ).select_from(PII.outerjoin(PERSON, PERSON.c.person_id == pii.person_id))  # fmt: skip
    if only is not None:
        query = query.where(pii.consent_id.in_(only))
    else:
        id_ = _bytewise(transaction, pii.consent_id)
        query = query.where(id_ > after).order_by(id_).limit(PAGE)
    return [_opened(vault, row) for row in transaction.core.execute(query)]


def records_of_numbers(transaction: Transaction, hashes: Collection[str]) -> list[str]:
    """The ids of the records of some numbers, by the numbers' keyed hashes."""
    query = select(PII.c.consent_id).where(PII.c.number_hmac.in_(hashes))
    return list(transaction.core.execute(query.order_by(PII.c.consent_id)).scalars())


def rows_of_all(
    transaction: Transaction, ids: Collection[str], *, as_stored: bool = False
) -> list[Row]:
    """The events of some records, of each chain in order; or each record's by the table's order.

    That is the order in which they were stored: a record is locked while it is written to.
    """
    table = EVENT.c
    order = (table.consent_id, table.id) if as_stored else (table.ledger_id, table.seq)
    query = (
        select(
            table.ledger_id, table.seq, table.consent_id, table.type, table.at, table.tags,
            table.body, table.hash,
        )
        .where(table.consent_id.in_(ids))
        .order_by(*order)
    )  # fmt: skip
    return [Row(*row) for row in transaction.core.execute(query)]


def unknown_chains(transaction: Transaction) -> list[str]:
    """The chains that events name and the table of chains does not."""
    known = select(LEDGER.c.ledger_id)
    query = select(EVENT.c.ledger_id).where(EVENT.c.ledger_id.not_in(known)).distinct()
    return list(transaction.core.execute(query).scalars())


def moved_events(
    transaction: Transaction, since: Mapping[str, int] | None = None
) -> list[tuple[str, int]]:
    """Events that stand elsewhere in the table than in their chain: chain and number, some of them.

    The state of a consent is the one that was stored last, by the table's order.

    Args:
        transaction: reads.
        since: the last event of each chain that an earlier verification placed. What has been put
            after it is found; what stands before it is not placed again.
    """
    table = EVENT.c
    before = func.lag(table.id).over(partition_by=table.ledger_id, order_by=table.seq)
    placed = select(table.ledger_id, table.seq, table.id, before.label("before"))
    placed = placed.where(or_(*_new(since or {}))) if since else placed
    each = placed.subquery().c
    query = select(each.ledger_id, each.seq).where(each.id <= each.before).limit(_SOME)
    return [(ledger_id, seq) for ledger_id, seq in transaction.core.execute(query)]


def _new(since: Mapping[str, int]) -> list[ColumnElement[bool]]:
    """Conditions of the events that were stored or moved since, and the last one before them."""
    table, earlier = EVENT.c, EVENT.alias()
    conditions: list[ColumnElement[bool]] = [table.ledger_id.not_in(since)]
    for ledger_id, seq in since.items():
        last = select(earlier.c.id).where(earlier.c.ledger_id == ledger_id, earlier.c.seq == seq)
        later = or_(table.seq >= seq, table.id >= last.scalar_subquery())
        conditions.append(and_(table.ledger_id == ledger_id, later))
    return conditions


def misnumbered_events(transaction: Transaction) -> list[tuple[str, str]]:
    """Events whose number no event of a chain has: chain and number, some of them.

    They are in no chain, but a look-up of a record returns them. SQLite takes any type in
    any column.
    """
    table = EVENT.c
    wrong = or_(table.seq.is_(None), table.seq < 1, cast(table.seq, BigInteger) != table.seq)
    query = select(table.ledger_id, table.seq).where(wrong).limit(_SOME)
    return [(str(ledger_id), repr(seq)) for ledger_id, seq in transaction.core.execute(query)]


def stamps(transaction: Transaction) -> list[bytes]:
    """The time stamps of checkpoints, as the authorities sent them."""
    table = WITNESS.c
    query = select(table.stamp).order_by(table.ledger_id, table.seq, table.sha256)
    return list(transaction.core.execute(query).scalars())


def _opened(vault: Vault, row: Any) -> StoredValues:  # noqa: ANN401 - a row of SQLAlchemy
    values: dict[str, str] | None = None
    damage = None
    try:
        person = vault.open_person(row.person_id, row.person)
        values = {
            **vault.open(person, row.consent_id, row.sealed),
            "person_salt": person.salt.hex(),
        }
    except VaultDamaged as error:
        damage = str(error)
    except (TypeError, AttributeError, UnicodeEncodeError):  # SQLite takes any type in any column
        damage = f"consent {row.consent_id}: its personal data was overwritten"
    known = values or {}
    return StoredValues(
        record=row.consent_id,
        values=values,
        damage=damage,
        kind=row.kind,
        line_id=row.line_id,
        brand=row.brand,
        number_hmac=row.number_hmac,
        caller_hmac=row.caller_hmac,
        restricted_until=row.restricted_until,
        disclosure_sha256=row.disclosure_sha256,
        trimmed=row.trimmed,
        number_lookup=vault.lookup(known["number"]) if "number" in known else None,
        caller_lookup=vault.lookup(known["caller_id"]) if "caller_id" in known else None,
    )


def _bytewise(transaction: Transaction, column: ColumnElement[str]) -> ColumnElement[str]:
    """A column as it is compared byte by byte: PostgreSQL may sort by a language's rules."""
    return collate(column, "C") if transaction.locks else column
