"""`POST /v1/instaply/messages`: what customers write, as Instaply's webhook tells it.

    {"eventType": "message", "timestamp": 1700000000000, "data": {"fromCustomer": true,
     "businessId": 1001, "customerId": "cust_001", "messageId": 555001, "messageBody": "STOP", …}}

The event names no telephone number (docs.instaply.com/api/webhooks). A STOP whose customer's number
is on file is a revocation; any other, and what may be one, goes to the list of a person. Fields are
read generously: a STOP must not be lost to a number written as a text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.web.revocations import MAX_WORDS, clean, rfc_3339
from agi_bridge.web.stop_words import Intent, read_intent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agi_bridge.settings import Line

UNKNOWN: Final = "unknown"
"""The customer of a message that names none."""

_YES: Final = frozenset({"true", "1", "yes"})
_EVENTS: Final = frozenset({"message", "messages"})
_MAX_ID: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerMessage:
    """A message that asks for no more texts, or may do so.

    Attributes:
        intent: `STOP` or `UNCLEAR`.
        customer_id: Instaply's id of the customer; `unknown` if the message names none.
        business_id: Instaply's id of the business, None if the message names none.
        words: what the customer wrote.
        reference: the same for the same message, however often it is delivered.
        received: when the customer wrote, RFC 3339; None if the message does not say.
    """

    intent: Intent
    customer_id: str = field(repr=False)
    business_id: str | None
    words: str = field(repr=False)
    reference: str
    received: str | None


def read_message(values: Mapping[str, Any], body: bytes, now: datetime) -> CustomerMessage | None:
    """Return what an event says, or None if it asks for nothing that concerns consent.

    Args:
        values: the event.
        body: the same as it came.
        now: with its zone; a time after it is not believed.
    """
    data = values.get("data")
    if _word(values.get("eventType")) not in _EVENTS or not isinstance(data, dict):
        return None
    words = data.get("messageBody")
    if _word(data.get("fromCustomer")) not in _YES or not isinstance(words, str):
        return None
    intent = read_intent(words)
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


def brand_of(business_id: str | None, lines: Iterable[Line]) -> str | None:
    """Return the brand of a business; None, which means every brand, if no line has its id."""
    for line in lines:
        if business_id is not None and line.business_id == business_id:
            return line.brand
    return None


def _word(value: object) -> str:
    """A word, whichever way it was written: true, "True", 1."""
    return str(_whole(value)).strip().casefold() if isinstance(value, str | int | float) else ""


def _whole(value: object) -> object:
    """Any value; 77.0 is 77, as JSON makes no difference between them."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _id(value: object) -> str | None:
    """An id, which may be a number or a text."""
    value = _whole(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    if isinstance(value, int) and value.bit_length() > 64:  # noqa: PLR2004 - no id is longer
        return None
    return clean(str(value).strip()[:_MAX_ID]) or None


def _thread(data: Mapping[str, Any]) -> str | None:
    """The conversation, by which a person finds a customer that the message does not name."""
    thread = _id(data.get("customerThreadId"))
    return None if thread is None else f"thread {thread}"


def _received(values: Iterable[object], now: datetime) -> str | None:
    """The first that is a time: milliseconds since the epoch."""
    for value in map(_whole, values):
        if type(value) is int and 0 < value <= now.timestamp() * 1000:  # no bool
            return rfc_3339(datetime.fromtimestamp(value / 1000, UTC))
    return None
