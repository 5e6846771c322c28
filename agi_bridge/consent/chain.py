"""The chain of hashes: every event is bound to all before it on the same bridge.

    leaf = SHA-256(0x00 || body)        h[n] = SHA-256(0x01 || h[n-1] || leaf)

The first byte keeps a body from passing for a link (as RFC 6962, section 2.1, does). A chain shows
that nothing in it was changed since its head was seen elsewhere; `checkpoint` sends the head away.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

START: Final = bytes(32)
"""The hash before the first event."""


def leaf(body: str) -> bytes:
    """The hash of one event's body."""
    return hashlib.sha256(b"\0" + body.encode()).digest()


def link(previous: bytes, leaf_: bytes) -> bytes:
    """The hash of a chain that ends with an event, from the hash before it and the event's leaf."""
    return hashlib.sha256(b"\1" + previous + leaf_).digest()


@dataclass(frozen=True, slots=True)
class Row:
    """An event as it lies in the database.

    The body says all of it again, so the other columns but `hash` are no more than an index: `hash`
    is that of the chain up to and with this event, in hexadecimal.
    """

    ledger_id: str
    seq: int
    consent_id: str
    type: str
    at: str
    body: str = field(repr=False)
    hash: str

    @property
    def fields(self) -> Mapping[str, Any]:
        """The body, read. ValueError if it is no JSON object."""
        facts = json.loads(self.body)
        if not isinstance(facts, dict):
            raise ValueError("the body is no object")  # noqa: TRY004 - json's own is a ValueError
        return facts


@dataclass(frozen=True, slots=True)
class Chain:
    """One bridge's chain: its id, the public key it belongs to (base64), and its head."""

    ledger_id: str
    public_key: str
    seq: int
    hash: str
