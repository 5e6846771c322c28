"""`consents retain`, `rekey` and `upgrade`: what keeps a ledger in order."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from agi_bridge import __version__
from agi_bridge.consent import Ledger, LedgerUnavailable
from agi_bridge.consent.keys import VAULT, advice, rotate_vault_key
from agi_bridge.consent.migrating import upgrade as upgrade_tables
from agi_bridge.tools.consents.actor import actor
from agi_bridge.tools.errors import UsageError
from agi_bridge.tools.ledger import load_keys, open_ledger, periods

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.settings import Settings


@dataclass(frozen=True, slots=True)
class Retained:
    """How many records lose their personal data, and how many more only the details."""

    erase: int
    trim: int
    dry_run: bool
    ok: bool = True

    def json(self) -> dict[str, object]:
        """The same as plain values."""
        return {"erase": self.erase, "trim": self.trim, "dry_run": self.dry_run}

    def show(self, console: Console) -> None:
        """Print the figures."""
        would = "would be " if self.dry_run else ""
        console.print(f"personal data of {self.erase} records {would}erased")
        console.print(f"details of {self.trim} more {would}erased")


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """How many records were sealed again; None if a new key was made for that, and no more."""

    resealed: int | None
    ok: bool = True

    def json(self) -> dict[str, object]:
        """The same as plain values."""
        return {"new_key": self.resealed is None, "resealed": self.resealed}

    def show(self, console: Console) -> None:
        """Print what was done, and what to do next."""
        if self.resealed is None:
            console.print(
                "Made a new vault key, before the old ones in its file. Back the file up and "
                "restart every bridge on this database now; then: agi-bridge consents rekey",
                soft_wrap=True,
            )
        else:
            console.print(
                f"Sealed again under the first vault key: {self.resealed} records. The old keys "
                "are needed only for back-ups of the database made before.",
                soft_wrap=True,
            )


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


async def retain(settings: Settings, *, dry_run: bool) -> Retained:
    """Delete the personal data whose time has run out, or say how much that is.

    Raises:
        LedgerUnavailable, KeyFault: as the ledger says.
    """
    rules = periods(settings).rules(time.time())
    async with await open_ledger(settings) as ledger:
        report = await ledger.retain(rules, dry_run=dry_run)
    return Retained(**asdict(report), dry_run=dry_run)


async def rekey(settings: Settings, *, new_key: bool) -> Rekeyed:
    """Seal all personal data again under the first vault key, or only make a new first key.

    These are two steps, for a bridge that runs knows the keys that it was started with: it could
    not open what is sealed under a newer one.

    Raises:
        UsageError: a new key is asked for, but the keys are not in a file.
        LedgerUnavailable, KeyFault, VaultDamaged: as the ledger says.
    """
    if new_key:
        place = settings.ledger.vault_key
        file = settings.keys_dir / VAULT if place is None else place.file
        if file is None:
            raise UsageError(
                "--new-key: the vault key is in the environment; put a new one (32 bytes in "
                "base64) and a comma before it there, and restart every bridge"
            )
        await asyncio.to_thread(rotate_vault_key, file)
        return Rekeyed(None)
    async with await open_ledger(settings) as ledger:
        return Rekeyed(await ledger.rekey(actor()))


async def upgrade(settings: Settings) -> Upgraded:
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
        structlog.get_logger().warning(advice(made))
    software = f"agi-bridge {__version__}"
    before, after = await asyncio.to_thread(upgrade_tables, where, keys, software=software)
    return Upgraded(before, after)
