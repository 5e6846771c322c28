"""The key of the history: it turns a number into the hash by which its calls are found and erased.

It is not a key of the ledger: the history is not evidence, and a hash of one says nothing about the
other. The key is in a file beside the history, so a copy of the history alone tells no number.
"""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from agi_bridge.durable import sync_folder
from agi_bridge.history.errors import HistoryError

if TYPE_CHECKING:
    from pathlib import Path

_BYTES: Final = 32
_HASH_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class NumberKey:
    """A key of 32 random bytes."""

    secret: bytes = field(repr=False)

    @classmethod
    def load(cls, path: Path, *, create: bool = False) -> Self:
        """Read the key's file, or make it. Blocks.

        Raises:
            HistoryError: the file is missing or is not a key.
            OSError: it cannot be read or made.
        """
        if create:
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                pass
            else:
                with os.fdopen(handle, "wb") as file:
                    file.write(secrets.token_hex(_BYTES).encode())
                    file.flush()
                    os.fsync(file.fileno())
                sync_folder(path.parent)
        try:
            secret = bytes.fromhex(path.read_text(encoding="ascii"))
        except FileNotFoundError:
            raise HistoryError("no_key", f"{path} is missing: no number can be found") from None
        except ValueError:
            secret = b""
        if len(secret) != _BYTES:
            raise HistoryError(
                "bad_key",
                f"{path} is not a key: delete it, and restart the service, which makes another",
            )
        return cls(secret)

    def hash(self, e164: str) -> bytes:
        """Return the hash of a number."""
        return hmac.digest(self.secret, e164.encode(), "sha256")[:_HASH_BYTES]

    @property
    def fingerprint(self) -> str:
        """Says in the history which key it was written with."""
        return self.hash("fingerprint").hex()
