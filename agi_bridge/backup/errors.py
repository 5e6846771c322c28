"""Errors of backups, each with a stable `code`.

BackupError
├── BackupDamaged     the file is not a backup, is cut short, or was changed
└── WrongPassphrase   the passphrase does not open the keys in it, or is none

Texts name files, never a passphrase or a key.
"""

from __future__ import annotations


class BackupError(Exception):
    """Base of every error of this package.

    Codes: `file_exists`, `not_written`, `format_newer`, `keys_left_out`, `keys_missing`,
    `not_empty`, `service_running`, `later_events`, `faults_found`, `signer_unknown`.

    Attributes:
        code: a stable name of the error.
    """

    code: str = "backup_error"

    def __init__(self, text: str, *, code: str | None = None) -> None:
        super().__init__(text)
        if code is not None:
            self.code = code


class BackupDamaged(BackupError):  # noqa: N818 - named after what happened, as the ledger's are
    """A file is not a whole backup as it was written; the text names the part that is wrong.

    Codes: `backup_cut`, `backup_changed`, `not_a_backup`, `other_signer`.
    """

    code = "backup_changed"


class WrongPassphrase(BackupError):  # noqa: N818 - the same
    """A passphrase does not open the keys of a backup, or cannot be used.

    Codes: `passphrase_wrong`, `passphrase_short`, `passphrase_missing`, `passphrase_unreadable`.
    """

    code = "passphrase_wrong"
