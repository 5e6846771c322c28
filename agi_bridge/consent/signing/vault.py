"""Seals and opens personal data: under a key per person, which is sealed under the vault key.

    sealed person = header || nonce (12 bytes) || ciphertext of key and salt, and tag
    header        = format (1 byte) || vault key's id (the first 8 bytes of its SHA-256)
    sealed data   = format (1 byte) || nonce (12 bytes) || ciphertext and tag

All is AES-256-GCM. Header and owner (the person's id, the record's id) are authenticated with it:
data can neither be changed nor passed for another's. A person that no available vault key can open
says whose key it wants: a lost key is not a damaged row.

Two levels, so that data can be erased where it cannot be overwritten: PostgreSQL leaves old rows in
its files and its log, but without the person's key they say nothing (crypto-shredding).
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agi_bridge.consent.encoding import SALT_BYTES, Hmac, canonical_bytes, random_bytes
from agi_bridge.consent.errors import KeyMissing, VaultDamaged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.consent.signing.keys import Keys

_PERSON_FORMAT: Final = b"\x02"
_DATA_FORMAT: Final = b"\x03"
_KEY_BYTES: Final = 32
_KEY_ID_BYTES: Final = 8
_HEADER_BYTES: Final = len(_PERSON_FORMAT) + _KEY_ID_BYTES
_NONCE_BYTES: Final = 12
"""Drawn at random for each row: one key may seal 2^32 of them (NIST SP 800-38D, section 8.3)."""
_TAG_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class PersonKey:
    """What belongs to one person: the key that seals their data, and the salt of their tags."""

    key: bytes = field(repr=False)
    salt: bytes = field(repr=False)

    @classmethod
    def new(cls, salt: bytes | None = None) -> PersonKey:
        """A fresh key, with the salt that the person's tags have already, if there are any."""
        drawn = os.urandom(_KEY_BYTES + SALT_BYTES)
        return cls(drawn[:_KEY_BYTES], salt or drawn[_KEY_BYTES:])


class Vault:
    """Seals, opens and finds personal data with a bridge's keys."""

    __slots__ = ("_ciphers", "_header", "_lookup")

    def __init__(self, keys: Keys) -> None:
        headers = [
            _PERSON_FORMAT + hashlib.sha256(key).digest()[:_KEY_ID_BYTES] for key in keys.vault
        ]
        self._ciphers = dict(zip(headers, map(AESGCM, keys.vault), strict=True))
        self._header = headers[0]
        self._lookup = Hmac(keys.lookup)

    def seal_person(self, person_id: str, person: PersonKey) -> bytes:
        """Seal a person's key and salt under the first vault key."""
        nonce, bound = random_bytes(_NONCE_BYTES), self._header + person_id.encode()
        plain = person.key + person.salt
        return self._header + nonce + self._ciphers[self._header].encrypt(nonce, plain, bound)

    def open_person(self, person_id: str, sealed: bytes | None) -> PersonKey:
        """A person's key and salt.

        Raises:
            KeyMissing: they were sealed under a vault key that is not available.
            VaultDamaged: they are not there, or were changed, cut, or sealed for another person.
        """
        if sealed is None:
            raise VaultDamaged("the key of a person's data is missing")
        if type(sealed) is not bytes:  # SQLite takes any type in any column
            raise VaultDamaged("the key of a person's data is cut or overwritten")
        header, rest = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        if not header.startswith(_PERSON_FORMAT) or len(rest) < _NONCE_BYTES + _TAG_BYTES:
            raise VaultDamaged("the key of a person's data is cut or overwritten")
        cipher = self._ciphers.get(header)
        if cipher is None:
            raise KeyMissing(
                f"personal data is sealed under the vault key {header[1:].hex()}, which is not "
                "available; add that key to those in vault.key",
                code="vault_key_missing",
            )
        try:
            plain = cipher.decrypt(
                rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], header + person_id.encode()
            )
        except InvalidTag:
            raise VaultDamaged(
                "the key of a person's data was changed, or is another person's"
            ) from None
        return PersonKey(plain[:_KEY_BYTES], plain[_KEY_BYTES:])

    @staticmethod
    def seal(person: PersonKey, consent_id: str, personal: Mapping[str, str]) -> bytes:
        """Seal what is personal in a record, under the person's key."""
        nonce, bound = random_bytes(_NONCE_BYTES), _DATA_FORMAT + consent_id.encode()
        plain = canonical_bytes(personal)
        return _DATA_FORMAT + nonce + AESGCM(person.key).encrypt(nonce, plain, bound)

    @staticmethod
    def open(person: PersonKey, consent_id: str, sealed: bytes) -> dict[str, str]:
        """What was sealed for that record.

        Raises:
            VaultDamaged: it was changed, cut, or sealed for another record or person.
        """
        start = len(_DATA_FORMAT)
        enough = start + _NONCE_BYTES + _TAG_BYTES
        # SQLite takes any type in any column.
        if type(sealed) is not bytes or sealed[:start] != _DATA_FORMAT or len(sealed) < enough:
            raise VaultDamaged(f"consent {consent_id}: its personal data is cut or overwritten")
        nonce, rest = sealed[start : start + _NONCE_BYTES], sealed[start + _NONCE_BYTES :]
        try:
            plain = AESGCM(person.key).decrypt(nonce, rest, _DATA_FORMAT + consent_id.encode())
        except InvalidTag:
            raise VaultDamaged(
                f"consent {consent_id}: its personal data was changed, or is another consent's"
            ) from None
        opened: dict[str, str]
        try:
            opened = orjson.loads(plain)
        except orjson.JSONDecodeError:  # a lone surrogate: see `canonical_bytes`
            opened = json.loads(plain)
        return opened

    def is_current(self, sealed: bytes) -> bool:
        """Whether a person is sealed under the first vault key."""
        return sealed.startswith(self._header)

    def lookup(self, value: str) -> str:
        """The name under which a value is found: HMAC-SHA-256 with the look-up key, 64 digits."""
        return self._lookup.digest(value.encode("utf-8", "surrogatepass")).hex()

    @property
    def lookup_check(self) -> str:
        """A text by which a database knows the look-up key it was written with."""
        return self.lookup("\0agi-bridge: the look-up key of this database")
