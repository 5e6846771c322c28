"""The hash chain: the SHA-256 of each event covers all events before it on the same bridge.

    leaf = SHA-256(0x00 || SHA-256(tags) || SHA-256(body))
    h[n] = SHA-256(0x01 || h[n-1] || leaf)

The first byte keeps a leaf from passing for a link (as RFC 6962, section 2.1, does). A chain shows
that nothing in it was changed since its head was seen elsewhere; `checkpoint` sends the head away.

A leaf has two parts so that an export can hide an event and still show its tags. Who knows a
person's salt or a record's id sees by them whether the event is that person's or names that record,
and nobody else learns anything. So an export cannot hide an event of what it shows.

    tag = first 16 bytes of HMAC-SHA-256(key, "tag" || 0x00 || ledger_id || 0x00 || seq)

The key is the person's salt, or the id of a record. The event's place in its chain is part of it:
two hidden events of one person have nothing in common.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent.encoding import Hmac, hmac_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

START: Final = bytes(32)
"""The hash before the first event."""
TAG_BYTES: Final = 16

_sha256 = hashlib.sha256


def leaf(tags: str, body: str) -> bytes:
    """The hash of one event, from its tags and its body as they are stored."""
    return _sha256(
        b"\0" + _sha256(tags.encode()).digest() + _sha256(body.encode()).digest()
    ).digest()


def hidden_leaf(tags: str, body_sha256: bytes) -> bytes:
    """The same of an event of which only the tags and the hash of the body are shown."""
    return _sha256(b"\0" + _sha256(tags.encode()).digest() + body_sha256).digest()


def link(previous: bytes, leaf_: bytes) -> bytes:
    """The hash of a chain that ends with an event, from the hash before it and the event's leaf."""
    return _sha256(b"\1" + previous + leaf_).digest()


def tag(key: bytes, ledger_id: str, seq: int) -> str:
    """The tag of an event that belongs to the person or names the record with this key, in hex."""
    place = f"tag\0{ledger_id}\0{seq}".encode()
    return hmac_sha256(key, place)[:TAG_BYTES].hex()


class Tagger:
    """The tags of one key in one chain; what is the same in all of them is computed once."""

    __slots__ = ("_hmac",)

    def __init__(self, key: bytes, ledger_id: str) -> None:
        self._hmac = Hmac(key, f"tag\0{ledger_id}\0".encode())

    def tag(self, seq: int) -> str:
        """The tag of an event, as `tag` computes it."""
        return self._hmac.digest(b"%d" % seq)[:TAG_BYTES].hex()


def tags_text(tags: Iterable[str]) -> str:
    """Tags as they are stored: a JSON list, sorted, so that their order says nothing."""
    quoted = '","'.join(sorted(tags))
    return f'["{quoted}"]' if quoted else "[]"


def named_records(consent_id: str, body: Mapping[str, Any]) -> set[str]:
    """The ids of the records that an event names: its own, and those in its body."""
    named = {consent_id}
    for name in RECORD_FIELDS:
        value = body.get(name)
        if isinstance(value, str):
            named.add(value)
    return named


RECORD_FIELDS: Final = ("consent", "revocation")
"""The fields of a body that hold the id of another record."""


@dataclass(frozen=True, slots=True)
class Row:
    """An event as the database holds it.

    The body repeats all of it, so the columns other than `tags` and `hash` are only an index.
    `hash` is that of the chain up to and with this event, in hexadecimal.
    """

    ledger_id: str
    seq: int
    consent_id: str
    type: str
    at: str
    tags: str = field(repr=False)
    body: str = field(repr=False)
    hash: str

    @property
    def fields(self) -> Mapping[str, Any]:
        """The body, parsed. ValueError if it is not a JSON object."""
        facts = json.loads(self.body)
        if not isinstance(facts, dict):
            raise ValueError("the body is not an object")  # noqa: TRY004 - json's own is a ValueError
        return facts


@dataclass(frozen=True, slots=True)
class Chain:
    """One bridge's chain: its id, the public key it belongs to (base64), and its head."""

    ledger_id: str
    public_key: str
    seq: int
    hash: str
