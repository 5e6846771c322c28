"""Reads a file of consents that were given elsewhere: CSV, or JSON lines.

Everything is checked before anything is stored. A fault names its line and its field, never a
value: that may be a number.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn

from agi_bridge import phone
from agi_bridge.consent import (
    MAX_EVIDENCE_BYTES,
    METHODS,
    EvidenceFile,
    ImportedConsent,
)
from agi_bridge.plain_text import decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from agi_bridge.settings import Line

FIELDS: Final = (
    "number", "brand", "purpose", "given", "method", "source", "evidence", "reference",
)  # fmt: skip
"""The columns of a CSV file, and the fields of a JSON object. `reference` may be missing, and
`evidence` where files are given for all."""
MAX_BYTES: Final = 64 << 20
"""Of the file: a larger one is imported in parts."""
MAX_EVIDENCE_IN_ALL: Final = 256 << 20
"""Of the files that the rows name: all of it is in memory until it is stored."""
MOST_CHARACTERS: Final = 200
_PURPOSES: Final = ("info", "marketing")
_EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class RowFault:
    """What is wrong with a row: its line, the field, the problem and the fix."""

    line: int
    field: str
    problem: str
    fix: str

    def __str__(self) -> str:
        """In one line."""
        return f"line {self.line}: {self.field} {self.problem}; {self.fix}"


@dataclass(frozen=True, slots=True)
class ImportFile:
    """The good rows of a file, and the faults of the others."""

    consents: tuple[ImportedConsent, ...]
    faults: tuple[RowFault, ...]


class _Refused(Exception):  # noqa: N818 - a row that is not taken
    def __init__(self, field: str, problem: str, fix: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field, self.problem, self.fix = field, problem, fix


def read_import(
    path: Path, lines: Mapping[str, Line], shared: Sequence[Path], now: datetime
) -> ImportFile:
    """Read a file. Blocks.

    Args:
        path: `.jsonl` or `.ndjson` is JSON lines, anything else CSV with a first row of names.
        lines: the bridge's lines: a brand has to be one of theirs.
        shared: files of evidence for every row.
        now: with its zone.

    Raises:
        ValueError: it is not such a file, or too long.
        OSError: it, or a shared file, cannot be read.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: is longer than {MAX_BYTES >> 20} MB; import it in parts")
    text = decode(path.read_bytes(), "legacy")
    csv.field_size_limit(MAX_BYTES)
    rows = _json_rows(text) if path.suffix.lower() in {".jsonl", ".ndjson"} else _csv_rows(text)
    evidence = _Evidence(path.parent, shared)
    consents: list[ImportedConsent] = []
    faults: list[RowFault] = []
    for number, row in rows:
        try:
            consents.append(_consent(row, lines, evidence, now))
        except _Refused as refused:
            faults.append(RowFault(number, refused.field, refused.problem, refused.fix))
    return ImportFile(tuple(consents), tuple(faults))


def _csv_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    # A cell beyond the named columns is a field without a name, which `_consent` refuses.
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="")
    names = reader.fieldnames
    if not names or "number" not in names:
        raise ValueError(f"its first row has to name the columns: {','.join(FIELDS)}")
    if len(set(names)) < len(names):  # either cell could be meant
        raise ValueError("its first row names a column twice; name each once")
    for row in reader:
        values = {name: value for name, value in row.items() if value not in ("", None)}
        yield reader.line_num, values


def _json_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_once)
        except (ValueError, RecursionError):
            row = None
        yield number, row if isinstance(row, dict) else {"": None}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose fields are each there once: else either could be meant (RFC 8259, 4)."""
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a field is there twice")
    return row


def _consent(
    row: Mapping[str, Any], lines: Mapping[str, Line], evidence: _Evidence, now: datetime
) -> ImportedConsent:
    for name in row:
        if name not in FIELDS:
            known = name if name in _OF_CALLS else "(a field)"
            problem = "is a call's, and this is none" if name in _OF_CALLS else "is not a field"
            raise _Refused(known, problem, f"use {', '.join(FIELDS)}")
    line = _line(row.get("brand"), lines)
    value = row.get("number")
    number = phone.parse(value, region=line.regions[0]) if isinstance(value, str) else None
    if number is None:
        raise _Refused("number", "is not a phone number", 'write it like "+14155550199"')
    return ImportedConsent(
        number=number,
        brand=line.brand,
        legal_name=line.legal_name,
        purpose=_one_of("purpose", row.get("purpose"), _PURPOSES),
        method=_one_of("method", row.get("method"), METHODS),
        source=_text("source", row.get("source")),
        given=_given(row.get("given"), now),
        evidence=evidence.files(row.get("evidence")),
        reference=_text("reference", row["reference"]) if "reference" in row else None,
    )


_OF_CALLS: Final = frozenset(
    {"dialogue", "disclosure", "keys", "digits", "audio", "call", "line", "caller_id", "did"}
)
"""Fields by which a row would pass for a call."""


def _line(value: object, lines: Mapping[str, Line]) -> Line:
    wanted = value.strip().casefold() if isinstance(value, str) else None
    for line in lines.values():
        if line.brand.casefold() == wanted:
            return line
    brands = ", ".join(sorted({line.brand for line in lines.values()}))
    raise _Refused("brand", "is not a brand of this bridge", f"use one of {brands}")


def _one_of(field: str, value: object, allowed: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise _Refused(field, "is not one of the values", f"use one of {', '.join(allowed)}")
    return value


def _text(field: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise _Refused(field, "is not a line of text", "write a few words")
    if len(value) > MOST_CHARACTERS:
        raise _Refused(field, "is too long", f"use at most {MOST_CHARACTERS} characters")
    if field == "source" and phone.may_hold_number(value):
        raise _Refused(field, "contains a telephone number", "name the system: it is never erased")
    return value.strip()


def _given(value: object, now: datetime) -> str:
    fix = 'write when the person agreed with its zone, like "2025-03-01T09:30:00-05:00"'
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise _Refused("given", "is not a time", fix) from None
    if moment.tzinfo is None:
        raise _Refused("given", "has no zone", fix)
    if moment > now + _CLOCKS_DIFFER:
        raise _Refused("given", "is in the future", fix)
    if moment < _EARLIEST:
        raise _Refused("given", "is before 1990", fix)
    utc = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return utc.replace("+00:00", "Z")


class _Evidence:
    """The files of evidence: in the folder of the import, or below it; each is read once.

    Args:
        folder: of the import.
        shared: files for every row, wherever they are.
    """

    def __init__(self, folder: Path, shared: Sequence[Path]) -> None:
        self._folder = folder.resolve()
        self._shared = tuple(EvidenceFile(path.name, path.read_bytes()) for path in shared)
        self._read: dict[str, EvidenceFile] = {}
        self._bytes = 0

    def files(self, value: object) -> tuple[EvidenceFile, ...]:
        """The files that a row names: a list, or names between semicolons."""
        names = [each.strip() for each in value.split(";")] if isinstance(value, str) else value
        if names is not None and not (
            isinstance(names, list) and all(isinstance(each, str) for each in names)
        ):
            _refuse("is not a list of file names")
        files = (*map(self._file, names or ()), *self._shared)
        if not files:
            _refuse("is missing")
        if sum(len(each.content) for each in files) > MAX_EVIDENCE_BYTES:
            _refuse(f"is longer than {MAX_EVIDENCE_BYTES >> 20} MB in all")
        return files

    def _file(self, name: str) -> EvidenceFile:
        if name not in self._read:
            try:
                path = (self._folder / name).resolve()
                if not path.is_relative_to(self._folder):
                    _refuse("names a file outside the folder of the import")
                if not path.is_file() or path.stat().st_size > MAX_EVIDENCE_BYTES:
                    _refuse("names a file that is missing or too long")
                content = path.read_bytes()
            except (OSError, RuntimeError, ValueError):  # too long, a loop of links, no characters
                _refuse("names a file that cannot be read")
            self._bytes += len(content)
            if self._bytes > MAX_EVIDENCE_IN_ALL:
                limit = f"{MAX_EVIDENCE_IN_ALL >> 20} MB"
                raise ValueError(f"its evidence is longer than {limit} in all; import it in parts")
            self._read[name] = EvidenceFile(path.name, content)
        return self._read[name]


def _refuse(problem: str) -> NoReturn:
    fix = "name files beside the import, or pass --evidence FILE for all rows"
    raise _Refused("evidence", problem, fix)
