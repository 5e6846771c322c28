"""Makes a backup of a configuration's ledger, while the service takes calls."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agi_bridge import __version__
from agi_bridge.app.ledger import checkpoint_publisher, load_keys, open_ledger
from agi_bridge.backup import Manifest, require_new, seal_keys, write_backup
from agi_bridge.consent import ConsentError, timestamp
from agi_bridge.consent.ledger import deliver_checkpoints, open_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.consent.signing import Keys
    from agi_bridge.settings import Settings

_REQUEST_SECONDS: Final = 8.0
"""Bridges look for a request every two seconds."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that is on disk.

    Attributes:
        manifest: what is in it.
        failures: why its newest events may not be under a checkpoint, or where that is missing.
    """

    manifest: Manifest
    failures: tuple[str, ...]


async def make_backup(
    settings: Settings,
    path: Path,
    *,
    passphrase: str | None,
    progress: Callable[[int, int | None], None],
) -> Made:
    """Write a new file with the ledger, its checkpoints and, sealed, its keys.

    It works with and without a running service. A checkpoint is signed first, and other bridges on
    the database are asked for theirs, so that the copy is proved up to its end.

    Args:
        settings: the configuration.
        path: the file.
        passphrase: what seals the keys; None leaves them out.
        progress: is told how many rows are written.

    Raises:
        BackupError, LedgerUnavailable, KeyFault: it was not made; no file is there.
    """
    await asyncio.to_thread(require_new, path)
    keys, _ = await asyncio.to_thread(load_keys, settings)
    failures = await _sign(settings)
    manifest = await asyncio.to_thread(_write, settings, path, keys, passphrase, progress)
    return Made(manifest, failures)


async def _sign(settings: Settings) -> tuple[str, ...]:
    """Have what is stored now signed; returns what went wrong, which keeps no backup from it.

    Tables of an older version, which are backed up before their upgrade, cannot be signed.
    """
    try:
        async with await open_ledger(settings) as ledger:
            publisher = checkpoint_publisher(settings)
            await ledger.checkpoint(publisher.names)
            failures = [each.reason for each in await deliver_checkpoints(ledger, publisher)]
            if not await ledger.request_checkpoints(_REQUEST_SECONDS):
                failures.append("another bridge did not sign its newest events in time")
    except ConsentError as error:
        return (f"no checkpoint was signed: {error}",)
    return tuple(failures)


def _write(
    settings: Settings,
    path: Path,
    keys: Keys,
    passphrase: str | None,
    progress: Callable[[int, int | None], None],
) -> Manifest:
    sealed = None if passphrase is None else seal_keys(keys, passphrase)
    # Read before the database: no checkpoint in the backup is ahead of its events.
    file = settings.checkpoint_file
    checkpoints = file.read_bytes() if file.exists() else b""
    where = settings.ledger_place
    with open_snapshot(where) as snapshot:
        return write_backup(
            path,
            snapshot,
            keys,
            made=timestamp(),
            software=f"agi-bridge {__version__}",
            database="postgresql" if isinstance(where, str) else "sqlite",
            checkpoint=snapshot.newest_checkpoint(keys.ledger_id),
            checkpoints=checkpoints,
            sealed_keys=sealed,
            progress=progress,
        )
