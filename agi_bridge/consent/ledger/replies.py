"""A YES by text completes the consents that wait for one (`replied`)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import select, update

from agi_bridge.consent.acts import is_unfinished
from agi_bridge.consent.encoding import DAY, Identifiers, commitment, timestamp
from agi_bridge.consent.errors import KeyFault, VaultDamaged
from agi_bridge.consent.ledger import queries
from agi_bridge.consent.ledger.agreements import AHEAD
from agi_bridge.consent.ledger.schema import PII, brand_key
from agi_bridge.consent.models import StoredEvent
from agi_bridge.consent.reply import REPLY_DAYS, CompletedConsent
from agi_bridge.consent.states import Act, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi_bridge.consent.chain import Row
    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.reply import Reply

_STATES: Final = frozenset(state.value for state in State)
_TEXTED: Final = frozenset({State.SUBMITTING, State.ACCEPTED, State.UNKNOWN})
"""The states of a consent whose text may have arrived: a YES to one that was not sent is a YES to
something else."""


def complete(transaction: Transaction, writer: Writer, reply: Reply) -> list[CompletedConsent]:
    """Store a reply with each consent of its number and brands that waits for one.

    Not with one that was revoked, is restricted, was texted by nobody, or is older than
    `REPLY_DAYS`. A reply that came twice finds nothing the second time.
    """
    number, pii = writer.vault.lookup(reply.number), PII.c
    query = select(pii.consent_id).where(
        pii.number_hmac == number,
        pii.kind == "consent",
        pii.brand.in_(sorted(map(brand_key, reply.brands))),
        pii.restricted_until.is_(None),
    )
    found = transaction.core.execute(query.order_by(pii.consent_id)).scalars().all()
    if not found:
        return []
    writer.lock(transaction, [f"number:{number}", *map("consent:{}".format, found)])
    completed = []
    for consent_id in found:
        rows = queries.rows_of(transaction, consent_id)
        if _waits(writer, rows, reply) and _store(transaction, writer, consent_id, reply):
            completed.append(CompletedConsent(consent_id, rows[0].fields["line_id"]))
    return completed


def _waits(writer: Writer, rows: Sequence[Row], reply: Reply) -> bool:
    """Whether a consent waits for this reply, by what its events say."""
    types = {row.type: row for row in rows}
    agreed = types.get(State.CONFIRMED)
    if agreed is None or not is_unfinished((row.type, row.fields) for row in rows):
        return False
    if [row.type for row in rows if row.type in _STATES][-1] not in _TEXTED:
        return False
    given = datetime.fromisoformat(agreed.at).timestamp()
    received = None if reply.received is None else datetime.fromisoformat(reply.received)
    if received is not None and received.timestamp() < given - AHEAD:
        return False  # it was written before
    return writer.clock() - given <= REPLY_DAYS * DAY


def _store(transaction: Transaction, writer: Writer, consent_id: str, reply: Reply) -> bool:
    """Store the event, and what was written; False if what is sealed is not this number's."""
    try:
        sealed = writer.sealed(transaction, consent_id)
    except (KeyFault, VaultDamaged) as error:
        structlog.get_logger().error(
            "consent.details_not_kept", consent=consent_id, reason=str(error)
        )
        return False
    if sealed is None or sealed[1].get("number") != reply.number:
        return False  # the columns are an index, and this row is not the number's
    person, values = sealed
    said = {"reply": reply.words, "reply_reference": reply.reference}
    salt, now = bytes.fromhex(values["salt"]), timestamp()
    body: dict[str, Any] = {
        "channel": reply.channel,
        "received": reply.received or now,
        **{f"{name}_c": commitment(salt, name, value) for name, value in said.items()},
    }
    event = StoredEvent(Identifiers().next(), consent_id, Act.REPLIED, now, body)
    writer.append(transaction, [event], persons={consent_id: person})
    fresh = writer.vault.seal(person, consent_id, {**values, **said})
    mine = PII.c.consent_id == consent_id
    transaction.core.execute(update(PII).where(mine).values(sealed=fresh))
    return True
