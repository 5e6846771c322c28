"""Withdrawing consent, and other acts that people bring in from outside the call."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from agi_bridge.consent.encoding import Identifiers, commitment, new_salt, timestamp
from agi_bridge.consent.errors import IllegalTransition
from agi_bridge.consent.ledger import queries
from agi_bridge.consent.ledger.schema import EVERY_BRAND, PII, SUPPRESSION, brand_key
from agi_bridge.consent.models import PersonalData, StoredEvent
from agi_bridge.consent.revocation import RevocationResult
from agi_bridge.consent.states import FOLLOWS, Act, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.consent.encoding import Body
    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.database import Transaction
    from agi_bridge.consent.revocation import Revocation


class Again(Exception):  # noqa: N818 - no error: the transaction is to be tried once more
    """A consent came in while we waited for its number."""


def revoke(transaction: Transaction, writer: Writer, request: Revocation) -> RevocationResult:
    """Suppress a number for a brand (or every one) and end the consents that it gave.

    Raises:
        Again: try the transaction once more.
    """
    number = writer.vault.lookup(request.number)
    id_ = _act_id(writer, f"revocation {request.channel}", request.reference)
    before = _consents(transaction, number, request.brand)
    writer.hold(
        transaction, [f"number:{number}", f"consent:{id_}", *map("consent:{}".format, before)]
    )
    known = queries.rows_of(transaction, id_)
    if known:
        return RevocationResult(id_, known[0].fields["consents"], already=True)
    consents = _consents(transaction, number, request.brand)
    if consents != before:
        raise Again
    ended = [
        consent_id
        for consent_id in consents
        if State.REVOKED in FOLLOWS[writer.state(transaction, consent_id)]
    ]
    now, new = timestamp(), Identifiers()
    person = PersonalData(
        kind="revocation",
        values=_known(number=request.number, words=request.words, reference=request.reference),
    )
    body: Body = {
        "received": request.received or now,
        "honoured": now,
        "channel": request.channel,
        "scope": EVERY_BRAND if request.brand is None else request.brand,
        "actor": request.actor,
        "passed_on": request.passed_on,
        "consents": len(ended),
        "number_c": commitment(bytes.fromhex(person.values["salt"]), "number", request.number),
    }
    events = [StoredEvent(new.next(), id_, Act.REVOCATION, now, body)]
    events += [
        StoredEvent(
            new.next(), consent_id, State.REVOKED, now,
            {"revocation": id_, "channel": request.channel},
        )
        for consent_id in ended
    ]  # fmt: skip
    writer.append(transaction, events)
    writer.keep_personal(transaction, id_, person)
    _suppress(transaction, number, request.brand, id_, now)
    return RevocationResult(id_, len(ended))


def message(
    transaction: Transaction,
    writer: Writer,
    customer_id: str,
    words: str,
    *,
    reference: str,
    business_id: str | None,
) -> str:
    """Keep a request to stop whose sender's number is not known; the same one only once."""
    id_ = _act_id(writer, "message", reference)
    writer.hold(transaction, [f"consent:{id_}"])
    if queries.rows_of(transaction, id_):
        return id_
    now = timestamp()
    person = PersonalData(
        kind="message", values=_known(customer_id=customer_id, words=words, reference=reference)
    )
    body = {
        "channel": "instaply",
        "business_id": business_id,
        "customer_c": commitment(bytes.fromhex(person.values["salt"]), "customer", customer_id),
    }
    writer.append(transaction, [StoredEvent(Identifiers().next(), id_, Act.MESSAGE, now, body)])
    writer.keep_personal(transaction, id_, person)
    return id_


def act(
    transaction: Transaction,
    writer: Writer,
    type_: Act,
    consent_id: str,
    body: Mapping[str, Any],
) -> None:
    """Store an act that changes no state.

    Raises:
        LookupError: what is to be resolved is not in the ledger.
        IllegalTransition: it does not wait for a person.
    """
    writer.hold(transaction, [f"consent:{consent_id}"])
    if type_ is Act.RESOLVED:
        rows = queries.rows_of(transaction, consent_id)
        if not rows:
            raise LookupError(f"{consent_id} is not in the ledger")
        types = {row.type for row in rows}
        if Act.RESOLVED in types or not types & {State.UNKNOWN, Act.REVOCATION, Act.MESSAGE}:
            raise IllegalTransition(f"{consent_id} does not wait for anybody")
    event = StoredEvent(Identifiers().next(), consent_id, type_, timestamp(), dict(body))
    writer.append(transaction, [event])


def _consents(transaction: Transaction, number: str, brand: str | None) -> list[str]:
    """The consents on record of a number, for a brand or for all."""
    pii = PII.c
    query = select(pii.consent_id).where(
        pii.number_hmac == number, pii.kind.in_(["consent", "returned"])
    )
    if brand is not None:
        query = query.where(pii.brand == brand_key(brand))
    return list(transaction.core.execute(query.order_by(pii.consent_id)).scalars())


def _suppress(
    transaction: Transaction, number: str, brand: str | None, revocation_id: str, now: str
) -> None:
    row = SUPPRESSION.c
    key = EVERY_BRAND if brand is None else brand_key(brand)
    values = {"revocation_id": revocation_id, "revoked_at": now, "lifted_at": None}
    this = (row.number_hmac == number, row.brand == key)
    changed = transaction.core.execute(update(SUPPRESSION).where(*this).values(**values))
    if changed.rowcount == 0:
        transaction.core.execute(
            SUPPRESSION.insert().values(number_hmac=number, brand=key, **values)
        )
    if brand is None:  # what was lifted for one brand is revoked again
        transaction.core.execute(
            update(SUPPRESSION).where(row.number_hmac == number).values(lifted_at=None)
        )


def _act_id(writer: Writer, kind: str, reference: str | None) -> str:
    """An id that the same request always gets (RFC 9562, version 8), or a new one."""
    if reference is None:
        return Identifiers().next()
    digest = bytearray.fromhex(writer.vault.lookup(f"{kind}\0{reference}")[:32])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))


def _known(**values: str | None) -> dict[str, str]:
    """What is sealed, with a salt of its own."""
    known = {name: value for name, value in values.items() if value is not None}
    return {"salt": new_salt().hex(), **known}
