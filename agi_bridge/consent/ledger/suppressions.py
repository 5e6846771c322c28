"""Which revocations of a number count: for an agreement in a call, and for what is imported.

A consent that the number itself gives in a call lifts the revocations before it, for that consent.
It lifts none of them for an import that is older than they are: who agreed on a form, then wrote
STOP, then agreed to something in a call has not agreed to the form once more. Blocks; runs on the
ledger's thread.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, or_, select

from agi_bridge.consent.chain import Row
from agi_bridge.consent.ledger.schema import (
    EVENT,
    EVERYTHING,
    LIFTING,
    SUPPRESSION,
    brand_key,
    brand_scope,
    seller_scope,
)
from agi_bridge.consent.states import Act

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Select

    from agi_bridge.consent.ledger.transaction import Transaction


def revocations_in_force(
    transaction: Transaction, number_hmac: str, brand: str, sellers: Collection[str]
) -> list[str]:
    """The revocations in force of a number, by its keyed hash, that reach a brand."""
    row, lifted, named = SUPPRESSION.c, LIFTING.c, brand_key(brand)
    query = _reaching(number_hmac, brand, sellers).where(
        ~exists().where(lifted.revocation_id == row.revocation_id, lifted.brand == named)
    )
    return list(transaction.core.execute(query.order_by(row.revocation_id)).scalars())


def ends_import(
    transaction: Transaction,
    number_hmac: str,
    imported: Mapping[str, Any],
    sellers: Collection[str] = (),
) -> Row | None:
    """The newest revocation for which an import does not count; None: it does.

    That is one in force, or one that was asked for after the person had agreed, lifted or not.

    Args:
        transaction: the ledger's.
        number_hmac: the keyed hash of the number.
        imported: the body of the import's event.
        sellers: who is behind the brand, besides the seller that the import names.
    """
    brand, given = imported["brand"], datetime.fromisoformat(imported["given"])
    named = {imported["legal_name"], *sellers}
    found = transaction.core.execute(_reaching(number_hmac, brand, named)).scalars().all()
    if not found:
        return None
    in_force = set(revocations_in_force(transaction, number_hmac, brand, named))
    ends = [
        row
        for row in _revocations(transaction, found)
        if row.consent_id in in_force or datetime.fromisoformat(row.fields["received"]) >= given
    ]
    return max(ends, key=lambda row: (row.at, row.consent_id), default=None)


def _reaching(number_hmac: str, brand: str, sellers: Collection[str]) -> Select[Any]:
    """The ids of the revocations of a number that reach a brand, lifted or not."""
    row = SUPPRESSION.c
    scopes = [brand_scope(brand), *map(seller_scope, sellers), EVERYTHING]
    return select(row.revocation_id).where(
        row.number_hmac == number_hmac,
        or_(row.scope.in_(scopes), row.brand == brand_key(brand)),
    )


def _revocations(transaction: Transaction, ids: Collection[str]) -> list[Row]:
    """The events that revocations were stored with."""
    table = EVENT.c
    query = select(
        table.ledger_id, table.seq, table.consent_id, table.type, table.at, table.tags, table.body,
        table.hash,
    ).where(table.consent_id.in_(ids), table.type == Act.REVOCATION.value)  # fmt: skip
    return [Row(*row) for row in transaction.core.execute(query)]
