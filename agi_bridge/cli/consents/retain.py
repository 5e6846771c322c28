"""`consents retain` and `rekey`: personal data deleted in time, and sealed under a newer key."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from agi_bridge.app.ledger import maintenance_schedule, open_ledger
from agi_bridge.cli.audit import actor
from agi_bridge.cli.errors import UsageError
from agi_bridge.consent.signing import VAULT_KEY_FILE, rotate_vault_key
from agi_bridge.observe import wall_clock

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


async def retain(settings: Settings, *, dry_run: bool) -> Retained:
    """Delete the personal data whose time has run out, or say how much that is.

    Raises:
        ClockInDoubt: nothing besides this machine's clock says that it is time.
        LedgerUnavailable, KeyFault: as the ledger says.
    """
    rules = maintenance_schedule(settings).rules(wall_clock.now())
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
        file = settings.keys_dir / VAULT_KEY_FILE if place is None else place.file
        if file is None:
            raise UsageError(
                "--new-key: the vault key is in the environment; put a new one (32 bytes in "
                "base64) and a comma before it there, and restart every bridge"
            )
        await asyncio.to_thread(rotate_vault_key, file)
        return Rekeyed(None)
    async with await open_ledger(settings) as ledger:
        return Rekeyed(await ledger.rekey(actor()))
