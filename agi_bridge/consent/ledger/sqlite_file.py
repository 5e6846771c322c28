"""Checks that the open SQLite file and its log are still the ones at their paths.

A file that was deleted, moved or replaced under an open connection still takes writes. They are
lost when the connection closes, and no other connection sees them (SQLite, "How To
Corrupt An SQLite Database File", sections 2.2 and 2.4). So it is looked at before each transaction,
which costs a few microseconds.

Blocks; belongs to the ledger's thread.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

_Identity: TypeAlias = "tuple[int, int]"
"""Device and inode."""


@dataclass(slots=True)
class _Beside:
    """A file that SQLite keeps beside the database: its log, or the log's index."""

    path: str
    identity: _Identity | None = None
    """None until a connection has made it."""
    size: int = 0
    """In bytes, when it was noted last."""
    seen: os.stat_result | None = None

    def has_shrunk(self) -> bool:
        """Whether it was seen shorter than it was noted."""
        return self.identity is not None and _size(self.seen) < self.size

    def is_replaced(self) -> bool:
        """Whether another file was seen at its path, or none."""
        return self.identity is not None and self.identity != _identity(self.seen)

    def note(self) -> None:
        """Take the file that is there for the right one, unless one is known, and its size."""
        there = _look(self.path)
        if self.identity is None:
            self.identity = _identity(there)
        self.size = _size(there)


class SQLiteFile:
    """A SQLite database file, and the files that SQLite keeps beside it while it is open.

    What the questions answer was true at the last `look`.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._handle: int | None = None
        self._identity: _Identity | None = None
        self._size = 0
        self._seen: os.stat_result | None = None
        self._log, self._index = _Beside(f"{path}-wal"), _Beside(f"{path}-shm")

    def look(self) -> None:
        """Look at the three files, each once."""
        self._seen = _look(self._path)
        self._log.seen, self._index.seen = _look(self._log.path), _look(self._index.path)

    def is_in_place(self) -> bool:
        """Whether the path leads to the file that was pinned; True as long as none is."""
        return self._handle is None or _identity(self._seen) == self._identity

    def has_shrunk(self) -> bool:
        """Whether the file is shorter than it was the last time; then `accept_size` or give up.

        SQLite shortens it only after a VACUUM; whatever else does has cut off what it held.
        """
        if self._handle is None:
            return False
        size = _size(self._seen if self.is_in_place() else os.fstat(self._handle))
        if size < self._size:
            return True
        self._size = size
        return False

    def accept_size(self, at_least: int) -> bool:
        """Take the size that the file has now for right, if it has room for that many bytes."""
        if self._handle is None:
            return True
        size = os.fstat(self._handle).st_size
        if not 0 < at_least <= size:
            return False
        self._size = size
        return True

    def has_its_log(self) -> bool:
        """Whether the files beside it are those that the connection has open."""
        return not (self._log.is_replaced() or self._index.is_replaced())

    def log_has_shrunk(self) -> bool:
        """Whether the log is shorter than after the last transaction.

        SQLite shortens it only after everything in it was copied into the file (a checkpoint), by
        whichever process. Otherwise it is written on behind the gap, and nothing notices: what was
        cut off is still in the connection's cache.
        """
        return self._log.has_shrunk()

    def restore_index(self) -> bool:
        """Give the log's index the size that it had, if it was cut short; whether it was.

        It is mapped into memory, and an access behind its end kills the process (SIGBUS). Bytes of
        zero are an index that is not initialised: SQLite rebuilds it from the log (`walformat`,
        "Recovery").
        """
        if not self._index.has_shrunk():
            return False
        os.truncate(self._index.path, 0)  # half an index would be believed
        os.truncate(self._index.path, self._index.size)
        return True

    def pin(self) -> None:
        """Keep hold of the file: its inode cannot become another file's while we have it.

        The handle is one that only names the file (`O_PATH`): to close any other would drop the
        locks that SQLite holds in this process.

        Raises:
            OSError: it is not there.
        """
        if self._handle is None:
            self._handle = os.open(self._path, os.O_PATH | os.O_CLOEXEC)
            self._identity = _identity(os.fstat(self._handle))

    def note_log(self) -> None:
        """Take the files beside it, made by the connection that is open, for its own."""
        self._log.note()
        self._index.note()

    def forget_log(self) -> None:
        """The connection is closed: the next one makes new files beside it."""
        for each in (self._log, self._index):
            each.identity, each.size = None, 0

    def release(self) -> None:
        """Let go of the file."""
        self.forget_log()
        if self._handle is not None:
            os.close(self._handle)
            self._handle = self._identity = None
            self._size = 0


def _look(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - a Path costs as much again, at every transaction
    except OSError:
        return None


def _identity(there: os.stat_result | None) -> _Identity | None:
    return None if there is None else (there.st_dev, there.st_ino)


def _size(there: os.stat_result | None) -> int:
    return 0 if there is None else there.st_size
