"""Which signing key is the business's: told by a file or by its fingerprint."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agi_bridge.cli.errors import UsageError
from agi_bridge.consent.signing import ledger_id_of

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{32}")
_RAW_BYTES: Final = 32


def trusted_chain(given: str) -> str:
    """The id of the chain that belongs to a public key: its fingerprint.

    `given` is that id itself, or a file that holds the key in PEM or its 32 bytes in base64.

    Raises:
        UsageError: it is neither.
    """
    if _FINGERPRINT.fullmatch(given.lower()):
        return given.lower()
    try:
        return ledger_id_of(_raw(Path(given).read_bytes().strip()))
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    except ValueError:
        reason = "holds no Ed25519 public key"
    raise UsageError(
        f"--public-key: {given} {reason}; name a file in PEM or base64, or 32 hex digits"
    )


def _raw(text: bytes) -> bytes:
    """The 32 bytes of a public key. ValueError if it is none."""
    if text.startswith(b"-----BEGIN"):
        key = serialization.load_pem_public_key(text)
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("another kind of key")
        return key.public_bytes_raw()
    raw = base64.b64decode(text, validate=True)
    if len(raw) != _RAW_BYTES:
        raise ValueError("not 32 bytes")
    return raw
