"""`consents upgrade`: the ledger of an older version brought to this one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from agi_bridge import __version__
from agi_bridge.app.ledger import load_keys
from agi_bridge.consent import LedgerUnavailable
from agi_bridge.consent.ledger import Ledger, upgrade
from agi_bridge.consent.signing import backup_advice

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.settings import Settings


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The version of the tables before and after."""

    before: str
    after: str
    ok: bool = True

    def json(self) -> dict[str, object]:
        """The same as plain values."""
        return {"before": self.before, "after": self.after}

    def show(self, console: Console) -> None:
        """Print whether there was anything to do."""
        if self.before == self.after:
            console.print(f"nothing to do: the tables are of version {self.after}")
        else:
            console.print(f"upgraded from version {self.before} to {self.after}")


async def run(settings: Settings) -> Upgraded:
    """Bring the tables to this version. No bridge may be running on them.

    Raises:
        LedgerUnavailable: there is no ledger, or the database failed; it is as it was.
        KeyFault: the keys cannot be read.
    """
    where = settings.ledger_place
    if isinstance(where, Path) and not await asyncio.to_thread(where.exists):
        raise LedgerUnavailable(f"{where}: no ledger is there")
    # The first release had no keys; what was written with keys needs those.
    first = not await Ledger.exists(where)
    keys, made = await asyncio.to_thread(load_keys, settings, create=first)
    if made:
        structlog.get_logger().warning(backup_advice(made))
    software = f"agi-bridge {__version__}"
    before, after = await asyncio.to_thread(upgrade, where, keys, software=software)
    return Upgraded(before, after)
