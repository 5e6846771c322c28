"""Signatures of webhooks: the scheme of Standard Webhooks, version 1 (symmetric, HMAC-SHA256).

A request has an id, the time of the attempt in seconds since the epoch, and a body. Each secret
signs `ID.TIME.BODY`; the header has one signature a secret, so that a secret can be replaced
without a moment in which a receiver knows neither
(github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md, "Verifying signatures").
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ID_HEADER: Final = "webhook-id"
TIME_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"

PREFIX: Final = "whsec_"
"""What a secret begins with when it is written down."""
LEAST_BYTES: Final = 24
MOST_BYTES: Final = 64
"""The length of a secret ("Symmetric signatures")."""
_NEW_BYTES: Final = 32
MOST_SECRETS: Final = 4
"""The one in force, and those that it replaces or that replace it."""


class InvalidSecret(ValueError):  # noqa: N818 - a value that is not what it should be
    """A text contains no usable secrets. The message names no part of it."""


def read_secrets(text: str) -> tuple[bytes, ...]:
    """Return the secrets of a text, one a line: `whsec_` and 24 to 64 bytes in base64.

    Raises:
        InvalidSecret: a line is not a secret, or there are none, or too many.
    """
    lines = text.split()
    if not 0 < len(lines) <= MOST_SECRETS:
        raise InvalidSecret(f"must contain 1 to {MOST_SECRETS} secrets, one a line")
    return tuple(map(_read_secret, lines))


def signature_headers(
    keys: Iterable[bytes], message_id: str, at: int, body: bytes
) -> dict[str, str]:
    """Return the three headers that sign a request.

    Args:
        keys: the secrets; each makes a signature.
        message_id: the same for every attempt; without full stops.
        at: seconds since the epoch.
        body: as it is sent.
    """
    signed = f"{message_id}.{at}.".encode() + body
    return {
        ID_HEADER: message_id,
        TIME_HEADER: str(at),
        SIGNATURE_HEADER: " ".join(f"v1,{_sign(key, signed)}" for key in keys),
    }


def _sign(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode("ascii")


def _read_secret(line: str) -> bytes:
    problem = f"must be {PREFIX} and {LEAST_BYTES} to {MOST_BYTES} bytes in base64 on each line"
    if not line.startswith(PREFIX):
        raise InvalidSecret(problem)
    try:
        secret = base64.b64decode(line.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise InvalidSecret(problem) from None
    if not LEAST_BYTES <= len(secret) <= MOST_BYTES:
        raise InvalidSecret(problem)
    return secret


def new_secret() -> str:
    """Return a new secret as it is written down."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_NEW_BYTES)).decode("ascii")
