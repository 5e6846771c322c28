"""`consents export`: writes the proof of some consents, or of all, as a folder or zip file.

    index.html         the summary for people; of several records, a list of records/ID.html
    certificate.html   for the custodian of records to check, complete and sign
    chain.jsonl        the events of these records as stored, and what stands for those between them
    checkpoints.jsonl  the signed hashes of the chains
    stamps/            time stamps of checkpoints by an authority outside
    opened.jsonl       the personal data: salts and values that open the commitments
    texts/, audio/     each text and recording that the events name, by its SHA-256
    manifest.json      formats of files and pages
    VERIFY.txt         how to check all of it, with agi-bridge and without; check.py is part of that
    signer.pem, SHA256SUMS, SHA256SUMS.sig

The export is recorded before anything leaves the ledger. The same state of the ledger gives the
same bytes. `evidence.export` collects and writes it.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.consents.options import ConsentOption, NumberOption, load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.evidence.verify import Report

REQUEST_SECONDS: Final = 8.0
"""How long the other bridges on the database are waited for: each looks every two seconds."""
OutOption = Annotated[
    Path, typer.Option(help="A new folder, or a new file ending in .zip.", metavar="PATH")
]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and the report of its verification."""

    out: Path
    records: int
    report: Report
    not_sent: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether no verdict fails. What has to be taken on trust is the recipient's question."""
        from agi_bridge.evidence.verify import Value

        return self.report.value is not Value.FAILS

    def json(self) -> dict[str, object]:
        """The answer as plain values."""
        return {
            "out": str(self.out),
            "records": self.records,
            "verdicts": self.report.json(),
            "checkpoint_failures": list(self.not_sent),
        }

    def show(self, console: Console) -> None:
        """Print where the export is, and the verdicts."""
        from agi_bridge.cli.consents.verify import print_report
        from agi_bridge.cli.output import count

        console.print(f"written: {self.out}, {count(self.records, 'record')}")
        console.print(
            "It contains personal data: encrypt it to send it, delete it when it is not needed."
        )
        print_report(console, self.report)
        for failure in self.not_sent:
            console.print(f"checkpoint not sent: {failure}", soft_wrap=True)


def command(
    out: OutOption,
    *,
    number: NumberOption = None,
    consent: ConsentOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Every record.")] = False,
    for_: Annotated[
        str | None,
        typer.Option(
            "--for",
            help="The person whom a program exports for: the ledger names them beside the account.",
            metavar="NAME",
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the proof of consents into a folder or a zip file, for a lawyer or the person.

    It contains personal data in full. Nothing else is needed to read and verify it: open
    index.html. The ledger records the export first.
    """
    from agi_bridge.app.ledger import load_keys, open_ledger
    from agi_bridge.cli.arguments import record_ids
    from agi_bridge.cli.common import UsageError
    from agi_bridge.cli.consents.checkpoint import sign_and_publish
    from agi_bridge.cli.consents.verify import progress_line
    from agi_bridge.evidence.export import Collector, ExportWriter, create_archive

    settings = load_settings(config)

    async def work() -> Exported:
        if [number is not None, consent is not None, everything].count(True) != 1:
            raise UsageError("name one of --number, --consent and --all")
        if await asyncio.to_thread(_exists, out):
            raise UsageError(f"--out: {out} exists; name a new folder or zip file")
        async with await open_ledger(settings) as ledger:
            keys, _ = await asyncio.to_thread(load_keys, settings)
            ids = [] if everything else await record_ids(settings, ledger, number, consent)
            ids.reverse()  # oldest first
            option = "--number" if number else "--consent" if consent else "--all"
            await _record_export(ledger, option, ids, for_)
            published = await sign_and_publish(settings, ledger)
            await ledger.request_checkpoints(REQUEST_SECONDS)
            with create_archive(out) as folder, closing(ExportWriter(folder)) as writer:
                async with ledger.moment() as moment:
                    with progress_line("collected") as tell:
                        collector = Collector(moment, writer, everything=everything, progress=tell)
                        collected = await collector.collect(ids)
                with progress_line("verified") as tell:
                    report = await asyncio.to_thread(writer.finish, keys, lambda n: tell(n, None))
        return Exported(out, collected, report, published.failures)

    answer(work(), as_json=as_json)


async def _record_export(ledger: Ledger, option: str, ids: list[str], person: str | None) -> None:
    """Record the export in the ledger, with each record; an export of all, once."""
    from agi_bridge.cli.arguments import permanent_text
    from agi_bridge.cli.audit import actor
    from agi_bridge.consent import Act, Identifiers

    who = actor() if person is None else f"{actor()} for {permanent_text('--for', person)}"
    by = {"actor": who, "command": f"consents export {option}"}
    for each in ids or [Identifiers().next()]:
        await ledger.record_act(Act.EXPORTED, each, **by)


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()
