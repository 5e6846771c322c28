"""Reads a webhook as a careful receiver does: the signature first, then what it says.

Written from the specification of Standard Webhooks, not with the code that signs, so that a fault
there shows here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TOLERANCE_SECONDS: Final = 300
"""How far the time of a request may be from the receiver's clock."""


def is_webhook(headers: Mapping[str, str]) -> bool:
    """Whether a request says that it is a webhook; header names are lower-case."""
    return "webhook-id" in headers


def is_genuine(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float | None = None
) -> bool:
    """Whether one of the secrets, as they are written down, signed this request lately."""
    given, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    here = time.time() if now is None else now
    if not at.isdecimal() or abs(int(at) - here) > TOLERANCE_SECONDS:
        return False
    signatures = [
        part.removeprefix("v1,")
        for part in headers.get("webhook-signature", "").split(" ")
        if part.startswith("v1,")
    ]
    message = b".".join((given.encode(), at.encode(), body))
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        wanted = base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()
        if any(hmac.compare_digest(wanted, signature) for signature in signatures):
            return True
    return False


def is_late(data: Mapping[str, str], now: float) -> bool:
    """Whether the time for a text is over: then a receiver only says what it has done."""
    try:
        return now >= datetime.fromisoformat(data["text_before"]).timestamp()
    except (KeyError, ValueError):
        return False


def facts(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """Return the texts of a webhook's `data`; nothing if the body is not such a document.

    The repeated request is known by its key, so a key that is not the consent's id is a fault.
    """
    try:
        document = json.loads(body)
        data = document["data"]
    except (ValueError, KeyError, TypeError):
        return {}
    if not isinstance(data, dict) or headers.get("idempotency-key") != data.get("consent_id"):
        return {}
    return {name: value for name, value in data.items() if isinstance(value, str)}
