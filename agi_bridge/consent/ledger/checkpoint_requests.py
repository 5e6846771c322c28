"""Requests for checkpoints: a command asks the bridges that are running, through the database.

A chain is signed with its bridge's own key, so nobody else can anchor its newest events. Each
running bridge looks for a request every two seconds. A bridge that is not running is not asked: its
events wait for its next start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, func, insert, select

from agi_bridge.consent.ledger import queries
from agi_bridge.consent.ledger.lease import holder
from agi_bridge.consent.ledger.schema import CHECKPOINT, CHECKPOINT_REQUEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.transaction import Transaction


def request(transaction: Transaction, writer: Writer) -> dict[str, int]:
    """Ask the other bridges that are running to sign what is stored now.

    Returns the chains that are asked, and the event that each is to sign at the least.
    """
    signed, now = _signed(transaction), writer.database_now(transaction)
    asked: dict[str, int] = {}
    for chain in queries.chains(transaction):
        if chain.ledger_id == writer.ledger_id or chain.seq <= signed.get(chain.ledger_id, 0):
            continue
        running = holder(transaction.core, chain.ledger_id)
        if running is not None and not running.is_over(now):
            asked[chain.ledger_id] = chain.seq
    row = CHECKPOINT_REQUEST.c
    for ledger_id, seq in sorted(asked.items()):
        transaction.lock([f"lease:{ledger_id}"])
        transaction.core.execute(delete(CHECKPOINT_REQUEST).where(row.ledger_id == ledger_id))
        transaction.core.execute(insert(CHECKPOINT_REQUEST).values(ledger_id=ledger_id, seq=seq))
    return asked


def are_answered(transaction: Transaction, asked: Mapping[str, int]) -> bool:
    """Whether every chain has been signed up to the event that was asked for."""
    signed = _signed(transaction)
    return all(signed.get(ledger_id, 0) >= seq for ledger_id, seq in asked.items())


def is_requested(transaction: Transaction, writer: Writer) -> bool:
    """Whether our chain is to be signed."""
    asked = exists().where(CHECKPOINT_REQUEST.c.ledger_id == writer.ledger_id)
    return bool(transaction.core.execute(select(asked)).scalar())


def settle(transaction: Transaction, writer: Writer) -> None:
    """Remove a request for our chain that a checkpoint has answered."""
    row, signed = CHECKPOINT_REQUEST.c, _signed(transaction).get(writer.ledger_id, 0)
    transaction.core.execute(
        delete(CHECKPOINT_REQUEST).where(row.ledger_id == writer.ledger_id, row.seq <= signed)
    )


def _signed(transaction: Transaction) -> dict[str, int]:
    """The newest signed event of each chain."""
    table = CHECKPOINT.c
    rows = transaction.core.execute(
        select(table.ledger_id, func.max(table.seq)).group_by(table.ledger_id)
    )
    return {row[0]: row[1] for row in rows}
