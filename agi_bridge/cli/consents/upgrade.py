"""`consents upgrade`: brings the tables of an older ledger to this version."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.consents.options import load_settings

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The version of the tables before and after."""

    before: str
    after: str
    ok: bool = True

    def json(self) -> dict[str, object]:
        """The answer as plain values."""
        return {"before": self.before, "after": self.after}

    def show(self, console: Console) -> None:
        """Print both versions, or that there was nothing to do."""
        if self.before == self.after:
            console.print(f"nothing to do: the tables are of version {self.after}")
        else:
            console.print(f"upgraded from version {self.before} to {self.after}")


def command(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Bring the ledger of an older version to this one. Back it up; on SQLite, stop the bridge."""
    from agi_bridge.consent import LedgerUnavailable
    from agi_bridge.consent.ledger import upgrade_tables

    settings = load_settings(config)

    async def work() -> Upgraded:
        where = settings.ledger_place
        if isinstance(where, Path) and not await asyncio.to_thread(where.exists):
            raise LedgerUnavailable(f"{where}: no ledger is there", code="no_ledger")
        return Upgraded(*await asyncio.to_thread(upgrade_tables, where))

    answer(work(), as_json=as_json)
