"""Messages that wait for somebody to find out whose they are, and what became of them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import exists, select

from agi_bridge.consent.encoding import Identifiers, timestamp
from agi_bridge.consent.errors import IllegalTransition, KeyFault, VaultDamaged
from agi_bridge.consent.ledger import erasure, queries, revoke
from agi_bridge.consent.ledger.schema import EVENT, is_rare
from agi_bridge.consent.models import StoredEvent
from agi_bridge.consent.results import OpenMessage
from agi_bridge.consent.states import Act

if TYPE_CHECKING:
    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.transaction import Transaction


def open_ids(transaction: Transaction, since: str) -> list[str]:
    """The messages stored since then that nobody has dealt with, oldest first."""
    other = EVENT.alias()
    ids = transaction.core.execute(
        select(EVENT.c.consent_id)
        .where(
            is_rare(EVENT.c.type),
            EVENT.c.type == Act.MESSAGE.value,
            EVENT.c.at >= since,
            ~exists().where(
                other.c.consent_id == EVENT.c.consent_id, other.c.type == Act.RESOLVED.value
            ),
        )
        .order_by(EVENT.c.id)
    )
    return list(ids.scalars())


def note_lookup(transaction: Transaction, writer: Writer, message_id: str, reason: str) -> None:
    """Store why a look-up did not say whose message it is; the same reason only once in a row.

    Raises:
        LookupError: there is no such message.
        IllegalTransition: somebody has dealt with it.
    """
    writer.lock(transaction, [f"consent:{message_id}"])
    rows = queries.rows_of(transaction, message_id)
    if not rows or rows[0].type != Act.MESSAGE:
        raise LookupError(f"{message_id} is not a message in the ledger")
    if any(row.type == Act.RESOLVED for row in rows):
        raise IllegalTransition(f"{message_id} does not wait for a person", code="not_waiting")
    if queries.last_lookup(rows) == reason:
        return
    body = {"channel": "instaply", "reason": reason}
    event = StoredEvent(Identifiers().next(), message_id, Act.LOOKED_UP, timestamp(), body)
    writer.append(transaction, [event])


def settle(
    transaction: Transaction, writer: Writer, message_id: str, *, note: str, actor: str
) -> None:
    """Note that a message was dealt with, and erase what it holds of the customer.

    Its row has no number, so nothing that is asked for by the number would ever find it.

    Raises:
        LookupError: there is no such message.
        IllegalTransition: somebody has dealt with it.
    """
    body = {"as": "done", "actor": actor, "note": note}
    revoke.act(transaction, writer, Act.RESOLVED, message_id, body)
    erasure.erase(transaction, writer, [message_id], basis=note, actor=actor)


def open_message(transaction: Transaction, writer: Writer, id_: str) -> OpenMessage | None:
    """A message that nobody has dealt with, while its sender's id is known; None otherwise."""
    rows = queries.rows_of(transaction, id_)
    if not rows or any(row.type == Act.RESOLVED for row in rows):
        return None
    known: dict[str, str] = {}
    with suppress(KeyFault, VaultDamaged):  # a person sees it in the list, with its fault
        known = queries.personal(transaction, writer.vault, id_) or {}
    if not {"customer_id", "words"} <= known.keys():
        return None
    facts = rows[0].fields
    return OpenMessage(
        message_id=id_,
        customer_id=known["customer_id"],
        words=known["words"],
        reference=known.get("reference"),
        business_id=facts["business_id"],
        received=facts.get("received", rows[0].at),
        lookup=queries.last_lookup(rows),
    )
