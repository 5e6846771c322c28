"""Writes the files of an export into an empty folder. Blocking file I/O.

`collect` decides what is written; `archive` turns the folder into a zip file.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from agi_bridge import __version__
from agi_bridge.consent import canonical
from agi_bridge.evidence.export import archive
from agi_bridge.evidence.export.format import (
    AUDIO,
    CHAIN,
    CHECKPOINTS,
    MANIFEST,
    OPENED,
    RECORDS,
    STAMPS,
    TEXTS,
    hidden_line,
    shown_line,
    start_line,
)
from agi_bridge.evidence.export.pages import page_bytes, page_format, render
from agi_bridge.evidence.export.reader import manifest_text
from agi_bridge.evidence.export.verify import ExportVerifier
from agi_bridge.evidence.export.zones import Zones

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from agi_bridge.consent import Row
    from agi_bridge.consent.signing import Checkpoint, Keys, Stamp
    from agi_bridge.evidence.verify import Report, Start

SOFTWARE = f"agi-bridge {__version__}"


class ExportWriter:
    """Writes one export; `finish` completes it, and `close` ends one that is not completed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in (AUDIO, TEXTS, STAMPS, RECORDS):
            (folder / name).mkdir()
        self._chain = self._lines(CHAIN)
        self._checkpoints = self._lines(CHECKPOINTS)
        self._opened = self._lines(OPENED)

    def start(self, start: Start) -> None:
        """Start a part of a chain."""
        self._chain.write(start_line(start) + "\n")

    def event(self, row: Row) -> None:
        """Write the next event of the part."""
        self._chain.write(shown_line(row) + "\n")

    def hidden(self, tags: str, body_sha256: str) -> None:
        """Write what stands for the next event, which is other people's."""
        self._chain.write(hidden_line(tags, body_sha256) + "\n")

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint of the part."""
        self._checkpoints.write(checkpoint.line + "\n")

    def values(self, values: Iterable[tuple[str, Mapping[str, str]]]) -> None:
        """Write the personal values of records."""
        for record, known in values:
            self._opened.write(canonical({"consent_id": record, **known}) + "\n")

    def text(self, sha256: str, text: str) -> None:
        """Write a text that events name."""
        (self._folder / TEXTS / f"{sha256}.txt").write_bytes(text.encode())

    def recording(self, sha256: str, wav: bytes) -> None:
        """Write a recording that events name."""
        (self._folder / AUDIO / f"{sha256}.wav").write_bytes(wav)

    def stamp(self, stamp: Stamp) -> None:
        """Write a time stamp of a checkpoint."""
        (self._folder / STAMPS / f"{stamp.sha256}.tsr").write_bytes(stamp.der)

    def finish(self, keys: Keys, progress: Callable[[int], None] | None = None) -> Report:
        """Verify what is written, add the pages, and sign the files.

        Args:
            keys: the bridge's.
            progress: is told how many events are verified.
        """
        self.close()
        zones = Zones()
        with archive.open_archive(self._folder) as files:
            verifier = ExportVerifier(files, own={keys.ledger_id}, progress=progress)
            report = verifier.verify("this export")
        shared = {"signer": keys.ledger_id, "software": SOFTWARE}
        for name, text in render(verifier.contents, zones, **shared):
            (self._folder / name).write_bytes(page_bytes(text))
        manifest = manifest_text(pages=page_format(), software=SOFTWARE, zones=zones)
        (self._folder / MANIFEST).write_text(manifest, encoding="utf-8", newline="\n")
        for name in (AUDIO, TEXTS, STAMPS, RECORDS):
            if not any((self._folder / name).iterdir()):
                (self._folder / name).rmdir()
        archive.sign_files(self._folder, keys.signing)
        return report

    def close(self) -> None:
        """Close the files that are written line by line; nothing more can be added."""
        for file in (self._chain, self._checkpoints, self._opened):
            file.close()

    def _lines(self, name: str) -> IO[str]:
        return (self._folder / name).open("w", encoding="utf-8", newline="\n")
