"""`consents verify`: three verdicts on the ledger, or on an export with nothing but its files."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agi_bridge.app.ledger import open_ledger
from agi_bridge.consent.signing import read_checkpoints
from agi_bridge.evidence.export.trust import trusted_chain
from agi_bridge.evidence.export.verify import verify_export
from agi_bridge.evidence.verify.ledger import verify_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from agi_bridge.evidence.verify.report import Report
    from agi_bridge.settings import Settings


async def run(
    load: Callable[[], Settings],
    export: Path | None,
    *,
    checkpoints: Sequence[Path],
    public_keys: Sequence[str],
) -> Report:
    """Verify an export, or without one the ledger of the configuration, which only that loads.

    Beside the files of checkpoints that are named, a ledger is held against the one that its
    configuration names, if it is there.

    Raises:
        BadCheckpoint: a file of checkpoints cannot be read.
        BadExport: there is no export at that path.
        UsageError: a public key is none.
        LedgerUnavailable, KeyFault: as the ledger says.
    """
    trusted = {trusted_chain(each) for each in public_keys} or None
    elsewhere = [each for path in checkpoints for each in read_checkpoints(path)]
    if export is not None:
        return await asyncio.to_thread(verify_export, export, elsewhere, trusted)
    settings = load()
    if await asyncio.to_thread(settings.checkpoint_file.exists):
        elsewhere += await asyncio.to_thread(read_checkpoints, settings.checkpoint_file)
    async with await open_ledger(settings) as ledger:
        return await verify_ledger(ledger, elsewhere, trusted)
