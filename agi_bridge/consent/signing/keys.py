"""The three keys outside the database (vault, signing, lookup): loading, creating, rotating.

* `vault.key` seals personal data: 32 bytes in base64; after a rotation several, the newest first,
  with commas or white space between them. The first one seals, all of them open.
* `lookup.key` finds a number without holding it: 32 bytes in base64.
* `signing.key` signs checkpoints with Ed25519: the 32 bytes of its seed in base64, or a private key
  in PEM (PKCS#8) as `openssl genpkey -algorithm ed25519` writes it.

Each is one word, so that a file of ours may be named in the configuration, or put in the
environment, just as it is. No text in here ever holds a key or a part of one.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from agi_bridge.consent.errors import KeyFault, KeyMissing, KeyUnreadable
from agi_bridge.consent.signing.key_files import (
    content_of,
    create_key_file,
    create_missing,
    locked_key_file,
    read_key_file,
    replace_key_file,
    unwritable,
)
from agi_bridge.durable import sync_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

KEY_BYTES: Final = 32
VAULT_KEY_FILE: Final = "vault.key"
SIGNING_KEY_FILE: Final = "signing.key"
LOOKUP_KEY_FILE: Final = "lookup.key"
NAMES: Final = (VAULT_KEY_FILE, SIGNING_KEY_FILE, LOOKUP_KEY_FILE)
"""The files in the order they are made: see `create_missing`."""

_LOSS: Final = {
    VAULT_KEY_FILE: "no personal data can be read",
    SIGNING_KEY_FILE: "the chain of events cannot go on",
    LOOKUP_KEY_FILE: "revoked numbers are no longer recognised",
}


def ledger_id_of(public_key: bytes) -> str:
    """The id of the chain that belongs to an Ed25519 public key (32 raw bytes), in hexadecimal.

    The first 16 bytes of its SHA-256: nobody finds another key to the same id.
    """
    return hashlib.sha256(public_key).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one bridge. Nothing of them shows in a repr."""

    vault: tuple[bytes, ...] = field(repr=False)
    """At least one, 32 bytes each: the first seals, all open."""
    lookup: bytes = field(repr=False)
    signing: Ed25519PrivateKey = field(repr=False)

    @property
    def public_key(self) -> bytes:
        """The 32 raw bytes that signatures are checked with."""
        return self.signing.public_key().public_bytes_raw()

    @property
    def ledger_id(self) -> str:
        """The id of the chain that these keys sign."""
        return ledger_id_of(self.public_key)

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        vault: str | None = None,
        lookup: str | None = None,
        signing: str | None = None,
        create: bool,
    ) -> tuple[Self, tuple[Path, ...]]:
        """The keys, and the files that were made now.

        A key is the text given for it, or else it is in its file in `folder`. With `create`, what
        is missing at a first start is made: files of mode 0600 in a folder of mode 0700, on disk
        when this returns; of two processes that start at once both get the same keys. Keys that
        went missing later are not replaced.

        Raises:
            KeyMissing: a file is not there.
            KeyUnreadable: a file cannot be read or made, or what it holds is not a key.
        """
        given = {VAULT_KEY_FILE: vault, SIGNING_KEY_FILE: signing, LOOKUP_KEY_FILE: lookup}
        paths = [folder / name for name in NAMES if given[name] is None]
        made = create_missing(folder, paths, _new_word) if create else ()
        texts = {path.name: (read_key_file(path), str(path)) for path in paths}
        for name, text in given.items():
            if text is not None:
                texts[name] = (text, _setting(name))
        keys = cls(
            _vault(*texts[VAULT_KEY_FILE]),
            _lookup(*texts[LOOKUP_KEY_FILE]),
            _signing(*texts[SIGNING_KEY_FILE]),
        )
        return keys, made

    @classmethod
    def parse(cls, texts: Mapping[str, str]) -> Self:
        """The keys in texts, by the names of their files, as `texts` writes them.

        Raises:
            KeyMissing: one is not there.
            KeyUnreadable: a text is not a key.
        """
        missing = next((name for name in NAMES if name not in texts), None)
        if missing is not None:
            raise KeyMissing(f"{missing}: not there")
        return cls(
            _vault(texts[VAULT_KEY_FILE], VAULT_KEY_FILE),
            _lookup(texts[LOOKUP_KEY_FILE], LOOKUP_KEY_FILE),
            _signing(texts[SIGNING_KEY_FILE], SIGNING_KEY_FILE),
        )

    def texts(self) -> dict[str, str]:
        """What the three files hold, by their names."""
        return {
            VAULT_KEY_FILE: ",".join(map(_word, self.vault)),
            SIGNING_KEY_FILE: _word(self.signing.private_bytes_raw()),
            LOOKUP_KEY_FILE: _word(self.lookup),
        }


def generate_keys() -> Keys:
    """New keys, not stored in any file."""
    return Keys((os.urandom(KEY_BYTES),), os.urandom(KEY_BYTES), Ed25519PrivateKey.generate())


def replaced_signing_key(folder: Path, ledger_id: str) -> Ed25519PrivateKey | None:
    """The key of an earlier chain, if it was kept beside the new one (`signing.key.SOMETHING`)."""
    for path in sorted(folder.glob(f"{SIGNING_KEY_FILE}.*")):
        with contextlib.suppress(KeyFault):
            key = _signing(read_key_file(path), str(path))
            if ledger_id_of(key.public_key().public_bytes_raw()) == ledger_id:
                return key
    return None


def has_signing_key(folder: Path, ledger_id: str, *, signing: str | None = None) -> bool:
    """Whether the signing key of a chain is here: the one in use, or one kept beside it.

    `signing` is the key in use as a text, if it is not in its file.
    """
    path = folder / SIGNING_KEY_FILE
    with contextlib.suppress(KeyFault):
        text = read_key_file(path) if signing is None else signing
        key = _signing(text, str(path) if signing is None else _setting(SIGNING_KEY_FILE))
        if ledger_id_of(key.public_key().public_bytes_raw()) == ledger_id:
            return True
    return replaced_signing_key(folder, ledger_id) is not None


def make_signing_key(folder: Path) -> Path:
    """Make a new signing key in a folder that has none; returns its file. Blocks.

    Raises:
        KeyUnreadable: it cannot be made.
    """
    path = folder / SIGNING_KEY_FILE
    try:
        create_key_file(path, generate_keys().texts()[SIGNING_KEY_FILE])
        sync_folder(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    return path


def place_restored_keys(
    folder: Path, keys: Keys, *, without: Collection[str] = ()
) -> tuple[Path, ...]:
    """Put keys from a backup into a folder, with a new signing key; returns the files made.

    Files that are there stay, and those in `without` are not made: their keys are elsewhere. A
    signing key is kept beside the new one, whatever its chain: a chain that began after the backup
    would begin once more. The new chain's first event is signed with the old chain's key too.

    Raises:
        KeyUnreadable: a file cannot be made, or the signing key that is there is not a key.
    """
    signing, old = folder / SIGNING_KEY_FILE, keys
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if signing.exists():
            old = Keys(keys.vault, keys.lookup, _signing(read_key_file(signing), str(signing)))
        made = []
        texts = old.texts()
        kept = folder / f"{SIGNING_KEY_FILE}.{old.ledger_id[:8]}"
        if SIGNING_KEY_FILE not in without:
            if create_key_file(kept, texts[SIGNING_KEY_FILE]):
                made.append(kept)
            signing.unlink(missing_ok=True)
        texts[SIGNING_KEY_FILE] = generate_keys().texts()[SIGNING_KEY_FILE]
        wanted = [name for name in NAMES if name not in without]
        made += [folder / name for name in wanted if create_key_file(folder / name, texts[name])]
        sync_folder(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    return tuple(made)


def world_accessible_key_files(folder: Path) -> tuple[Path, ...]:
    """The key files in a folder that any account of this machine may read or change."""
    found = []
    for name in NAMES:
        with contextlib.suppress(OSError):  # not there, or not ours to look at
            if (folder / name).stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
                found.append(folder / name)
    return tuple(found)


def backup_advice(made: Iterable[Path]) -> str:
    """Advice for an administrator about new key files, in one line."""
    made = tuple(made)
    made_names = [path.name for path in made]
    settings = ", ".join(map(_setting, made_names))
    losses = ", ".join(f"without {name} {_LOSS[name]}" for name in made_names)
    return (
        f"made {', '.join(map(str, made))}: keep copies away from the database "
        f"(to move them, name their new places as {settings}); {losses}"
    )


def rotate_vault_key(path: Path) -> None:
    """Put a new key before those in a vault key file, atomically and durably.

    The file keeps its owner and its mode. What was sealed under the older keys opens as before.

    Raises:
        KeyMissing: the file is not there.
        KeyUnreadable: it cannot be read or written, or holds no key.
    """
    path = path.resolve()  # of a link, what it points to is replaced
    with locked_key_file(path) as handle:
        keys = (os.urandom(KEY_BYTES), *_vault(content_of(handle, path), str(path)))
        replace_key_file(handle, path, ",".join(map(_word, keys)))


# Texts


def _setting(name: str) -> str:
    return f"ledger.{name.replace('.', '_')}"


def _word(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _new_word() -> str:
    return _word(os.urandom(KEY_BYTES))


def _key(word: str) -> bytes:
    """The 32 bytes that a word stands for. ValueError if it stands for none."""
    key = base64.b64decode(word, validate=True)
    if len(key) != KEY_BYTES:
        raise ValueError("not 32 bytes")
    return key


def _vault(text: str, place: str) -> tuple[bytes, ...]:
    words = text.replace(",", " ").split()
    try:
        keys = tuple(map(_key, words))
    except ValueError:
        keys = ()
    if not keys:
        raise _no_key(place, "one or more keys of 32 bytes in base64")
    return keys


def _lookup(text: str, place: str) -> bytes:
    try:
        return _key(text.strip())
    except ValueError:
        raise _no_key(place, "a key of 32 bytes in base64") from None


def _signing(text: str, place: str) -> Ed25519PrivateKey:
    wanted = partial(
        _no_key, place, "an Ed25519 key: PEM without a password, or base64 of its seed"
    )
    try:
        if "-----BEGIN" not in text:
            return Ed25519PrivateKey.from_private_bytes(_key(text.strip()))
        key = load_pem_private_key(text.strip().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without its cause: the library's text might quote what it read.
        raise wanted() from None
    if not isinstance(key, Ed25519PrivateKey):
        raise wanted()
    return key


def _no_key(place: str, wanted: str) -> KeyUnreadable:
    return KeyUnreadable(
        f"{place}: does not hold {wanted}; put the right one back from its back-up",
        code="key_invalid",
    )
