"""The manifest of a backup: what is in it, the heads of the chains, and who signed it.

The file is a compressed tar archive of

    ledger/TABLE/000001.jsonl   rows: a line with the columns' names, then a line for each row
    checkpoints.jsonl           the file of signed checkpoints, if there was one
    keys.json                   the three keys, sealed with a passphrase, unless they were left out
    manifest.json               this, always last

In rows, binary data is `{"base64": …}`. The signature is Ed25519 over the canonical JSON of all
other fields of the manifest, by the signing key of the bridge that made the backup.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agi_bridge.backup.errors import BackupDamaged, BackupError
from agi_bridge.consent import canonical
from agi_bridge.consent.signing import ledger_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
KEYS: Final = "keys.json"
CHECKPOINTS: Final = "checkpoints.jsonl"
ROWS: Final = re.compile(r"ledger/([a-z_]{1,63})/(\d{6,9})\.jsonl")
"""The name of a file of rows: its table, and its number."""


_MADE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_CHAIN: Final = re.compile(r"[0-9a-f]{32}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_MOST_EVENTS: Final = 1 << 63
"""What both databases count up to."""


def rows_name(table: str, number: int) -> str:
    """The name of a file of rows."""
    return f"ledger/{table}/{number:06d}.jsonl"


@dataclass(frozen=True, slots=True)
class Head:
    """A chain as it was in the backup: after event `seq` its hash was `hash`."""

    ledger_id: str
    seq: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds.

    Attributes:
        made: when the database was read (RFC 3339, UTC, milliseconds).
        software: what made it.
        database: `sqlite` or `postgresql`.
        revision: that of the tables.
        ledger_id: the chain of the bridge that made it.
        public_key: that bridge's, 32 raw bytes in base64.
        chains: every chain in the database, with its head.
        checkpoint: the newest checkpoint in the database of that bridge's chain, as a line; empty
            if there was none.
        keys: whether the keys are in the backup, sealed.
        rows: how many rows each table has.
        files: the SHA-256 of each file in the archive, by name.
    """

    made: str
    software: str
    database: str
    revision: str
    ledger_id: str
    public_key: str
    chains: tuple[Head, ...]
    checkpoint: str
    keys: bool
    rows: Mapping[str, int]
    files: Mapping[str, str]

    def signed(self, signing: Ed25519PrivateKey) -> bytes:
        """The manifest as a file, with its signature."""
        facts = self._facts()
        signature = base64.b64encode(signing.sign(canonical(facts).encode())).decode()
        return (json.dumps({**facts, "signature": signature}, indent=1) + "\n").encode()

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """The manifest in a file, whose signature is that of its public key.

        Raises:
            BackupDamaged: it is not a manifest, or was changed after it was signed.
            BackupError: a later version of agi-bridge made it.
        """
        try:
            facts: dict[str, Any] = json.loads(raw)
            format_ = facts.pop("format")
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            raise _no_manifest() from None
        if type(format_) is not int:
            raise _no_manifest()
        if format_ != FORMAT:
            raise BackupError(
                f"its format is {format_}, not {FORMAT}: install the agi-bridge that made it, or a "
                "newer one",
                code="format_newer",
            )
        try:
            signature = base64.b64decode(facts.pop("signature"), validate=True)
            heads = tuple(Head(**each) for each in facts.pop("chains"))
            made = cls(**facts, chains=heads)
            if not made._is_valid():
                raise _no_manifest()
            key = base64.b64decode(made.public_key, validate=True)
            Ed25519PublicKey.from_public_bytes(key).verify(
                signature, canonical(made._facts()).encode()
            )
        except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature):
            raise BackupDamaged(f"{MANIFEST} is not as it was signed") from None
        if ledger_id_of(key) != made.ledger_id:
            raise BackupDamaged(f"{MANIFEST} is signed by the key of another chain")
        return made

    def head(self, ledger_id: str) -> int:
        """The number of the last event of a chain in the backup; 0 if it has none."""
        return next((each.seq for each in self.chains if each.ledger_id == ledger_id), 0)

    def _is_valid(self) -> bool:
        """Whether each field has its type: the file may be anybody's."""
        texts = (self.software, self.database, self.revision, self.public_key, self.checkpoint)
        # The heads are as in the database, which somebody may have changed: the verdicts judge it.
        heads = [(each.ledger_id, each.seq, each.hash) for each in self.chains]
        return all(
            (
                all(map(_is_text, texts)),
                _is_flag(self.keys),
                _fits(_MADE, self.made),
                _fits(_CHAIN, self.ledger_id),
                all(
                    _is_text(id_) and _is_count(seq) and _is_text(hash_)
                    for id_, seq, hash_ in heads
                ),
                all(map(_is_count, dict(self.rows).values())),
                all(is_member(name) and _fits(_HASH, sum_) for name, sum_ in self.files.items()),
            )
        )

    def _facts(self) -> dict[str, Any]:
        facts = {**asdict(self), "format": FORMAT, "chains": [asdict(each) for each in self.chains]}
        return {**facts, "rows": dict(self.rows), "files": dict(self.files)}


def is_member(name: str) -> bool:
    """Whether a file of this name belongs into a backup."""
    return name in {MANIFEST, KEYS, CHECKPOINTS} or ROWS.fullmatch(name) is not None


def _fits(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MOST_EVENTS


def _no_manifest() -> BackupDamaged:
    return BackupDamaged(f"{MANIFEST} is not a manifest", code="not_a_backup")
