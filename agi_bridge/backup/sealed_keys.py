"""The keys in a backup, sealed with a passphrase: scrypt (RFC 7914), then AES-256-GCM.

A backup with keys and data in one file opens everything. So keys are never in it but sealed, and
the passphrase is kept apart from the backup.
"""

from __future__ import annotations

import base64
import json
import os
import stat
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from agi_bridge.backup.errors import BackupDamaged, WrongPassphrase
from agi_bridge.backup.manifest import KEYS
from agi_bridge.consent import KeyFault
from agi_bridge.consent.signing import Keys

if TYPE_CHECKING:
    from pathlib import Path

SHORTEST: Final = 12
"""Characters of a passphrase: what is sealed may be tried offline for years."""
_COST: Final = {"n": 1 << 17, "r": 8, "p": 1}
"""128 MB and a third of a second each try (OWASP, "Password Storage", 2024)."""
_DEAREST: Final = {"n": 1 << 19, "r": 8, "p": 1}
"""What a file may ask of us: four times as much, 512 MB."""
_BOUND: Final = b"agi-bridge backup keys 1"
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


def read_passphrase(path: Path) -> str:
    """The passphrase in a file: its first line.

    Raises:
        WrongPassphrase: the file cannot be read, or the line is too short.
    """
    try:
        with path.open(encoding="utf-8") as file:
            line = file.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise WrongPassphrase(
            f"--passphrase-file: {path} cannot be read ({reason})", code="passphrase_unreadable"
        ) from None
    if len(line) < SHORTEST:
        raise WrongPassphrase(
            f"--passphrase-file: the first line of {path} has fewer than {SHORTEST} characters; "
            "`openssl rand -base64 24` makes a good one",
            code="passphrase_short",
        )
    return line


def is_open_to_others(path: Path) -> bool:
    """Whether any account of this machine may read or change a file with a passphrase."""
    try:
        return bool(path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))
    except OSError:  # reading it says so
        return False


def seal_keys(keys: Keys, passphrase: str) -> bytes:
    """The keys as the file in a backup."""
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    plain = json.dumps(keys.texts()).encode()
    sealed = AESGCM(_derived(passphrase, salt, **_COST)).encrypt(nonce, plain, _BOUND)
    texts = {"salt": salt, "nonce": nonce, "sealed": sealed}
    facts = {name: base64.b64encode(value).decode() for name, value in texts.items()}
    return (json.dumps({"kdf": "scrypt", **_COST, **facts}) + "\n").encode()


def open_keys(raw: bytes, passphrase: str) -> Keys:
    """The keys in the file of a backup.

    Raises:
        WrongPassphrase: the passphrase is another one.
        BackupDamaged: the file is not one of keys.
    """
    try:
        facts: dict[str, Any] = json.loads(raw)
        cost = {name: int(facts[name]) for name in _COST}
        salt, nonce, sealed = (
            base64.b64decode(facts[name], validate=True) for name in ("salt", "nonce", "sealed")
        )
        if facts["kdf"] != "scrypt" or any(cost[name] > _DEAREST[name] for name in cost):
            raise _not_sealed()
        plain = AESGCM(_derived(passphrase, salt, **cost)).decrypt(nonce, sealed, _BOUND)
    except InvalidTag:
        raise WrongPassphrase("--passphrase-file: this passphrase does not open the keys") from None
    except (ValueError, KeyError, TypeError):
        raise _not_sealed() from None
    try:
        return Keys.parse(json.loads(plain))
    except KeyFault:  # the passphrase fits, but what it opens are not keys
        raise BackupDamaged(f"{KEYS} does not hold the keys of a bridge") from None


def _not_sealed() -> BackupDamaged:
    return BackupDamaged(f"{KEYS} does not hold sealed keys")


def _derived(passphrase: str, salt: bytes, *, n: int, r: int, p: int) -> bytes:
    return Scrypt(salt=salt, length=_KEY_BYTES, n=n, r=r, p=p).derive(passphrase.encode())
