"""A consent that was given elsewhere, as a business hands it over.

It never looks like a call's: its only event is `imported`, which has no disclosure, no dialogue and
no keys. What it claims (that, when and how somebody agreed) is the business's own statement, with
the files that are its evidence. These are personal data: they are sealed with the number, bound by
one commitment, and erased with it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

METHODS: Final = ("web_form", "paper", "text", "email", "agent", "in_person", "other")
"""How somebody agreed. A call of this bridge is none of them."""
MAX_EVIDENCE_BYTES: Final = 1 << 20
"""Of all files of one consent: it is stored in one row."""


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """One file of evidence: its name and its content."""

    name: str
    content: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Its SHA-256, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedConsent:
    """One consent to import.

    Attributes:
        number: in E.164.
        brand: whose texts.
        legal_name: the seller behind the brand.
        purpose: `info` or `marketing`.
        method: one of `METHODS`.
        source: where it was kept until now, as the business calls it: never erased.
        given: when the person agreed, as the source says; RFC 3339 with its zone.
        evidence: the files that show it.
        reference: how the source knows it; sealed.
    """

    number: str = field(repr=False)
    brand: str
    legal_name: str
    purpose: str
    method: str
    source: str
    given: str
    evidence: tuple[EvidenceFile, ...]
    reference: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of some imports: ids of new records, and how many were there already.

    Attributes:
        stored: the ids of new records.
        already: how many were on record before, also where they were revoked or erased since.
        suppressed: how many of all are of numbers that a revocation keeps from being texted.
    """

    stored: tuple[str, ...] = ()
    already: int = 0
    suppressed: int = 0

    def __add__(self, other: ImportResult) -> ImportResult:
        """The sum of two."""
        return ImportResult(
            self.stored + other.stored,
            self.already + other.already,
            self.suppressed + other.suppressed,
        )


def evidence_value(files: Sequence[EvidenceFile]) -> str:
    """The sealed value of evidence files: a JSON list of name, SHA-256 and content in base64."""
    listed = [
        [each.name, each.sha256, base64.b64encode(each.content).decode("ascii")] for each in files
    ]
    return json.dumps(listed, ensure_ascii=False, separators=(",", ":"))


def evidence_files(value: str) -> tuple[EvidenceFile, ...]:
    """The files of a sealed value; ValueError if it is none, or a hash is not its file's."""
    files = []
    for name, sha256, content in json.loads(value):
        each = EvidenceFile(name, base64.b64decode(content, validate=True))
        if each.sha256 != sha256:
            raise ValueError("the hash of an evidence file is not its own")
        files.append(each)
    return tuple(files)
