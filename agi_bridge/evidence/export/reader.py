"""Reads the smaller files of an export: manifest, checkpoints, stamps, personal values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent import BadStamp, canonical, is_record_id
from agi_bridge.consent.signing import Checkpoint, Stamp
from agi_bridge.evidence.errors import BadExport
from agi_bridge.evidence.export.archive import content, lines
from agi_bridge.evidence.export.format import AUDIO, CHECKPOINTS, MANIFEST, OPENED, STAMPS, TEXTS
from agi_bridge.evidence.export.zones import Zones

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agi_bridge.evidence.export.archive import Archive

FORMAT: Final = 3
"""Version of the files; docs/record-format.md describes them."""
_SALTS: Final = frozenset({"salt", "person_salt"})
_SUFFIXES: Final = {TEXTS: ".txt", AUDIO: ".wav", STAMPS: ".tsr"}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export says of itself, and nothing besides.

    Attributes:
        pages: the format of its pages.
        software: what wrote it.
        zones: the offsets of time zones that its pages were rendered with.
    """

    pages: str
    software: str
    zones: Zones

    @classmethod
    def parse(cls, text: bytes) -> Manifest:
        """Read a manifest.

        Raises:
            BadExport: it is not one.
        """
        try:
            document: Any = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        match document:
            case {
                "format": int(version),
                "pages": str(pages),
                "software": str(software),
                "zones": dict(noted),
            } if version == FORMAT and (zones := Zones.parse(noted)) is not None:
                if _manifest(pages, software, noted).encode() == text:
                    return cls(pages, software, zones)
            case _:
                pass
        raise BadExport(f"{MANIFEST}: not a manifest of format {FORMAT}", code="manifest_malformed")


def manifest_text(*, pages: str, software: str, zones: Zones) -> str:
    """The manifest of an export."""
    return _manifest(pages, software, zones.noted)


def _manifest(pages: str, software: str, noted: Mapping[str, Any]) -> str:
    manifest = {"format": FORMAT, "pages": pages, "software": software, "zones": noted}
    return json.dumps(manifest, indent=1, sort_keys=True) + "\n"


def read_manifest(archive: Archive) -> Manifest:
    """The manifest. BadExport if it is missing or malformed."""
    return Manifest.parse(content(archive, MANIFEST))


def read_checkpoint_lines(archive: Archive) -> list[Checkpoint]:
    """The checkpoints. BadExport or BadCheckpoint if a line is malformed."""
    found = []
    for number, line in enumerate(lines(archive, CHECKPOINTS), 1):
        checkpoint = Checkpoint.parse(line)
        if checkpoint.line != line:  # a second value of a field, or words before it
            raise BadExport(
                f"{CHECKPOINTS}, line {number}: not as a checkpoint is written",
                code="checkpoint_malformed",
            )
        found.append(checkpoint)
    return found


def read_stamps(archive: Archive) -> Iterator[tuple[str, Stamp | None]]:
    """The time stamps with the SHA-256 in their names; None for a file that is not a stamp."""
    for sha256, name in named_files(archive, STAMPS):
        try:
            yield sha256, Stamp.parse(content(archive, name))
        except BadStamp:
            yield sha256, None


def read_opened(archive: Archive) -> Iterator[tuple[str, dict[str, str]]]:
    """The personal values, salts included, by record.

    Raises:
        BadExport: a line is malformed.
    """
    for number, line in enumerate(lines(archive, OPENED), 1):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            values = None
        # Of a name that is there twice readers may take either, so the form is the canonical one.
        if (
            not isinstance(values, dict)
            or not all(isinstance(each, str) for each in values.values())
            or canonical(values) != line
        ):
            raise BadExport(
                f"{OPENED}, line {number}: not an object of texts in canonical JSON",
                code="values_malformed",
            )
        record = values.pop("consent_id", None)
        if record is None or not is_record_id(record):
            raise BadExport(f"{OPENED}, line {number}: no consent_id", code="values_malformed")
        yield record, values


def without_salts(values: Mapping[str, str]) -> dict[str, str]:
    """Personal values as pages show them."""
    return {name: value for name, value in values.items() if name not in _SALTS}


def named_files(archive: Archive, folder: str) -> Iterator[tuple[str, str]]:
    """The files of a folder, in order: the SHA-256 in the file's name, and the name."""
    suffix = _SUFFIXES[folder]
    for name in sorted(archive.names()):
        inside, _, file = name.partition("/")
        if inside == folder:
            yield file.removesuffix(suffix), name
