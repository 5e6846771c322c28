"""Makes a backup of a configuration's ledger, while the service takes calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge import __version__
from agi_bridge.app.ledger import load_keys
from agi_bridge.backup import Manifest, seal_keys, write_backup
from agi_bridge.consent import timestamp
from agi_bridge.consent.ledger import open_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.settings import Settings


def make_backup(
    settings: Settings,
    path: Path,
    *,
    passphrase: str | None,
    progress: Callable[[int, int | None], None],
) -> Manifest:
    """Write a new file with the ledger, its checkpoints and, sealed, its keys. Blocks.

    It works with and without a running service, and writes nothing to the ledger.

    Args:
        settings: the configuration.
        path: the file.
        passphrase: what seals the keys; None leaves them out.
        progress: is told how many rows are written.

    Raises:
        BackupError, LedgerUnavailable, KeyFault: it was not made; no file is there.
    """
    keys, _ = load_keys(settings)
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
