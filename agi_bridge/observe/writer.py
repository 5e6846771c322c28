"""A stream that never makes its caller wait: a bounded queue, and a thread that writes.

Standard error may be a pipe that nobody reads, a full disk, a terminal that is gone. Whatever it
is, calls go on: a line that finds the queue full is dropped and counted, and once lines flow again
one of them says how many were.
"""

from __future__ import annotations

import os
import select
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LINES: Final = 4096
"""Lines that wait at most; a line of a call has some 500 bytes, so that is about 2 MB."""

FLUSH_SECONDS: Final = 2.0
"""How long the end waits for what is still to be written."""

_BATCH_LINES: Final = 64
"""Lines put into one write: what a pipe takes at once is 64 KiB."""

_SAY_EVERY: Final = 1.0
"""Seconds between two lines about dropped ones, while a reader is too slow all the time."""


class BackgroundWriter:
    """Writes to a file descriptor from a thread of its own; takes text from any thread.

    The queue is a `SimpleQueue` as that one alone may be re-entered: the garbage collector, which
    runs anywhere, has asyncio log what it finds, and a lock would then be taken twice.

    Args:
        descriptor: where to; it stays open, and need not be blocking.
        dropped: makes the line that says how many lines were dropped.
        max_lines: lines that wait at most.
    """

    def __init__(
        self, descriptor: int, dropped: Callable[[int], str], *, max_lines: int = MAX_LINES
    ) -> None:
        self._descriptor = descriptor
        self._say_dropped = dropped
        self._max_lines = max_lines
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._counting = threading.RLock()
        self._dropped = 0
        self._said = float("-inf")
        self._torn = False
        self._closed = False
        # A daemon: a write that blocks for ever must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Queue whole lines, or drop them; returns at once."""
        if self._closed or self._lines.qsize() >= self._max_lines:
            self._drop(1)
        else:
            self._lines.put(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: writing is the thread's, and nobody waits for it but `close`."""

    def close(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Take no more lines, wait for the queue to be written; tell whether all of it was."""
        if not self._closed:
            self._closed = True
            self._lines.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    # -- the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        more = True
        while more:
            batch, more = self._batch()
            if not self._put("".join(batch)):
                self._drop(len(batch))
            elif self._dropped and (not more or time.monotonic() - self._said >= _SAY_EVERY):
                self._own_up()

    def _batch(self) -> tuple[list[str], bool]:
        """Wait for lines and take some; False with the last ones."""
        batch: list[str] = []
        try:
            line = self._lines.get()
            while line is not None:
                batch.append(line)
                if len(batch) == _BATCH_LINES:
                    return batch, True
                line = self._lines.get_nowait()
        except Empty:
            return batch, True
        return batch, False

    def _own_up(self) -> None:
        with self._counting:
            count, self._dropped = self._dropped, 0
        if self._put(self._say_dropped(count)):
            self._said = time.monotonic()
        else:
            self._drop(count)

    def _drop(self, count: int) -> None:
        with self._counting:
            self._dropped += count

    def _put(self, text: str) -> bool:
        """Write a text; False if the target refuses it (nobody reads, the disk is full)."""
        # An AGI environment may hold bytes that are no UTF-8: they stay readable as JSON escapes.
        data = text.encode("utf-8", "backslashreplace")
        left = memoryview(b"\n" + data if self._torn else data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # whoever shares the target has made it non-blocking
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                poll.poll()
            except OSError:
                self._torn = self._torn or len(left) < len(data)  # the next line begins on its own
                return False
        self._torn = False
        return True
