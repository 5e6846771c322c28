"""`consents retain`: erases the personal data whose retention period has ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.consents.options import load_settings

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Retained:
    """How many records lose their personal data, and how many more lose only the details."""

    erase: int
    trim: int
    dry_run: bool
    ok: bool = True

    def json(self) -> dict[str, object]:
        """The answer as plain values."""
        return {"erase": self.erase, "trim": self.trim, "dry_run": self.dry_run}

    def show(self, console: Console) -> None:
        """Print both numbers."""
        would = "would be " if self.dry_run else ""
        console.print(f"personal data of {self.erase} records {would}erased")
        console.print(f"details of {self.trim} more {would}erased")


def command(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print how much would be erased.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase the personal data whose retention period has ended. `serve` does so every day."""
    from agi_bridge.app.ledger import maintenance_schedule, open_ledger
    from agi_bridge.observe import wall_clock

    settings = load_settings(config)

    async def work() -> Retained:
        rules = maintenance_schedule(settings).rules(wall_clock.now())
        async with await open_ledger(settings) as ledger:
            report = await ledger.retain(rules, dry_run=dry_run)
        return Retained(**asdict(report), dry_run=dry_run)

    answer(work(), as_json=as_json)
