"""Decides whether a number may be texted: one rule, for calls and for systems that ask.

Blocks; runs on the ledger's thread. The columns of `pii` are only an index: what is sealed is
opened, and what the events say counts.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from agi_bridge.consent.acts import is_unfinished
from agi_bridge.consent.encoding import DAY, stamp
from agi_bridge.consent.errors import KeyFault, VaultDamaged
from agi_bridge.consent.ledger import queries
from agi_bridge.consent.ledger.schema import PII, brand_key
from agi_bridge.consent.ledger.suppressions import ends_import, revocations_in_force
from agi_bridge.consent.permission import Permission, Reason
from agi_bridge.consent.states import Act, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi_bridge.consent.chain import Row
    from agi_bridge.consent.ledger.chain_writer import ChainWriter
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.permission import PermissionQuestion

NOTHING = Permission(reason=Reason.NO_CONSENT)


def permissions(
    transaction: Transaction, writer: ChainWriter, asked: Sequence[PermissionQuestion]
) -> list[Permission]:
    """The answer to each question."""
    return [_permission(transaction, writer, each) for each in asked]


def _permission(
    transaction: Transaction, writer: ChainWriter, asked: PermissionQuestion
) -> Permission:
    """The newest consent in force; else why the newest one of that purpose is not.

    A revocation that reaches the brand goes before everything: only a consent that lifts it counts,
    and then it is no longer in force.
    """
    ids = consents_of(transaction, writer, asked.number, asked.brand, imported=True)
    found = [standing(transaction, writer, consent_id, asked) for consent_id in ids]
    known = [each for each in found if each.reason is not Reason.NO_CONSENT]
    revoked = revocations_in_force(
        transaction, writer.vault.lookup(asked.number), asked.brand, asked.sellers
    )
    if revoked:
        at, record = max((queries.rows_of(transaction, each)[0].at, each) for each in revoked)
        consent_id = known[0].consent_id if known else None
        return Permission(reason=Reason.REVOKED, since=at, consent_id=consent_id, record=record)
    order = (Reason.CONSENT, None, Reason.OTHER_PURPOSE)
    return min(
        known,
        key=lambda each: order.index(each.reason if each.reason in order else None),
        default=NOTHING,
    )


def consents_of(
    transaction: Transaction,
    writer: ChainWriter,
    number: str,
    brand: str,
    *,
    imported: bool = False,
) -> Sequence[str]:
    """The consents of a number for a brand by the index, newest first.

    With `imported` also those that were given elsewhere: a call relies on none of them, because
    nobody heard what they say.
    """
    pii = PII.c
    query = select(pii.consent_id).where(
        pii.number_hmac == writer.vault.lookup(number),
        pii.brand == brand_key(brand),
        pii.kind.in_(["consent", "imported"] if imported else ["consent"]),
    )
    return transaction.core.execute(query.order_by(pii.at.desc())).scalars().all()


def standing(
    transaction: Transaction, writer: ChainWriter, consent_id: str, asked: PermissionQuestion
) -> Permission:
    """Whether one consent allows a text to this number now, for this brand and purpose."""
    try:
        opened = queries.personal(transaction, writer.vault, consent_id)
    except (KeyFault, VaultDamaged):
        return Permission(reason=Reason.UNREADABLE, consent_id=consent_id, record=consent_id)
    if opened is None or opened.get("number") != asked.number:
        return NOTHING
    rows = queries.rows_of(transaction, consent_id)
    answer = _judge(rows, asked, writer.clock())
    if not rows or rows[0].type != State.IMPORTED or answer.reason is Reason.NO_CONSENT:
        return answer
    number = writer.vault.lookup(asked.number)
    ended = ends_import(transaction, number, rows[0].fields, asked.sellers)
    if ended is None or answer.reason is Reason.REVOKED:
        return answer
    return Permission(
        reason=Reason.REVOKED, since=ended.at, consent_id=consent_id, record=ended.consent_id
    )


def _judge(rows: Sequence[Row], asked: PermissionQuestion, now: float) -> Permission:
    """What the events of a consent say to a question; `now` in seconds since the epoch."""
    types = {row.type: row for row in rows}
    facts = rows[0].fields
    agreed = types.get(State.CONFIRMED) or types.get(State.IMPORTED)
    if agreed is None or brand_key(facts["brand"]) != brand_key(asked.brand):
        return NOTHING
    id_ = record = agreed.consent_id
    given = facts.get("given", agreed.at)  # of an import: when its source says it was
    expires = None
    if asked.max_age_days:
        expires = stamp(datetime.fromisoformat(given).timestamp() + asked.max_age_days * DAY)
    reason, since = Reason.CONSENT, given
    if (revoked := types.get(State.REVOKED)) is not None:
        reason, since, record = Reason.REVOKED, revoked.at, revoked.fields["revocation"]
    elif (restricted := types.get(Act.RESTRICTED)) is not None:
        reason, since = Reason.RESTRICTED, restricted.at
    elif facts["purpose"] != asked.purpose:
        reason = Reason.OTHER_PURPOSE
    elif is_unfinished((row.type, row.fields) for row in rows):
        reason = Reason.UNFINISHED
    elif expires is not None and stamp(now) > expires:
        reason, since = Reason.EXPIRED, expires
    return Permission(
        reason=reason,
        since=since,
        consent_id=id_,
        record=record,
        expires=expires if reason is Reason.CONSENT else None,
    )
