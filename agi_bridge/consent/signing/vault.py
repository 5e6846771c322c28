"""Personal data at rest: sealed with AES-256-GCM under a key that is not in the database.

    sealed = header || nonce (12 bytes) || ciphertext and tag
    header = format (1 byte) || key id (the first 8 bytes of the key's SHA-256)

The header and the consent's id are authenticated with it, so that one consent's data can neither be
changed nor passed for another's. A row that no key at hand can open says whose key it wants: a lost
key is not a damaged row.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agi_bridge.consent.encoding import canonical
from agi_bridge.consent.errors import KeyMissing, VaultDamaged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.consent.signing.keys import Keys

_FORMAT: Final = b"\x01"
_KEY_ID_BYTES: Final = 8
_HEADER_BYTES: Final = len(_FORMAT) + _KEY_ID_BYTES
_NONCE_BYTES: Final = 12
"""Drawn at random for each row: one key may seal 2^32 of them (NIST SP 800-38D, section 8.3)."""
_TAG_BYTES: Final = 16


class Vault:
    """Seals, opens and finds personal data with a bridge's keys."""

    __slots__ = ("_ciphers", "_header", "_lookup")

    def __init__(self, keys: Keys) -> None:
        headers = [_FORMAT + hashlib.sha256(key).digest()[:_KEY_ID_BYTES] for key in keys.vault]
        self._ciphers = dict(zip(headers, map(AESGCM, keys.vault), strict=True))
        self._header = headers[0]
        self._lookup = keys.lookup

    def seal(self, consent_id: str, personal: Mapping[str, str]) -> bytes:
        """Seal what is personal in a consent, under the first key."""
        plain = canonical(personal).encode()
        nonce = os.urandom(_NONCE_BYTES)
        bound = self._header + consent_id.encode()
        return self._header + nonce + self._ciphers[self._header].encrypt(nonce, plain, bound)

    def open(self, consent_id: str, sealed: bytes) -> dict[str, str]:
        """What was sealed for that consent.

        Raises:
            KeyMissing: it was sealed under a key that is not at hand.
            VaultDamaged: it was changed, cut, or sealed for another consent.
        """
        header, rest = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        if not header.startswith(_FORMAT) or len(rest) < _NONCE_BYTES + _TAG_BYTES:
            raise VaultDamaged(f"consent {consent_id}: its personal data is cut or overwritten")
        cipher = self._ciphers.get(header)
        if cipher is None:
            raise KeyMissing(
                f"consent {consent_id}: sealed under the vault key {header[1:].hex()}, which is "
                "not at hand; add that key to those in vault.key"
            )
        try:
            plain = cipher.decrypt(
                rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], header + consent_id.encode()
            )
        except InvalidTag:
            raise VaultDamaged(
                f"consent {consent_id}: its personal data was changed, or is another consent's"
            ) from None
        opened: dict[str, str] = json.loads(plain)
        return opened

    def is_current(self, sealed: bytes) -> bool:
        """Whether it is sealed under the first key."""
        return sealed.startswith(self._header)

    def lookup(self, value: str) -> str:
        """The name under which a value is found: HMAC-SHA-256 with the look-up key, 64 digits."""
        return hmac.digest(self._lookup, value.encode("utf-8", "surrogatepass"), "sha256").hex()

    @property
    def lookup_check(self) -> str:
        """A text by which a database knows the look-up key it was written with."""
        return self.lookup("\0agi-bridge: the look-up key of this database")
