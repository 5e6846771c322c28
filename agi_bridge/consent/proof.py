"""Canonical bodies, commitments and identifiers: what makes a record checkable later."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Scalar: TypeAlias = "str | int | bool | None"
Body: TypeAlias = "Mapping[str, Scalar | Sequence[Scalar | Sequence[Scalar]]]"
"""What an event says: texts and whole numbers, flat or in short lists. No floats: two machines may
print the same one differently."""

_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)
SALT_BYTES = 32
_UUID7_VERSION_AND_VARIANT = (0x7 << 76) | (0b10 << 62)


def canonical(body: Body) -> str:
    """The one way to write a body: JSON, keys sorted, no spaces, characters as themselves."""
    return _ENCODER.encode(body)


def commitment(salt: bytes, field: str, value: str) -> str:
    """Bind a record to a personal value without holding it.

    HMAC-SHA-256 keyed with the consent's salt over the field's name, a zero byte and the value, in
    hexadecimal. Salt and value together open it; with both erased it says nothing.
    """
    return hmac.digest(salt, f"{field}\0{value}".encode(), "sha256").hex()


def text_sha256(text: str) -> str:
    """SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def new_salt() -> bytes:
    """A fresh salt from the operating system's random source."""
    return secrets.token_bytes(SALT_BYTES)


def uuid7() -> str:
    """A version 7 UUID (RFC 9562, section 5.7): its order is the order of creation, to 1 ms."""
    random = int.from_bytes(secrets.token_bytes(10))
    random &= ~((0xF << 76) | (0b11 << 62))
    milliseconds = time.time_ns() // 1_000_000
    return str(uuid.UUID(int=(milliseconds << 80) | _UUID7_VERSION_AND_VARIANT | random))


def timestamp(at: datetime | None = None) -> str:
    """RFC 3339 in UTC with milliseconds, of `at` or of now."""
    at = datetime.now(UTC) if at is None else at.astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
