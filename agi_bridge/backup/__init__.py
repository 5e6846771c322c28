"""Backups: a whole ledger, its checkpoints and its sealed keys in one file.

Knows no settings and no commands; `docs/backup.md` describes the file.
"""

from agi_bridge.backup.errors import BackupDamaged, BackupError, WrongPassphrase
from agi_bridge.backup.manifest import Head, Manifest
from agi_bridge.backup.reader import BackupFile
from agi_bridge.backup.sealed_keys import is_open_to_others, open_keys, read_passphrase, seal_keys
from agi_bridge.backup.writer import require_new, write_backup

__all__ = [
    "BackupDamaged",
    "BackupError",
    "BackupFile",
    "Head",
    "Manifest",
    "WrongPassphrase",
    "is_open_to_others",
    "open_keys",
    "read_passphrase",
    "require_new",
    "seal_keys",
    "write_backup",
]
