"""`consents verify`: prints three verdicts on the ledger, or on an export.

The checks are in `evidence.verify` and `evidence.export`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.consents.options import load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.evidence.verify import Report

ExportArgument = Annotated[
    Path | None,
    typer.Argument(help="A folder or zip file. Default: the ledger.", metavar="EXPORT"),
]
CheckpointsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkpoints", help="Checkpoints that were kept elsewhere; repeatable.", metavar="FILE"
    ),
]
_SHOWN: Final = 20
"""How many faults of a verdict are printed."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The report of the verification."""

    report: Report

    @property
    def ok(self) -> bool:
        """Whether all three verdicts hold."""
        return self.report.ok

    def json(self) -> dict[str, object]:
        """The report as plain values."""
        return self.report.json()

    def show(self, console: Console) -> None:
        """Print the verdicts, and the faults of each."""
        print_report(console, self.report)


def command(
    export: ExportArgument = None,
    *,
    checkpoints: CheckpointsOption = None,
    public_key: Annotated[
        list[str] | None,
        typer.Option(
            help="The business's signing key, as a file (PEM or base64) or as its fingerprint; "
            "repeatable. Chains of any other key then fail.",
            metavar="KEY",
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify that the ledger, or an export, is as it was written.

    Three verdicts: integrity, anchored, completeness; exit code 0 only if all hold. An export needs
    no configuration, database, key or network.
    """
    from agi_bridge.consent.signing import read_checkpoints
    from agi_bridge.evidence.export import trusted_chain, verify_export
    from agi_bridge.evidence.verify import verify_ledger

    async def work() -> Verified:
        trusted = {trusted_chain(each) for each in public_key or ()} or None
        elsewhere = [each for path in checkpoints or () for each in read_checkpoints(path)]
        if export is not None:
            return Verified(await asyncio.to_thread(verify_export, export, elsewhere, trusted))
        from agi_bridge.app.ledger import open_ledger

        settings = load_settings(config)
        if await asyncio.to_thread(settings.checkpoint_file.exists):
            elsewhere += await asyncio.to_thread(read_checkpoints, settings.checkpoint_file)
        async with await open_ledger(settings) as ledger:
            return Verified(await verify_ledger(ledger, elsewhere, trusted))

    answer(work(), as_json=as_json)


def print_report(console: Console, report: Report) -> None:
    """Print the verdicts of a report, and the first faults of each."""
    console.print(report.subject, soft_wrap=True)
    for name, verdict in report.verdicts:
        word = "holds" if verdict.ok else "FAILS"
        style = "green" if verdict.ok else "bold red"
        console.print(f"{name:<13}", end="")
        console.print(f"{word:<7}", style=style, end="")
        console.print(verdict.text, soft_wrap=True)
        for fault in verdict.faults[:_SHOWN]:
            console.print(f"  {fault}", soft_wrap=True)
        if verdict.count > _SHOWN:
            console.print(f"  and {verdict.count - _SHOWN:,} more")
    keys = ", ".join(f"key {each}" for each in report.chains)
    console.print(f"signed by    {keys or 'nobody'}", soft_wrap=True)
