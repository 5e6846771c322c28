"""Queries for submissions: a caller's active consent, consents to send again, and open ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, exists, or_, select

from agi_bridge.consent.encoding import Identifiers, stamp, timestamp
from agi_bridge.consent.ledger import permissions, queries
from agi_bridge.consent.ledger.repeats import is_repetition, may_repeat, outcome_is_unknown
from agi_bridge.consent.ledger.schema import EVENT, PII, SUBMISSION, is_rare
from agi_bridge.consent.models import AgreementFacts, StoredEvent
from agi_bridge.consent.permission import PermissionQuestion
from agi_bridge.consent.record import ConsentRecord
from agi_bridge.consent.results import ActiveConsent, Unsent
from agi_bridge.consent.states import AGREED, State

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from agi_bridge.consent.chain import Row
    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.transaction import Transaction


def settle_open(transaction: Transaction, writer: Writer, *, own: bool) -> int:
    """Settle abandoned submissions as `unknown`; returns their number.

    These are those whose lease is over, of any bridge, and, if `own`, all that were leased to a
    process of the same name: it is gone, or this one could not have its place.
    """
    row, now = SUBMISSION.c, stamp(writer.database_now(transaction))
    overdue = row.deadline < now
    mine = and_(row.ledger_id == writer.ledger_id, row.owner == writer.owner)
    found = transaction.core.execute(
        select(row.consent_id).where(or_(overdue, mine) if own else overdue)
    )
    left = [id_ for id_ in found.scalars() if queries.is_text(id_)]
    if not left:
        return 0
    writer.lock(transaction, map("consent:{}".format, left))
    open_ = [id_ for id_ in left if writer.state(transaction, id_) is State.SUBMITTING]
    reason = "bridge_stopped" if own else "lease_over"
    writer.append(transaction, [_event(id_, State.UNKNOWN, reason=reason) for id_ in open_])
    return len(open_)


def unsent_ids(transaction: Transaction, unknown_since: str | None = None) -> Sequence[str]:
    """The consents whose last state is `not_sent`, on any bridge; oldest first.

    With `unknown_since` (RFC 3339 in UTC) also those whose outcome has been unknown since then or
    later, which an idempotent receiver may be asked about.
    """
    later = EVENT.alias()
    last = EVENT.c.type == State.NOT_SENT.value
    if unknown_since is not None:
        unknown = and_(EVENT.c.type == State.UNKNOWN.value, EVENT.c.at >= unknown_since)
        last = or_(last, unknown)
    ids = transaction.core.execute(
        select(EVENT.c.consent_id)
        .where(
            is_rare(EVENT.c.type),
            last,
            ~exists().where(
                later.c.consent_id == EVENT.c.consent_id,
                later.c.id > EVENT.c.id,
                later.c.type.in_([state.value for state in State]),
            ),
        )
        .order_by(EVENT.c.id)
    ).scalars()
    return ids.all()


def unsent(transaction: Transaction, ids: Sequence[str]) -> list[Unsent]:
    """Details of some unsent consents; not of those that must not be asked for again."""
    found = (_unsent(queries.rows_of(transaction, consent_id)) for consent_id in ids)
    return [each for each in found if each is not None]


def load_for_retry(transaction: Transaction, writer: Writer, consent_id: str) -> ConsentRecord:
    """Load a stored consent for a retry. LookupError if it is missing, erased or restricted."""
    state = writer.state(transaction, consent_id)
    personal = queries.personal(transaction, writer.vault, consent_id)
    if state is None or personal is None or _is_restricted(transaction, consent_id):
        raise LookupError(
            f"consent {consent_id} is not here, or its personal data is erased or restricted"
        )
    return ConsentRecord.stored(consent_id, state, personal, _agreement(transaction, consent_id))


def _agreement(transaction: Transaction, consent_id: str) -> AgreementFacts:
    """What a platform is told about a stored agreement."""
    rows = queries.rows_of(transaction, consent_id)
    call, agreed = rows[0].fields, next(row for row in rows if row.type in AGREED)
    heard = call
    if agreed.type == State.RETURNED:
        earlier = queries.rows_of(transaction, agreed.fields["consent"])
        heard = earlier[0].fields if earlier else {}
    return AgreementFacts(
        consent_id=consent_id,
        line_id=call["line_id"],
        brand=call["brand"],
        purpose=call["purpose"],
        language=heard.get("lang", ""),
        disclosure_sha256=heard.get("disclosure_sha256", ""),
        agreed_at=agreed.at,
    )


def expire(transaction: Transaction, writer: Writer, consent_id: str, reason: str) -> None:
    """Expire a consent that is still unsent: it will never be sent."""
    writer.lock(transaction, [f"consent:{consent_id}"])
    if writer.state(transaction, consent_id) is State.NOT_SENT:
        writer.append(transaction, [_event(consent_id, State.EXPIRED, reason=reason)])


def expire_restored(transaction: Transaction, writer: Writer) -> int:
    """Expire what waited to be sent in chains that a restore has ended; returns the number.

    It may have been sent after the backup, and nobody here knows.
    """
    ended = queries.ended_chains(transaction)
    if not ended:
        return 0
    old = [
        consent_id
        for consent_id in unsent_ids(transaction)
        if queries.rows_of(transaction, consent_id)[-1].ledger_id in ended
    ]
    if not old:
        return 0
    writer.lock(transaction, map("consent:{}".format, old))
    waiting = [id_ for id_ in old if writer.state(transaction, id_) is State.NOT_SENT]
    writer.append(transaction, [_event(id_, State.EXPIRED, reason="restored") for id_ in waiting])
    return len(waiting)


def active_consent(
    transaction: Transaction,
    writer: Writer,
    number: str,
    *,
    brand: str,
    purpose: str,
    max_age_days: int,
    wordings: Collection[str] | None = None,
) -> ActiveConsent | None:
    """The newest consent of a number that allows a text now, for a brand and a purpose.

    `wordings` are the disclosures that count, by SHA-256; None is any.
    """
    asked = PermissionQuestion(
        number=number, brand=brand, purpose=purpose, max_age_days=max_age_days
    )
    for consent_id in permissions.consents_of(transaction, writer, number, brand):
        facts = queries.rows_of(transaction, consent_id)[0].fields
        if wordings is not None and facts["disclosure_sha256"] not in wordings:
            continue
        if permissions.standing(transaction, writer, consent_id, asked).may_text:
            return ActiveConsent(consent_id, facts.get("lang", ""), facts["disclosure_sha256"])
    return None


def never_sent(transaction: Transaction, writer: Writer, consent_id: str) -> None:
    """Note that a consent was stored after its call had given up: nothing was or will be sent."""
    writer.lock(transaction, [f"consent:{consent_id}"])
    if writer.state(transaction, consent_id) is State.SUBMITTING:
        reason = "stored_too_late"
        if is_repetition(queries.rows_of(transaction, consent_id)):
            writer.append(transaction, [_event(consent_id, State.UNKNOWN, reason=reason)])
            return
        writer.append(
            transaction,
            [
                _event(consent_id, State.NOT_SENT, reason=reason),
                _event(consent_id, State.EXPIRED, reason=reason),
            ],
        )


def _unsent(rows: Sequence[Row]) -> Unsent | None:
    state = State.UNKNOWN if outcome_is_unknown([row.type for row in rows]) else State.NOT_SENT
    if state is State.UNKNOWN and not may_repeat(rows):
        return None
    agreed = next(row for row in rows if row.type in AGREED)
    regions = [row.fields["region"] for row in rows if "region" in row.fields]
    return Unsent(
        consent_id=agreed.consent_id,
        line_id=rows[0].fields["line_id"],
        confirmed_at=agreed.at,
        last_at=max(row.at for row in rows),
        attempts=sum(row.type == State.SUBMITTING for row in rows),
        region=regions[-1],
        state=state,
    )


def _is_restricted(transaction: Transaction, consent_id: str) -> bool:
    """Whether its personal data is restricted to the defence of claims, which excludes texts."""
    query = select(PII.c.restricted_until).where(PII.c.consent_id == consent_id)
    return transaction.core.execute(query).scalar() is not None


def _event(consent_id: str, state: State, **body: Any) -> StoredEvent:  # noqa: ANN401 - JSON
    return StoredEvent(Identifiers().next(), consent_id, state, timestamp(), body)
