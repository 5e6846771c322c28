"""Stores revocations, messages and decisions of people: acts from outside a call."""

from __future__ import annotations

import uuid
from itertools import count
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from agi_bridge.consent.encoding import Identifiers, commitment, new_salt, timestamp
from agi_bridge.consent.errors import IllegalTransition, RecordDamaged, reading
from agi_bridge.consent.ledger import queries
from agi_bridge.consent.ledger.repeats import is_open
from agi_bridge.consent.ledger.schema import LIFTING, PII, SUPPRESSION, brand_key, scope_key
from agi_bridge.consent.models import PersonalData, StoredEvent
from agi_bridge.consent.revocation import RevocationResult
from agi_bridge.consent.states import FOLLOWS, Act, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.revocation import Revocation


class RetryTransaction(Exception):  # noqa: N818 - no error: the transaction is to be tried once more
    """A consent was stored while we waited for the lock on its number."""


def revoke(transaction: Transaction, writer: Writer, request: Revocation) -> RevocationResult:
    """Suppress a number for a brand, a seller or all, and revoke its consents.

    Raises:
        RetryTransaction: try the transaction once more.
    """
    number = writer.vault.lookup(request.number)
    before = _candidates(transaction, number)
    writer.lock(transaction, [f"number:{number}", *map("consent:{}".format, before)])
    id_, known = _request_id(transaction, writer, request)
    if known is not None:
        return RevocationResult(id_, known["consents"], known["under_way"], already=True)
    candidates = _candidates(transaction, number)
    if candidates != before:
        raise RetryTransaction
    states = {
        consent_id: writer.state(transaction, consent_id)
        for consent_id in candidates
        if _reaches(transaction, request, consent_id)
    }
    ended = [
        consent_id
        for consent_id, state in states.items()
        if state is not None and State.REVOKED in FOLLOWS[state]  # None: its last event was changed
    ]
    under_way = sum(states[consent_id] is State.SUBMITTING for consent_id in ended)
    personal = PersonalData(
        kind="revocation",
        values=bound_values(
            number=request.number, words=request.words, reference=request.reference
        ),
    )
    person = writer.keep_personal(transaction, id_, personal)
    events = _events(request, id_, ended, under_way, commitments_of(personal))
    writer.append(transaction, events, persons=dict.fromkeys([id_, *ended], person))
    transaction.core.execute(
        SUPPRESSION.insert().values(
            revocation_id=id_,
            number_hmac=number,
            scope=_scope(request),
            brand=None if request.brand is None else brand_key(request.brand),
        )
    )
    return RevocationResult(id_, len(ended), under_way)


def message(
    transaction: Transaction,
    writer: Writer,
    customer_id: str,
    words: str,
    *,
    reference: str,
    business_id: str | None,
    received: str | None = None,
) -> str:
    """Store an opt-out whose sender's number is unknown; the same one only once."""
    id_ = derived_id(writer, f"message\0{reference}")
    writer.lock(transaction, [f"consent:{id_}"])
    if queries.rows_of(transaction, id_):
        return id_
    personal = PersonalData(
        kind="message",
        values=bound_values(customer_id=customer_id, words=words, reference=reference),
    )
    body: dict[str, Any] = {
        "channel": "instaply",
        "business_id": business_id,
        **commitments_of(personal),
    }
    if received is not None:
        body["received"] = received
    event = StoredEvent(Identifiers().next(), id_, Act.MESSAGE, timestamp(), body)
    person = writer.keep_personal(transaction, id_, personal)
    writer.append(transaction, [event], persons={id_: person})
    return id_


def act(
    transaction: Transaction,
    writer: Writer,
    type_: Act,
    consent_id: str,
    body: Mapping[str, Any],
) -> None:
    """Store an act that changes no state.

    Other systems are told that an unknown outcome is found to be a text, as of any other text,
    unless the consent was revoked meanwhile.

    Raises:
        LookupError: what is to be resolved is not in the ledger.
        IllegalTransition: it does not wait for a person.
    """
    writer.lock(transaction, [f"consent:{consent_id}"])
    quiet = True
    if type_ is Act.RESOLVED:
        rows = queries.rows_of(transaction, consent_id)
        if not rows:
            raise LookupError(f"{consent_id} is not in the ledger")
        if not is_open([row.type for row in rows]):
            raise IllegalTransition(f"{consent_id} does not wait for a person", code="not_waiting")
        is_revoked = any(row.type == State.REVOKED for row in rows)
        quiet = body["as"] != "texted" or is_revoked
    event = StoredEvent(Identifiers().next(), consent_id, type_, timestamp(), dict(body))
    writer.append(transaction, [event], quiet=quiet)


def _events(
    request: Revocation,
    id_: str,
    ended: Sequence[str],
    under_way: int,
    commitments: Mapping[str, str],
) -> list[StoredEvent]:
    """The revocation's own event, and one for each consent that it ends."""
    now, new = timestamp(), Identifiers()
    body: dict[str, Any] = {
        "received": request.received or now,
        "honoured": now,
        "channel": request.channel,
        "scope": request.scope,
        "brand": request.brand,
        "seller": request.seller,
        "actor": request.actor,
        "passed_on": request.passed_on,
        "consents": len(ended),
        "under_way": under_way,
        **commitments,
    }
    if request.dialogue is not None:
        body["dialogue"] = list(request.dialogue)
    of_consents = {"revocation": id_, "channel": request.channel}
    return [
        StoredEvent(new.next(), id_, Act.REVOCATION, now, body),
        *(StoredEvent(new.next(), each, State.REVOKED, now, of_consents) for each in ended),
    ]


def _candidates(transaction: Transaction, number: str) -> list[str]:
    """All stored consents of a number, for any brand."""
    pii = PII.c
    query = select(pii.consent_id).where(
        pii.number_hmac == number, pii.kind.in_(["consent", "returned", "imported"])
    )
    return list(transaction.core.execute(query.order_by(pii.consent_id)).scalars())


def _reaches(transaction: Transaction, request: Revocation, consent_id: str) -> bool:
    """Whether a revocation reaches a consent, by what the consent's first event says."""
    if request.scope == "all":
        return True
    try:
        with reading(consent_id):
            facts = queries.rows_of(transaction, consent_id)[0].fields
            if request.brand is not None and brand_key(facts["brand"]) == brand_key(request.brand):
                return True
            of_seller = brand_key(facts["legal_name"]) == brand_key(request.seller or "")
            return request.scope == "seller" and of_seller
    except RecordDamaged:  # nobody knows any more: who said STOP gets none
        return True


def _request_id(
    transaction: Transaction, writer: Writer, request: Revocation
) -> tuple[str, Mapping[str, Any] | None]:
    """The id of a request, and the body of its event if it is on record and still in force.

    Channel, reference, number and scope make the same request the same. One that a consent has
    lifted since is a new request, even if it has the same reference: it gets the next id.
    """
    if request.reference is None:
        return Identifiers().next(), None
    facts = (request.channel, request.reference, request.number, _scope(request))
    for times in count():
        id_ = derived_id(writer, "\0".join(["revocation", *facts, str(times)]))
        known = queries.rows_of(transaction, id_)
        if not known:
            return id_, None
        if _is_in_force(transaction, id_):
            return id_, known[0].fields
    raise AssertionError("unreachable")


def _is_in_force(transaction: Transaction, revocation_id: str) -> bool:
    """Whether nothing has lifted a revocation, not even for one brand of many."""
    row = LIFTING.c
    query = select(row.brand).where(row.revocation_id == revocation_id).limit(1)
    return transaction.core.execute(query).first() is None


def _scope(request: Revocation) -> str:
    return scope_key(request.scope, request.brand, request.seller)


def derived_id(writer: Writer, facts: str) -> str:
    """An id that the same facts always get (RFC 9562, version 8)."""
    digest = bytearray.fromhex(writer.vault.lookup(facts)[:32])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))


def commitments_of(personal: PersonalData) -> dict[str, str]:
    """A commitment to each value that is sealed."""
    values = dict(personal.values)
    salt = bytes.fromhex(values.pop("salt"))
    return {f"{name}_c": commitment(salt, name, value) for name, value in values.items()}


def bound_values(**values: str | None) -> dict[str, str]:
    """What is sealed, with its own salt."""
    known = {name: value for name, value in values.items() if value is not None}
    return {"salt": new_salt().hex(), **known}
