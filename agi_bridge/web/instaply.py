"""`POST /v1/instaply/messages`: reads customers' messages from Instaply's webhook.

    {"eventType": "message", "timestamp": 1700000000000, "data": {"fromCustomer": true,
     "businessId": 1001, "customerId": "cust_001", "messageId": 555001, "messageBody": "STOP", …}}

The event contains no phone number (docs.instaply.com/api/webhooks). A STOP is a revocation, and a
YES completes the consents that wait for one, if the customer's number is in the file of customers;
otherwise `lookups` asks Instaply for the number. A STOP whose number is not known waits for a
person, like a message that may be one. Field types are not strict: a STOP must not be lost because
an id is a string.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent import Revocation
from agi_bridge.web.revocations import MAX_WORDS, clean, rfc_3339
from agi_bridge.web.stop_words import Intent, read_intent
from agi_bridge.web.yes_words import says_yes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agi_bridge.consent import OpenMessage
    from agi_bridge.settings import Line, RevocationReach

UNKNOWN: Final = "unknown"
"""The customer id of a message without one."""

_YES: Final = frozenset({"true", "1", "yes"})
_EVENTS: Final = frozenset({"message", "messages"})
_MAX_ID: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerMessage:
    """A message that asks, or may ask, for no more texts, or that says YES.

    Attributes:
        intent: what it asks for; never `OTHER`.
        customer_id: Instaply's id of the customer; `unknown` if the message has none.
        business_id: Instaply's id of the business; None if the message has none.
        words: the customer's text.
        reference: identifies the message; the same for every delivery of it.
        received: the time of the message (RFC 3339); None if it has none.
    """

    intent: Intent
    customer_id: str = field(repr=False)
    business_id: str | None
    words: str = field(repr=False)
    reference: str
    received: str | None


def read_message(values: Mapping[str, Any], body: bytes, now: datetime) -> CustomerMessage | None:
    """Return the message of an event, or None if it does not concern consent.

    Args:
        values: the event.
        body: the event's bytes.
        now: the time, with its zone; later times in the event are ignored.
    """
    data = values.get("data")
    if _word(values.get("eventType")) not in _EVENTS or not isinstance(data, dict):
        return None
    words = data.get("messageBody")
    if _word(data.get("fromCustomer")) not in _YES or not isinstance(words, str):
        return None
    intent = intent_of(words)
    if intent is Intent.OTHER:
        return None
    customer_id = _id(data.get("customerId")) or _thread(data) or UNKNOWN
    message_id = _id(data.get("messageId"))
    return CustomerMessage(
        intent=intent,
        customer_id=customer_id,
        business_id=_id(data.get("businessId")),
        words=clean(words[:MAX_WORDS]),
        reference=f"message {message_id}" if message_id else hashlib.sha256(body).hexdigest(),
        received=_received((data.get("messageTimestamp"), values.get("timestamp")), now),
    )


def intent_of(words: str) -> Intent:
    """What a customer's text asks for; a STOP goes before a YES."""
    intent = read_intent(words)
    return Intent.YES if intent is not Intent.STOP and says_yes(words) else intent


def reach_of(business_id: str | None, lines: Iterable[Line]) -> RevocationReach:
    """How far a STOP to a business reaches; everything, if no line has the business's id."""
    for line in lines:
        if business_id is not None and line.business_id == business_id:
            return line.revocation_reach()
    return {"scope": "all", "brand": None, "seller": None}


def revocation(
    message: CustomerMessage | OpenMessage, number: str, lines: Iterable[Line]
) -> Revocation:
    """Return the revocation that a STOP is, once its customer's number is known."""
    return Revocation(
        number=number,
        **reach_of(message.business_id, lines),
        channel="instaply",
        actor="customer",
        reference=message.reference,
        words=message.words,
        received=message.received,
        passed_on=True,  # it comes from the platform
    )


def brands_of(business_id: str | None, lines: Iterable[Line]) -> frozenset[str]:
    """The brands that a YES to a business agrees to: those of the lines with the business's id.

    If no line has it, those of the lines without an id: the file names no business then.
    """
    given = tuple(lines)
    named = {each.brand for each in given if business_id and each.business_id == business_id}
    return frozenset(named or {each.brand for each in given if not each.business_id})


def _word(value: object) -> str:
    """A value as a lower-case word: true, "True", 1."""
    return str(_whole(value)).strip().casefold() if isinstance(value, str | int | float) else ""


def _whole(value: object) -> object:
    """The value, with 77.0 as 77: JSON does not distinguish them."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _id(value: object) -> str | None:
    """An id, written as a number or a string."""
    value = _whole(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    if isinstance(value, int) and value.bit_length() > 64:  # noqa: PLR2004 - no id is longer
        return None
    return clean(str(value).strip()[:_MAX_ID]) or None


def _thread(data: Mapping[str, Any]) -> str | None:
    """The conversation, by which a person finds the customer of a message without an id."""
    thread = _id(data.get("customerThreadId"))
    return None if thread is None else f"thread {thread}"


def _received(values: Iterable[object], now: datetime) -> str | None:
    """The first valid time: milliseconds since the epoch, not in the future."""
    for value in map(_whole, values):
        if type(value) is int and 0 < value <= now.timestamp() * 1000:  # no bool
            return rfc_3339(datetime.fromtimestamp(value / 1000, UTC))
    return None
