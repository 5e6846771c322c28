"""The body of a message: what docs/push.md promises, made of an event and its record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agi_bridge.consent import PushType

if TYPE_CHECKING:
    from agi_bridge.consent import PushMessage


def payload(message: PushMessage) -> bytes:
    """The body of a message, as JSON in ASCII."""
    of_revocation = message.type is PushType.REVOKED
    about = _revocation(message) if of_revocation else _consent(message)
    document = {
        "type": f"consent.{message.type.value}",
        "timestamp": message.at,
        "data": {"number": message.number, "personal_data": message.personal, **about},
    }
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def _consent(message: PushMessage) -> dict[str, Any]:
    call = message.call
    about: dict[str, Any] = {
        "consent_id": message.record,
        "line": call["line_id"],
        "brand": call["brand"],
        "seller": call["legal_name"],
        "purpose": call["purpose"],
    }
    if message.type is PushType.ACCEPTED:
        about["unfinished"] = message.unfinished
    if message.type is PushType.EXPIRED:
        about["reason"] = message.facts["reason"]
    return about


def _revocation(message: PushMessage) -> dict[str, Any]:
    facts = message.facts
    return {
        "revocation_id": message.record,
        "scope": facts["scope"],
        "brand": facts["brand"],
        "seller": facts["seller"],
        "channel": facts["channel"],
        "received": facts["received"],
        "consents": list(message.ended),
    }
