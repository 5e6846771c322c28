"""The thread that writes the history: no call waits for it, and what it cannot write is dropped.

A full disk, a lock or a file that is gone make it try again; calls go on. The queue is bounded: a
full one drops its oldest call, which is counted.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from agi_bridge.history import database
from agi_bridge.history.errors import HistoryError
from agi_bridge.history.number_key import NumberKey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agi_bridge.history.call import Draft

MAX_QUEUED: Final = 4096
"""Calls that wait to be written: about 8 MB, and the calls of some minutes at the utmost load."""
GATHER_SECONDS: Final = 0.25
"""How long calls are gathered for one transaction: `calls --follow` sees them within a second."""
RETRY_SECONDS: Final = 2.0
"""How long the thread waits after a failure."""
CLOSE_SECONDS: Final = 3.0
"""How long an end of the service waits for the queue: a disk that hangs must not keep it."""
PRUNE_SECONDS: Final = 600.0
"""Between two looks for calls that are too old."""
_PRUNED_AT_ONCE: Final = 2000
_DAY: Final = 86_400.0
_BATCH: Final = 500


class HistoryWriter:
    """Writes calls into the history of a state directory, on its own thread.

    Args:
        folder: the state directory.
        days: how long calls are kept; may be changed.
        owner: whether this process is the service of the state directory: only that one creates the
            file again, and ends calls that a killed process left in progress.
        max_queued: capacity of the queue in calls.
    """

    def __init__(
        self, folder: Path, days: int, *, owner: bool = True, max_queued: int = MAX_QUEUED
    ) -> None:
        self.days = days
        self.dropped = 0
        """Calls that were dropped, or what was known of them while they lasted."""
        self.failure: str | None = None
        """Why the last try to write failed; None: it did not."""
        self._path = folder / database.FILE
        self._key_path = folder / database.KEY_FILE
        self._owner = owner
        self._max_queued = max_queued
        self._queue: deque[Draft] = deque()
        self._lock = threading.Lock()  # held for some microseconds, never during I/O
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._key: NumberKey | None = None
        self._prune_at = 0.0
        self._cut_off = not owner  # whether the calls of an earlier process have been ended
        # A daemon thread: a disk that blocks forever must not keep the process from exiting.
        self._thread = threading.Thread(target=self._run, name="call history", daemon=True)
        self._thread.start()

    def put(self, draft: Draft) -> None:
        """Queue a call, or what is known of it; returns at once."""
        with self._lock:
            self._queue.append(draft)
            self._trim()
        if not self._wake.is_set():
            self._wake.set()

    def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Write what is queued, and end the thread; return whether it has ended. Blocks."""
        self._closing.set()
        self._wake.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    # -- the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            ending = self._closing.is_set()
            try:
                self._work()
            except (sqlite3.Error, OSError, HistoryError) as error:
                self._failed(error)
            except Exception as error:  # noqa: BLE001 - the thread must outlive a fault of its own
                self._failed(error)
                structlog.get_logger().error("history.failed", exc_info=error)
            if ending:
                break
            if self.failure is None:
                self._wake.wait(PRUNE_SECONDS)
                self._closing.wait(GATHER_SECONDS)
            else:
                self._closing.wait(RETRY_SECONDS)
            self._wake.clear()
        with self._lock:
            self.dropped += len(self._queue)
        self._disconnect()

    def _work(self) -> None:
        connection = self._connected()
        while batch := self._take():
            try:
                key = self._key
                assert key is not None  # noqa: S101 - _connected() has read it
                database.write(connection, [draft.row(key) for draft in batch])
            except BaseException:
                self._give_back(batch)
                raise
        self.failure = None
        now = time.monotonic()
        if now >= self._prune_at:
            if not self._prune(connection):
                self._prune_at = now + PRUNE_SECONDS
            else:
                self._wake.set()  # there is more

    def _prune(self, connection: sqlite3.Connection) -> bool:
        """Delete what is too old, a part at a time; return whether there may be more."""
        seconds = self.days * _DAY
        if self._owner:
            database.drop_aside(self._path, seconds)
        before = round((time.time() - seconds) * 1000)
        return database.prune(connection, before, _PRUNED_AT_ONCE) == _PRUNED_AT_ONCE

    def _connected(self) -> sqlite3.Connection:
        """Return the connection to the file that is there now: an admin may have deleted it."""
        if self._connection is not None and self._identity == database.identity(self._path):
            return self._connection
        self._disconnect()
        try:
            self._key = NumberKey.load(self._key_path, create=True)
            self._connection = database.open_for_service(self._path, self._key.fingerprint)
            self._end_earlier_calls(self._connection)
        except (sqlite3.DatabaseError, HistoryError) as error:
            self._disconnect()
            reason = "damaged" if database.is_damage(error) else getattr(error, "code", None)
            if not self._owner or reason not in {"newer", "damaged"}:
                raise
            return self._begun_again(reason)
        self._identity = database.identity(self._path)
        return self._connection

    def _end_earlier_calls(self, connection: sqlite3.Connection) -> None:
        """End the calls that a killed process left in progress, once: later ones are our own."""
        if self._cut_off:
            return
        left = database.cut_off(connection)
        self._cut_off = True
        if left:
            structlog.get_logger().info("history.calls_cut_off", count=left)

    def _begun_again(self, reason: str) -> sqlite3.Connection:
        aside = database.set_aside(self._path)
        structlog.get_logger().error("history.set_aside", reason=reason, file=str(aside))
        assert self._key is not None  # noqa: S101 - it was read before the file was
        self._connection = database.open_for_service(self._path, self._key.fingerprint)
        self._identity = database.identity(self._path)
        return self._connection

    def _failed(self, error: BaseException) -> None:
        self.failure = _reason(error)
        damaged = self._owner and self._connection is not None and database.is_damage(error)
        self._disconnect()
        if damaged:  # found while writing
            with suppress(OSError):
                aside = database.set_aside(self._path)
                structlog.get_logger().error("history.set_aside", reason="damaged", file=str(aside))

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _take(self) -> Sequence[Draft]:
        """Take a batch from the queue; of drafts of one call, only the last is written."""
        with self._lock:
            taken = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
        return list({draft.id: draft for draft in taken}.values())

    def _give_back(self, batch: Sequence[Draft]) -> None:
        with self._lock:
            self._queue.extendleft(reversed(batch))
            self._trim()

    def _trim(self) -> None:
        while len(self._queue) > self._max_queued:
            self._queue.popleft()
            self.dropped += 1


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, HistoryError):
        return error.code
    return str(error) if isinstance(error, sqlite3.Error) else type(error).__name__
