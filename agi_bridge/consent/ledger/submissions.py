"""What a call and its afterlife need of the ledger: consents to go on with, and ones left open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, select

from agi_bridge.consent.encoding import Identifiers, timestamp
from agi_bridge.consent.ledger import queries
from agi_bridge.consent.ledger.schema import EVENT, PII, brand_key, is_rare
from agi_bridge.consent.models import StoredEvent
from agi_bridge.consent.record import ConsentRecord
from agi_bridge.consent.results import ActiveConsent, Unsent
from agi_bridge.consent.states import AGREED, Act, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi_bridge.consent.chain import Row
    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.database import Transaction


def recover(transaction: Transaction, writer: Writer) -> int:
    """Turn the submissions that a crash left open in our chain into `unknown`."""
    transaction.take_time()  # it looks at every submission there ever was
    later = EVENT.alias()
    closing = [state.value for state in State] + [Act.SETTLED.value]
    query = select(EVENT.c.consent_id).where(
        EVENT.c.ledger_id == writer.ledger_id,
        EVENT.c.type == State.SUBMITTING.value,
        ~exists().where(
            later.c.consent_id == EVENT.c.consent_id,
            later.c.id > EVENT.c.id,
            later.c.type.in_(closing),
        ),
    )
    left = transaction.core.execute(query).scalars().all()
    writer.hold(transaction, map("consent:{}".format, left))
    open_ = [id_ for id_ in left if writer.state(transaction, id_) is State.SUBMITTING]
    writer.append(
        transaction, [_event(id_, State.UNKNOWN, reason="bridge_stopped") for id_ in open_]
    )
    return len(open_)


def unsent_ids(transaction: Transaction) -> Sequence[str]:
    """The consents whose last state is `not_sent`, on any bridge; oldest first."""
    later = EVENT.alias()
    ids = transaction.core.execute(
        select(EVENT.c.consent_id)
        .where(
            is_rare(EVENT.c.type),
            EVENT.c.type == State.NOT_SENT.value,
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
    """What is to be known of some of them."""
    return [_unsent(queries.rows_of(transaction, consent_id)) for consent_id in ids]


def load_for_retry(transaction: Transaction, writer: Writer, consent_id: str) -> ConsentRecord:
    """Go on with a stored consent. LookupError if it is not there, erased or restricted."""
    state = writer.state(transaction, consent_id)
    personal = queries.personal(transaction, writer.vault, consent_id)
    if state is None or personal is None or _is_restricted(transaction, consent_id):
        raise LookupError(
            f"consent {consent_id} is not here, or its personal data is erased or restricted"
        )
    return ConsentRecord.stored(consent_id, state, personal)


def expire(transaction: Transaction, writer: Writer, consent_id: str, reason: str) -> None:
    """End a consent that is still unsent: it never will be sent."""
    writer.hold(transaction, [f"consent:{consent_id}"])
    if writer.state(transaction, consent_id) is State.NOT_SENT:
        writer.append(transaction, [_event(consent_id, State.EXPIRED, reason=reason)])


def active_consent(
    transaction: Transaction, writer: Writer, number: str, brand: str, purpose: str
) -> ActiveConsent | None:
    """The newest consent of a number for a brand and a purpose, neither revoked nor restricted."""
    pii = PII.c
    ids = transaction.core.execute(
        select(pii.consent_id)
        .where(
            pii.number_hmac == writer.vault.lookup(number),
            pii.brand == brand_key(brand),
            pii.kind == "consent",
            pii.restricted_until.is_(None),
        )
        .order_by(pii.at.desc())
    ).scalars()
    for consent_id in ids.all():
        if writer.state(transaction, consent_id) is not State.REVOKED:
            facts = queries.rows_of(transaction, consent_id)[0].fields
            # Who agreed to answers has not agreed to advertising, and was told of nothing else.
            if facts["purpose"] == purpose:
                return ActiveConsent(consent_id, facts.get("lang", ""))
    return None


def never_sent(transaction: Transaction, writer: Writer, consent_id: str) -> None:
    """A consent was stored after its call had given it up: nothing was sent, nothing will be."""
    writer.hold(transaction, [f"consent:{consent_id}"])
    if writer.state(transaction, consent_id) is State.SUBMITTING:
        reason = "stored_too_late"
        writer.append(
            transaction,
            [
                _event(consent_id, State.NOT_SENT, reason=reason),
                _event(consent_id, State.EXPIRED, reason=reason),
            ],
        )


def _unsent(rows: Sequence[Row]) -> Unsent:
    agreed = next(row for row in rows if row.type in AGREED)
    regions = [row.fields["region"] for row in rows if "region" in row.fields]
    return Unsent(
        consent_id=agreed.consent_id,
        line_id=rows[0].fields["line_id"],
        confirmed_at=agreed.at,
        last_at=max(row.at for row in rows),
        attempts=sum(row.type == State.SUBMITTING for row in rows),
        region=regions[-1],
    )


def _is_restricted(transaction: Transaction, consent_id: str) -> bool:
    """Whether its personal data is kept for a defence only; no text is one."""
    query = select(PII.c.restricted_until).where(PII.c.consent_id == consent_id)
    return transaction.core.execute(query).scalar() is not None


def _event(consent_id: str, state: State, **body: Any) -> StoredEvent:  # noqa: ANN401 - JSON
    return StoredEvent(Identifiers().next(), consent_id, state, timestamp(), body)
