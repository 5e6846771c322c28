"""Verifies an export from its files alone: no database, no key, no network.

The files are checked against the signed sums, and the ranges of chains in them with
`evidence.verify`. One rule is for exports only: a checkpoint must follow every event that is shown.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from agi_bridge.consent import START, BadCheckpoint, Row, State
from agi_bridge.consent.signing import Checkpoint, ledger_id_of
from agi_bridge.evidence.errors import BadExport
from agi_bridge.evidence.export.archive import content, file_faults, lines, open_archive, signer
from agi_bridge.evidence.export.reader import range_starts, read_ranges
from agi_bridge.evidence.verify import Findings, Start, StateHistories, Verifier, counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from agi_bridge.evidence.export.archive import Archive
    from agi_bridge.evidence.verify import Entry, Report, VerifiedChain

CHECKPOINTS: Final = "checkpoints.jsonl"
OPENED: Final = "opened.json"
_STATES: Final = {state.value: state for state in State}


def verify_export(
    path: Path, elsewhere: Sequence[Checkpoint] = (), trusted: Collection[str] | None = None
) -> Report:
    """Verify a folder or a zip file.

    Args:
        path: the folder or the zip file.
        elsewhere: checkpoints that were kept apart from it.
        trusted: the ids of the chains that are the business's; None trusts any.

    Raises:
        BadExport: the path is not an export, or its list of files or its signer is missing.
    """
    with open_archive(path) as archive:
        verifier = ExportVerifier(archive, elsewhere, trusted)
        for fault in file_faults(archive):
            verifier.findings.add("integrity", fault.code, fault.what)
        verifier.verify()
        report = verifier.report(f"export {path}")
        if ledger_id_of(signer(archive).public_bytes_raw()) in report.chains:
            return report
        what = "the files are signed with a key that signs none of the chains in them"
        verifier.findings.add("integrity", "foreign_signer", what)
        return verifier.report(f"export {path}")


class ExportVerifier:
    """Verifies the events, hashes and checkpoints in an export. The sums are not checked here."""

    def __init__(
        self,
        archive: Archive,
        elsewhere: Sequence[Checkpoint] = (),
        trusted: Collection[str] | None = None,
    ) -> None:
        self.findings = Findings()
        self._archive = archive
        self._elsewhere = elsewhere
        self._trusted = trusted
        self._histories = StateHistories(unknown_before=False)
        self._shown = 0
        self._hidden = 0
        self._last_shown = 0
        self._ranges: dict[str, list[str]] = {}

    def verify(self) -> None:
        """Read and check everything."""
        try:
            self._verify()
        except (BadExport, BadCheckpoint) as error:
            self.findings.add("integrity", "export_malformed", str(error))
        self._histories.finish(self.findings)

    def report(self, subject: str) -> Report:
        """The report on what was read."""
        return self.findings.report(
            subject,
            integrity=f"{counted(self._shown, 'event')} as written, "
            f"{self._hidden:,} more by their hashes",
            anchored="checkpoints before and after every event that is shown",
            completeness="; ".join(
                f"chain {ledger_id[:8]}: events {', '.join(each)}, none missing"
                for ledger_id, each in self._ranges.items()
            ),
        )

    def _verify(self) -> None:
        signed = _by_range(range_starts(self._archive), self._checkpoints())
        personal, texts = self._personal(), dict(self._texts())
        self._check_recordings()
        for start, entries in read_ranges(self._archive):
            if start.seq == 0 and start.hash != START.hex():
                what = "its first hash is not zeros"
                self.findings.add("integrity", "start_hash_wrong", what, start.ledger_id, 0)
            verifier = Verifier(
                signed.pop(start, ()),
                elsewhere=self._elsewhere,
                disclosures=texts,
                starts=[start],
                trusted=self._trusted,
            )
            self._last_shown = 0
            verifier.read(self._counted(entries), personal)
            report = verifier.report()
            self.findings.merge(report)
            self._finish_range(report.parts[0])
        if not self._shown:
            self.findings.add("completeness", "no_event", "it shows no event")

    def _finish_range(self, part: VerifiedChain) -> None:
        if self._last_shown > part.anchored:
            what = "it is newer than the last checkpoint"
            self.findings.add("anchored", "not_anchored", what, part.ledger_id, self._last_shown)
        found = self._ranges.setdefault(part.ledger_id, [])
        found.append(f"{part.first:,} to {part.last:,}")

    def _counted(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Pass the entries on; count them, and follow each consent's history over all ranges."""
        for entry in entries:
            if isinstance(entry, Row):
                self._shown += 1
                self._last_shown = entry.seq
                if (state := _STATES.get(entry.type)) is not None:
                    self._histories.add(entry.ledger_id, entry.seq, entry.consent_id, state)
            else:
                self._hidden += 1
            yield entry

    def _checkpoints(self) -> list[Checkpoint]:
        return [Checkpoint.parse(line) for line in lines(self._archive, CHECKPOINTS)]

    def _personal(self) -> Mapping[str, Mapping[str, str]]:
        try:
            opened = json.loads(content(self._archive, OPENED))
        except (ValueError, RecursionError):
            opened = None
        if not isinstance(opened, dict) or not all(map(_is_texts, opened.values())):
            raise BadExport(f"{OPENED}: not an object of personal data by consent")
        return opened

    def _texts(self) -> Iterator[tuple[str, str]]:
        """The disclosures by the hash in their file names; the verifier checks the hash."""
        for name in sorted(self._archive.names()):
            folder, _, file = name.partition("/")
            if folder == "disclosures":
                yield (
                    file.removesuffix(".txt"),
                    content(self._archive, name).decode("utf-8", "replace"),
                )

    def _check_recordings(self) -> None:
        for name in sorted(self._archive.names()):
            folder, _, file = name.partition("/")
            if folder == "audio":
                digest = hashlib.sha256(content(self._archive, name)).hexdigest()
                if digest != file.removesuffix(".wav"):
                    what = f"the recording {file[:16]} was changed"
                    self.findings.add("integrity", "recording_changed", what)


def _by_range(
    starts: Sequence[Start], checkpoints: Iterable[Checkpoint]
) -> dict[Start, list[Checkpoint]]:
    """Each checkpoint with its range: the last one that starts before it.

    A checkpoint beyond the range's end then shows that events were cut off there.
    """
    found: dict[Start, list[Checkpoint]] = {start: [] for start in starts}
    for checkpoint in checkpoints:
        before = [
            start
            for start in starts
            if start.ledger_id == checkpoint.ledger_id and start.seq <= checkpoint.seq
        ]
        if not before:
            raise BadExport(f"{CHECKPOINTS}: a checkpoint is outside every range of a chain")
        found[max(before, key=lambda start: start.seq)].append(checkpoint)
    return found


def _is_texts(values: object) -> bool:
    return isinstance(values, dict) and all(isinstance(value, str) for value in values.values())
