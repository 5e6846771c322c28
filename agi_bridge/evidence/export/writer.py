"""Writes the files of an export into an empty folder. Blocking file I/O.

`collect` decides what is written; `archive` turns the folder into a zip file.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

from agi_bridge import __version__
from agi_bridge.consent import canonical, text_sha256
from agi_bridge.evidence.export import archive
from agi_bridge.evidence.export.html import TEMPLATES, page
from agi_bridge.evidence.export.reader import CHAIN, EVENTS
from agi_bridge.evidence.export.summary import summarise
from agi_bridge.evidence.export.verify import CHECKPOINTS, OPENED, ExportVerifier
from agi_bridge.evidence.verify import QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agi_bridge.consent import Row
    from agi_bridge.consent.signing import Checkpoint, Keys
    from agi_bridge.evidence.export.case import Case
    from agi_bridge.evidence.export.summary import CaseSummary
    from agi_bridge.evidence.verify import Report

SOFTWARE = f"agi-bridge {__version__}"


class ExportWriter:
    """Writes one export; `finish` completes it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("audio", "disclosures", "consents"):
            (folder / name).mkdir()
        self._events = self._lines(EVENTS)
        self._chain = self._lines(CHAIN)
        self._checkpoints = self._lines(CHECKPOINTS)
        self._opened: dict[str, Mapping[str, str]] = {}
        self._summaries: list[CaseSummary] = []

    def case(self, case: Case) -> None:
        """Write one case's page and disclosure, and note its personal data."""
        self._opened.update(case.personal)
        if case.disclosure is not None:
            name = f"disclosures/{case.disclosure.sha256}.txt"
            (self._folder / name).write_bytes(case.disclosure.text.encode())
        summary = summarise(case, reveal=True)
        self._summaries.append(summary)
        text = page(
            "consent.html",
            case=summary,
            root="../",
            has_recording=self._has_recording_of(summary),
        )
        self._write(f"consents/{summary.consent_id}.html", text)

    def has_recording(self, sha256: str) -> bool:
        """Whether a recording is already written."""
        return (self._folder / "audio" / f"{sha256}.wav").exists()

    def recording(self, sha256: str, wav: bytes) -> None:
        """Write a recording."""
        (self._folder / "audio" / f"{sha256}.wav").write_bytes(wav)

    def start_range(self, ledger_id: str, seq: int, hash_: str) -> None:
        """Start a range of a chain after the event `seq`, where the chain's hash was `hash_`."""
        self._chain.write(canonical({"ledger_id": ledger_id, "seq": seq, "hash": hash_}) + "\n")

    def event(self, row: Row, *, shown: bool) -> None:
        """Write the next event of the range, or only its hash."""
        if shown:
            self._events.write(f'{{"body":{row.body},"tags":{row.tags}}}\n')
        else:
            hidden = {
                "ledger_id": row.ledger_id,
                "seq": row.seq,
                "body_sha256": text_sha256(row.body),
                "tags": json.loads(row.tags),
            }
            self._chain.write(canonical(hidden) + "\n")

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint of the range."""
        self._checkpoints.write(checkpoint.line + "\n")

    def finish(self, keys: Keys) -> Report:
        """Verify what is written, add the summary with the verdicts, and sign the files."""
        for file in (self._events, self._chain, self._checkpoints):
            file.close()
        opened = json.dumps(self._opened, ensure_ascii=False, indent=1, sort_keys=True)
        self._write(OPENED, opened + "\n")
        with archive.open_archive(self._folder) as files:
            verifier = ExportVerifier(files)
            verifier.verify()
        report = verifier.report("this export")
        shared: dict[str, Any] = {"report": report, "signer": keys.ledger_id, "software": SOFTWARE}
        self._write("VERIFY.txt", page("verify.txt", **shared))
        self._write("check.py", (TEMPLATES / "check.txt").read_text(encoding="utf-8"))
        self._write("index.html", self._index({**shared, "questions": QUESTIONS}))
        archive.sign_files(self._folder, keys.signing)
        return report

    def _index(self, shared: dict[str, Any]) -> str:
        if len(self._summaries) != 1:
            return page("index.html", cases=self._summaries, case=None, **shared)
        case = self._summaries[0]
        (self._folder / "consents" / f"{case.consent_id}.html").unlink()
        (self._folder / "consents").rmdir()
        has_recording = self._has_recording_of(case)
        return page("index.html", case=case, root="", has_recording=has_recording, **shared)

    def _has_recording_of(self, summary: CaseSummary) -> bool:
        return summary.played is not None and self.has_recording(summary.played.audio_sha256)

    def _lines(self, name: str) -> IO[str]:
        return (self._folder / name).open("w", encoding="utf-8", newline="\n")

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text, encoding="utf-8", newline="\n")
