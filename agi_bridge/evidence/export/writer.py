"""The files of an export, written one after the other. Blocks."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING

from agi_bridge import __version__
from agi_bridge.consent import canonical, leaf
from agi_bridge.evidence.export import archive
from agi_bridge.evidence.export.html import TEMPLATES, page
from agi_bridge.evidence.export.reader import CHAIN, EVENTS
from agi_bridge.evidence.export.summary import tell
from agi_bridge.evidence.export.verify import CHECKPOINTS, OPENED, Proof
from agi_bridge.evidence.verify.report import QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agi_bridge.consent import Row
    from agi_bridge.consent.signing import Checkpoint, Keys
    from agi_bridge.evidence.export.case import Dossier
    from agi_bridge.evidence.export.summary import Story
    from agi_bridge.evidence.verify.report import Report

SOFTWARE = f"agi-bridge {__version__}"


class Files:
    """An export being written into an empty folder; `finish` makes it whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("audio", "disclosures", "consents"):
            (folder / name).mkdir()
        self._events = self._lines(EVENTS)
        self._chain = self._lines(CHAIN)
        self._checkpoints = self._lines(CHECKPOINTS)
        self._opened: dict[str, Mapping[str, str]] = {}
        self._stories: list[Story] = []

    def record(self, record: Dossier) -> None:
        """Write one record's page, and what lies beside its events."""
        self._opened.update(record.personal)
        if record.disclosure is not None:
            name = f"disclosures/{record.disclosure.sha256}.txt"
            (self._folder / name).write_bytes(record.disclosure.text.encode())
        story = tell(record, reveal=True)
        self._stories.append(story)
        text = page("consent.html", story=story, root="../", **self._what_is_there(story))
        self._write(f"consents/{story.consent_id}.html", text)

    def has_sound(self, sha256: str) -> bool:
        """Whether a recording is written already."""
        return (self._folder / "audio" / f"{sha256}.wav").exists()

    def sound(self, sha256: str, wav: bytes) -> None:
        """Write a recording."""
        (self._folder / "audio" / f"{sha256}.wav").write_bytes(wav)

    def start(self, ledger_id: str, seq: int, hash_: str) -> None:
        """A part of a chain begins after event `seq`, where the chain's hash was this."""
        self._chain.write(canonical({"ledger_id": ledger_id, "seq": seq, "hash": hash_}) + "\n")

    def event(self, row: Row, *, shown: bool) -> None:
        """The next event of that part: itself, or no more than its hash."""
        if shown:
            self._events.write(row.body + "\n")
        else:
            hash_ = leaf(row.body).hex()
            self._chain.write(
                canonical({"ledger_id": row.ledger_id, "seq": row.seq, "leaf": hash_}) + "\n"
            )

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """A checkpoint of that part."""
        self._checkpoints.write(checkpoint.line + "\n")

    def finish(self, keys: Keys) -> Report:
        """Verify what is there, write the summary that says so, sums and signature."""
        for file in (self._events, self._chain, self._checkpoints):
            file.close()
        opened = json.dumps(self._opened, ensure_ascii=False, indent=1, sort_keys=True)
        self._write(OPENED, opened + "\n")
        with archive.open_archive(self._folder) as files:
            proof = Proof(files)
            proof.verify()
        report = proof.report("this export")
        shared = {"report": report, "signer": keys.ledger_id, "software": SOFTWARE}
        self._write("VERIFY.txt", page("verify.txt", **shared))
        self._write("check.py", (TEMPLATES / "check.txt").read_text(encoding="utf-8"))
        self._write("index.html", self._index(questions=QUESTIONS, **shared))
        archive.seal(self._folder, keys.signing)
        return report

    def _index(self, **shared: object) -> str:
        if len(self._stories) != 1:
            return page("index.html", stories=self._stories, story=None, **shared)
        story = self._stories[0]
        (self._folder / "consents" / f"{story.consent_id}.html").unlink()
        (self._folder / "consents").rmdir()
        return page("index.html", story=story, root="", **self._what_is_there(story), **shared)

    def _what_is_there(self, story: Story) -> dict[str, bool]:
        played = story.played
        return {"has_sound": played is not None and self.has_sound(played.audio_sha256)}

    def _lines(self, name: str) -> IO[str]:
        return (self._folder / name).open("w", encoding="utf-8", newline="\n")

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text, encoding="utf-8", newline="\n")
