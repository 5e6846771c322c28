"""`consents export`: the proof of some consents, or of all, that stands without this software.

    index.html         the summary for people; of several consents, a list of consents/ID.html
    events.jsonl       the events of these consents, one body a line, as stored
    chain.jsonl        the hashes of the events between them, and where each part of a chain begins
    checkpoints.jsonl  the signed hashes at both ends of these parts, and between
    opened.json        the personal data: salts and values that open the commitments
    disclosures/       each text that was played, by its SHA-256
    audio/             each recording that was played, by its SHA-256
    VERIFY.txt         how to check all of it, with agi-bridge and without; check.py is part of that
    signer.pem, SHA256SUMS, SHA256SUMS.sig

That it was exported is on record before anything leaves the ledger. The same state of the ledger
gives the same bytes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agi_bridge.app.ledger import load_keys, open_ledger
from agi_bridge.cli import arguments
from agi_bridge.cli.audit import actor
from agi_bridge.cli.consents.checkpoint import checkpoint
from agi_bridge.cli.errors import UsageError
from agi_bridge.consent import Act, Filter, Identifiers, NotOnRecord
from agi_bridge.evidence.export import archive
from agi_bridge.evidence.export.collect import Gathering
from agi_bridge.evidence.export.writer import Files

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.evidence.verify.report import Report
    from agi_bridge.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be exported: the consents of a number, one by its id, or all of them."""

    number: str | None = None
    consent: str | None = None
    everything: bool = False

    @property
    def option(self) -> str:
        """The option that says so, without what it was given."""
        return "--number" if self.number else "--consent" if self.consent else "--all"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and what its verification says."""

    out: Path
    consents: tuple[str, ...]
    report: Report
    not_sent: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether all three verdicts hold of it."""
        return self.report.ok

    def json(self) -> dict[str, object]:
        """The same as plain values."""
        return {
            "out": str(self.out),
            "consents": list(self.consents),
            "verdicts": self.report.json(),
            "checkpoint_failures": list(self.not_sent),
        }

    def show(self, console: Console) -> None:
        """Print where it is, and the verdicts."""
        count = len(self.consents)
        console.print(f"written: {self.out}, {count:,} record{'' if count == 1 else 's'}")
        console.print("It holds personal data: hand it over encrypted, delete it when it is done.")
        self.report.show(console)
        for failure in self.not_sent:
            console.print(f"checkpoint not sent: {failure}", soft_wrap=True)


async def run(settings: Settings, wanted: Wanted, out: Path) -> Exported:
    """Export to a folder, or to a zip file if its name says so.

    Raises:
        UsageError: not one thing is wanted, the number is none, or something is there already.
        NotOnRecord: the ledger has no such consent.
        LedgerUnavailable, KeyFault, VaultDamaged: as the ledger says.
        OSError: it cannot be written.
    """
    if [wanted.number is None, wanted.consent is None, not wanted.everything].count(False) != 1:
        raise UsageError("name one of --number, --consent and --all")
    if await asyncio.to_thread(_is_there, out):
        raise UsageError(f"--out: {out} is there already; name a new folder or zip file")
    async with await open_ledger(settings) as ledger:
        keys, _ = await asyncio.to_thread(load_keys, settings)
        ids = await _ids(settings, ledger, wanted)
        await _put_on_record(ledger, wanted, ids)
        anchored = await checkpoint(settings, ledger)
        with archive.written(out) as folder:
            files = Files(folder)
            shown = await Gathering(ledger, files, everything=wanted.everything).gather(ids)
            report = await asyncio.to_thread(files.finish, keys)
    return Exported(out, shown, report, anchored.failures)


async def _ids(settings: Settings, ledger: Ledger, wanted: Wanted) -> list[str]:
    """The records that are wanted, oldest first."""
    if wanted.consent is not None:
        return [await arguments.record(ledger, wanted.consent)]
    number = None if wanted.number is None else arguments.number(settings, wanted.number)
    found = await ledger.summaries(Filter(number=number, limit=None))
    if not found:
        raise NotOnRecord(f"{wanted.option}: no consent is on record")
    return [summary.consent_id for summary in reversed(found)]


async def _put_on_record(ledger: Ledger, wanted: Wanted, ids: list[str]) -> None:
    """Note the export with each record; that of everything, once."""
    by = {"actor": actor(), "command": f"consents export {wanted.option}"}
    if wanted.everything:
        await ledger.record_act(Act.EXPORTED, Identifiers().next(), count=len(ids), **by)
        return
    for each in ids:
        await ledger.record_act(Act.EXPORTED, each, **by)


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()
