"""`consents import`: takes over consents that were given elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.consents.options import load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.app.import_file import RowFault
    from agi_bridge.consent import ImportResult

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file: what was stored, or would be, and its bad rows."""

    result: ImportResult
    faults: tuple[RowFault, ...]
    dry_run: bool
    refused: bool

    @property
    def ok(self) -> bool:
        """Whether the file was taken."""
        return not self.refused

    def json(self) -> dict[str, object]:
        """The answer as plain values."""
        return {
            "dry_run": self.dry_run,
            "refused": self.refused,
            "imported": len(self.result.stored),
            "already": self.result.already,
            "suppressed": self.result.suppressed,
            "records": [] if self.dry_run else list(self.result.stored),
            "bad_rows": [
                {"line": each.line, "field": each.field, "problem": each.problem, "fix": each.fix}
                for each in self.faults
            ],
        }

    def show(self, console: Console) -> None:
        """Print the bad rows, then the numbers."""
        from agi_bridge.cli.output import count, printable

        for fault in self.faults[:_SHOWN]:
            console.print(printable(str(fault)), soft_wrap=True)
        if len(self.faults) > _SHOWN:
            console.print(f"and {count(len(self.faults) - _SHOWN, 'bad row')} more")
        if self.refused:
            bad = count(len(self.faults), "bad row")
            console.print(f"nothing was imported: {bad} (--skip-bad takes the others)")
            return
        done = "would be imported" if self.dry_run else "imported"
        console.print(f"{count(len(self.result.stored), 'consent')} {done}")
        if self.result.already:
            console.print(f"{self.result.already} on record already")
        if self.result.suppressed:
            console.print(
                f"{self.result.suppressed} of numbers that were revoked: they stay so, and are not "
                "texted"
            )


def command(
    file: Annotated[
        str, typer.Argument(help="A CSV file, or JSON lines (.jsonl).", metavar="FILE")
    ],
    *,
    evidence: Annotated[
        list[str] | None,
        typer.Option("--evidence", help="A file that shows all of them. Can be repeated."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be imported; store nothing.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Import the good rows although others are bad.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import consents that were given elsewhere, with the files that show it.

    They are marked as imported everywhere and never look like a call's. A revocation stays in
    force, whatever is imported.
    """
    import asyncio
    from datetime import UTC, datetime
    from pathlib import Path

    from agi_bridge.app.import_file import read_import
    from agi_bridge.app.ledger import open_ledger
    from agi_bridge.cli.audit import actor
    from agi_bridge.cli.common import UsageError
    from agi_bridge.consent import ImportResult

    settings = load_settings(config)

    async def work() -> Imported:
        shared = [Path(each) for each in evidence or []]
        try:
            read = await asyncio.to_thread(
                read_import, Path(file), settings.lines, shared, datetime.now(UTC)
            )
        except ValueError as error:
            raise UsageError(f"{file}: {error}") from None
        except OSError as error:
            raise UsageError(f"{error.filename}: {error.strerror}") from None
        refused = bool(read.faults) and not skip_bad
        if refused:
            return Imported(ImportResult(), read.faults, dry_run, refused)
        async with await open_ledger(settings) as ledger:
            result = await ledger.import_consents(read.consents, actor=actor(), dry_run=dry_run)
        return Imported(result, read.faults, dry_run, refused)

    answer(work(), as_json=as_json)
