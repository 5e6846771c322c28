"""An export verified with nothing but its files: no database, no key, no network.

The files are checked against the signed sums, and the parts of chains in them as a ledger's chains
are. What only an export has: an event that is shown must be vouched for by a checkpoint after it.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from agi_bridge.consent import START, BadCheckpoint, BadExport, Row, State
from agi_bridge.consent.signing import Checkpoint, ledger_id_of
from agi_bridge.evidence.export.archive import content, lines, open_archive, signer, unsound
from agi_bridge.evidence.export.reader import parts, starts
from agi_bridge.evidence.verify.fold_findings import Findings
from agi_bridge.evidence.verify.history import StateHistories
from agi_bridge.evidence.verify.verdict import Faults
from agi_bridge.evidence.verify.verifier import Start, Verifier

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from agi_bridge.evidence.export.archive import Archive
    from agi_bridge.evidence.verify.report import Report
    from agi_bridge.evidence.verify.verdict import ChainSeen
    from agi_bridge.evidence.verify.verifier import Entry

CHECKPOINTS: Final = "checkpoints.jsonl"
OPENED: Final = "opened.json"
_STATES: Final = {state.value: state for state in State}


def verify_export(
    path: Path, elsewhere: Sequence[Checkpoint] = (), trusted: Collection[str] | None = None
) -> Report:
    """Verify a folder or a zip.

    Args:
        path: where it lies.
        elsewhere: checkpoints that were kept apart from it.
        trusted: the ids of the chains that are the business's; None trusts any.

    Raises:
        BadExport: there is none at that path, or not even its list of files and its signer.
    """
    with open_archive(path) as archive:
        proof = Proof(archive, elsewhere, trusted)
        for what in unsound(archive):
            proof.findings.wrong("integrity", what)
        proof.verify()
        if ledger_id_of(signer(archive).public_bytes_raw()) not in proof.findings.chains:
            what = "the files are signed with a key that signs no chain in them"
            proof.findings.wrong("integrity", what)
        return proof.report(f"export {path}")


class Proof:
    """The events, hashes and checkpoints in an export; its sums are another matter."""

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
        self._stories = StateHistories(unknown_before=False)
        self._shown = 0
        self._hidden = 0
        self._last_shown = 0
        self._spans: dict[str, list[str]] = {}

    def verify(self) -> None:
        """Read all of it."""
        try:
            self._verify()
        except (BadExport, BadCheckpoint) as error:
            self.findings.wrong("integrity", str(error))
        broken = Faults()
        self._stories.judge(broken)
        for fault in broken.first:
            self.findings.wrong("integrity", fault.what, fault.ledger_id, fault.seq)

    def report(self, subject: str) -> Report:
        """What was found."""
        return self.findings.report(
            subject,
            integrity=f"{_events(self._shown)} as written, {self._hidden:,} more by their hashes",
            anchored="checkpoints before and after every event that is shown",
            completeness="; ".join(
                f"chain {ledger_id[:8]}: events {', '.join(spans)}, none missing"
                for ledger_id, spans in self._spans.items()
            ),
        )

    def _verify(self) -> None:
        marks = _by_start(starts(self._archive), self._checkpoints())
        personal, texts = self._personal(), dict(self._texts())
        self._look_at_sounds()
        for start, entries in parts(self._archive):
            if start.seq == 0 and start.hash != START.hex():
                self.findings.wrong("integrity", "its first hash is none", start.ledger_id, 0)
            verifier = Verifier(
                marks.pop(start, ()),
                elsewhere=self._elsewhere,
                disclosures=texts,
                starts=[start],
                trusted=self._trusted,
            )
            self._last_shown = 0
            verifier.read(self._watched(entries), personal)
            verdicts = verifier.verdicts()
            self.findings.add(verdicts)
            self._close(verdicts.chains[0])
        if not self._shown:
            self.findings.wrong("completeness", "it shows no event")

    def _close(self, chain: ChainSeen) -> None:
        if self._last_shown > chain.anchored:
            what = "it is newer than the last checkpoint"
            self.findings.wrong("anchored", what, chain.ledger_id, self._last_shown)
        spans = self._spans.setdefault(chain.ledger_id, [])
        spans.append(f"{chain.first:,} to {chain.last:,}")

    def _watched(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """The entries, counted, and each consent's story told over all parts."""
        for entry in entries:
            if isinstance(entry, Row):
                self._shown += 1
                self._last_shown = entry.seq
                if (state := _STATES.get(entry.type)) is not None:
                    self._stories.add(entry.ledger_id, entry.seq, entry.consent_id, state)
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
            raise BadExport(f"{OPENED}: is no object of personal data by consent")
        return opened

    def _texts(self) -> Iterator[tuple[str, str]]:
        """The disclosures by the hash that their names say they have; it is checked later."""
        for name in sorted(self._archive.names()):
            folder, _, file = name.partition("/")
            if folder == "disclosures":
                yield (
                    file.removesuffix(".txt"),
                    content(self._archive, name).decode("utf-8", "replace"),
                )

    def _look_at_sounds(self) -> None:
        for name in sorted(self._archive.names()):
            folder, _, file = name.partition("/")
            if folder == "audio":
                digest = hashlib.sha256(content(self._archive, name)).hexdigest()
                if digest != file.removesuffix(".wav"):
                    self.findings.wrong("integrity", f"the recording {file[:16]} was changed")


def _by_start(
    begins: Sequence[Start], checkpoints: Iterable[Checkpoint]
) -> dict[Start, list[Checkpoint]]:
    """Each checkpoint with the part that it is about: the last one that begins before it.

    One that is beyond the part's end says then that events were cut off there.
    """
    found: dict[Start, list[Checkpoint]] = {start: [] for start in begins}
    for checkpoint in checkpoints:
        before = [
            start
            for start in begins
            if start.ledger_id == checkpoint.ledger_id and start.seq <= checkpoint.seq
        ]
        if not before:
            raise BadExport(f"{CHECKPOINTS}: a checkpoint is of no part of a chain")
        found[max(before, key=lambda start: start.seq)].append(checkpoint)
    return found


def _is_texts(values: object) -> bool:
    return isinstance(values, dict) and all(isinstance(value, str) for value in values.values())


def _events(count: int) -> str:
    return f"{count:,} event{'' if count == 1 else 's'}"
