"""`consents show`: shows one record with everything that happened to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.consents.options import RecordArgument, RevealOption, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from agi_bridge.evidence.export import CaseSummary


@dataclass(frozen=True, slots=True)
class Shown:
    """The record's summary."""

    summary: CaseSummary
    ok: bool = True

    def json(self) -> dict[str, object]:
        """The summary, and the record's events with their bodies."""
        events = [
            {"type": event.type, "at": event.at, "ledger_id": event.ledger_id,
             "seq": event.seq, "hash": event.hash, "facts": dict(event.body)}
            for event in self.summary.events
        ]  # fmt: skip
        return {**self.summary.json(), "events": events}

    def show(self, console: Console) -> None:
        """Print the page of an export in short."""
        print_summary(console, self.summary)


def print_summary(console: Console, summary: CaseSummary) -> None:
    """Print what happened to a record."""
    from agi_bridge.cli.output import printable, table
    from agi_bridge.evidence.export import personal_label

    console.print(printable(summary.title), style="bold")
    lines = [("record", summary.consent_id), ("status", summary.status)]
    if summary.given is not None:
        given = f"{summary.given.local} ({summary.given.utc})"
        lines += [("given", given), ("how", summary.act)]
    if summary.telephone:
        lines.append(("keyed from", summary.telephone))
    if summary.window:
        lines.append(("by time stamps", summary.window))
    lines += [(personal_label(name), value) for name, value in summary.personal.items()]
    if summary.erased:
        lines.append(("personal data", "erased"))
    if summary.played is not None:
        played = summary.played
        lines += [
            ("disclosure", played.text or "no longer on record"),
            ("played", f"{played.heard:.1f} of {played.seconds:.1f} s"),
        ]
    lines += [("dialogue", f"{line.seconds:.1f} s: {line.what}") for line in summary.dialogue]
    for name, value in lines:
        console.print(f"{name:<18} {printable(value)}", soft_wrap=True)
    events = [
        (event.at, event.title, "; ".join(f"{name}: {value}" for name, value in event.facts))
        for event in summary.events
    ]
    console.print(table(("at", "event", "facts"), events))


def command(
    record: RecordArgument,
    *,
    reveal: RevealOption = False,
    evidence: Annotated[
        str | None,
        typer.Option(
            help="A new folder for the files of evidence of an imported consent. The ledger "
            "records who took them.",
            metavar="FOLDER",
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one record and everything that happened to it."""
    from agi_bridge.app.ledger import open_ledger
    from agi_bridge.cli import audit
    from agi_bridge.cli.arguments import record_id
    from agi_bridge.evidence.export import read_case, summarise

    settings = load_settings(config)

    async def work() -> Shown:
        async with await open_ledger(settings) as ledger:
            consent_id = await record_id(ledger, record)
            case = await read_case(ledger, consent_id)
            if reveal or evidence is not None:
                known = await audit.reveal(ledger, consent_id, "consents show --reveal")
                if evidence is not None:
                    _write_evidence(Path(evidence), known)
                case = await read_case(ledger, consent_id)
        return Shown(summarise(case, reveal=reveal))

    answer(work(), as_json=as_json)


def _write_evidence(folder: Path, known: Mapping[str, str]) -> None:
    """Write files of evidence into a new folder, numbered, because two may have the same name."""
    from agi_bridge.cli.common import UsageError
    from agi_bridge.consent import evidence_files

    if "evidence" not in known:
        raise UsageError("--evidence: there are no files of evidence with this record")
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise UsageError(f"--evidence: {folder}: {error.strerror}") from None
    for number, each in enumerate(evidence_files(known["evidence"]), 1):
        # The name came with the import: only its last part counts here.
        (folder / f"{number}-{Path(each.name).name}").write_bytes(each.content)
