"""Checkpoints: the head of a chain, signed, in one line that can be kept anywhere.

    {"at":…,"hash":…,"heads":[[…],…],"ledger_id":…,"public_key":…,"schema":3,"seq":…,"signature":…}

The signature is Ed25519 over the canonical JSON of all other fields. The ledger's id is a hash of
the public key, so a checkpoint of one chain cannot be made with another's key. `heads` names the
other chains of the database, so that none of them can be left out. A line needs no secrecy: it
holds nothing of any consent.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agi_bridge.consent.encoding import canonical
from agi_bridge.consent.errors import BadCheckpoint
from agi_bridge.consent.field_checks import TIME
from agi_bridge.consent.models import SCHEMA
from agi_bridge.consent.signing.keys import ledger_id_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from agi_bridge.consent.encoding import Body

_HEX: Final = "[0-9a-f]"
_MOST: Final = 2**53
_SHAPES: Final = {
    "hash": re.compile(_HEX + "{64}"),
    "ledger_id": re.compile(_HEX + "{32}"),
    "public_key": re.compile("[A-Za-z0-9+/]{43}="),
    "signature": re.compile("[A-Za-z0-9+/]{86}=="),
}
_FIELDS: Final = {*_SHAPES, "at", "heads", "schema", "seq"}

Head: TypeAlias = tuple[str, int, str]
"""Another chain: its id, the number of its last event, and its hash after that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a signing key said of its chain: after event `seq` its hash was `hash`."""

    ledger_id: str
    seq: int
    hash: str
    at: str
    """RFC 3339, UTC, milliseconds."""
    public_key: str
    """The 32 raw bytes in base64."""
    signature: str
    """The 64 bytes in base64."""
    heads: tuple[Head, ...] = ()
    """Every other chain in the database, by id."""
    schema: int = SCHEMA

    @property
    def line(self) -> str:
        """The checkpoint as one line of JSON, without a line break."""
        return canonical({**self._signed(), "signature": self.signature})

    @classmethod
    def parse(cls, line: str) -> Self:
        """The checkpoint in a line; what a syslog daemon puts before it does not count.

        Whether it is genuine is another question.

        Raises:
            BadCheckpoint: there is none; the text says which field is wrong.
        """
        try:
            facts = json.loads(line[max(line.find("{"), 0) :])
        except (ValueError, RecursionError):
            raise BadCheckpoint("not a line of JSON") from None
        if not isinstance(facts, dict) or facts.keys() != _FIELDS:
            raise BadCheckpoint(f"not an object of {', '.join(sorted(_FIELDS))}")
        wrong = next((name for name in sorted(_FIELDS) if not _fits(name, facts[name])), None)
        if wrong is not None:
            raise BadCheckpoint(f"its {wrong} is not valid")
        heads = tuple((id_, seq, hash_) for id_, seq, hash_ in facts.pop("heads"))
        return cls(**facts, heads=heads)

    @property
    def is_genuine(self) -> bool:
        """Whether its public key signed it, and the ledger is that key's."""
        public_key = base64.b64decode(self.public_key)
        if ledger_id_of(public_key) != self.ledger_id:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(
                base64.b64decode(self.signature), canonical(self._signed()).encode()
            )
        except InvalidSignature:
            return False
        return True

    def _signed(self) -> Body:
        return {
            "at": self.at,
            "hash": self.hash,
            "heads": [list(head) for head in self.heads],
            "ledger_id": self.ledger_id,
            "public_key": self.public_key,
            "schema": self.schema,
            "seq": self.seq,
        }


def sign(
    signing: Ed25519PrivateKey, seq: int, hash_: str, at: str, heads: Iterable[Head] = ()
) -> Checkpoint:
    """A checkpoint of the chain of a signing key, whose hash after event `seq` is `hash_`.

    `heads` are those of the other chains in the database.
    """
    public_key = signing.public_key().public_bytes_raw()
    others = tuple(sorted(heads))
    facts: dict[str, Any] = {
        "at": at,
        "hash": hash_,
        "heads": [list(head) for head in others],
        "ledger_id": ledger_id_of(public_key),
        "public_key": base64.b64encode(public_key).decode(),
        "schema": SCHEMA,
        "seq": seq,
    }
    signature = base64.b64encode(signing.sign(canonical(facts).encode())).decode()
    return Checkpoint(**{**facts, "heads": others}, signature=signature)


def read_checkpoints(path: Path) -> list[Checkpoint]:
    """The checkpoints in a file, one a line, in its order.

    A line that was cut short is passed over, for a power failure leaves one; it is told from a
    changed one by its missing end. Empty lines do not count.

    Raises:
        BadCheckpoint: another line is not a checkpoint, or the file cannot be read; names file,
            line and fault.
    """
    found = []
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                text = line.strip()
                if text and text.endswith("}"):
                    try:
                        found.append(Checkpoint.parse(text))
                    except BadCheckpoint as error:
                        raise BadCheckpoint(f"{path}, line {number}: {error}") from None
                elif text and "{" not in text:
                    raise BadCheckpoint(f"{path}, line {number}: not a line of JSON")
    except OSError as error:
        raise BadCheckpoint(
            f"{path}: cannot be read ({error.strerror})", code="checkpoints_unreadable"
        ) from error
    return found


def _fits(name: str, value: object) -> bool:
    if name == "seq":
        return type(value) is int and 0 < value <= _MOST
    if name == "schema":
        return type(value) is int and value == SCHEMA
    if name == "at":
        return TIME(value)
    if name == "heads":
        return isinstance(value, list) and all(map(_is_head, value))
    return isinstance(value, str) and _SHAPES[name].fullmatch(value) is not None


def _is_head(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == len(_HEAD)
        and all(_fits(name, each) for name, each in zip(_HEAD, value, strict=True))
    )


_HEAD: Final = ("ledger_id", "seq", "hash")
