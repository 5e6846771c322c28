"""A non-blocking stream: a bounded queue, and a thread that writes.

Standard error can be a pipe without a reader, a full disk or a closed terminal. Calls continue in
all these cases. If the queue is full, lines are dropped and counted. A log line reports their
number as soon as lines can be written again.
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
"""Capacity of the queue in lines. The line of a call has about 500 bytes: 2 MB in total."""

FLUSH_SECONDS: Final = 2.0
"""How long `close` waits for queued lines."""

_BATCH_LINES: Final = 64
"""Most lines in one write: a pipe takes 64 KiB at once."""

_GATHER_SECONDS: Final = 0.005
"""How long the first line of a batch waits for others: each turn of the thread costs the calls'
thread more than the line itself."""

_REPORT_SECONDS: Final = 1.0
"""Shortest time between two lines about dropped lines, in seconds."""


class BackgroundWriter:
    """Writes to a file descriptor from a thread. Any thread may pass text.

    The queue is a `SimpleQueue` because only that class is reentrant: the garbage collector can run
    at any point and have asyncio log a line, and a lock would then be acquired twice.

    Args:
        descriptor: the destination; it is not closed, and may be non-blocking.
        dropped: returns the line that reports the number of dropped lines.
        max_lines: capacity of the queue in lines.
    """

    def __init__(
        self, descriptor: int, dropped: Callable[[int], str], *, max_lines: int = MAX_LINES
    ) -> None:
        self._descriptor = descriptor
        self._dropped_line = dropped
        self._max_lines = max_lines
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._counting = threading.RLock()
        self._dropped = 0
        self._reported_at = float("-inf")
        self._torn = False
        self._closed = False
        # A daemon thread: a write that blocks forever must not keep the process from exiting.
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Queue whole lines, or drop them; returns immediately."""
        if self._closed or self._lines.qsize() >= self._max_lines:
            self._drop(1)
        else:
            self._lines.put(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing. The thread writes, and only `close` waits for it."""

    def close(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Stop accepting lines and wait for queued ones; return whether all were written."""
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
            elif self._dropped and (
                not more or time.monotonic() - self._reported_at >= _REPORT_SECONDS
            ):
                self._report_dropped()

    def _batch(self) -> tuple[list[str], bool]:
        """Wait for lines and take up to a batch; False if they are the last."""
        batch: list[str] = []
        try:
            line = self._lines.get()
            if not self._closed and self._lines.qsize() < _BATCH_LINES:
                time.sleep(_GATHER_SECONDS)  # on a thread of its own: it holds nobody up
            while line is not None:
                batch.append(line)
                if len(batch) == _BATCH_LINES:
                    return batch, True
                line = self._lines.get_nowait()
        except Empty:
            return batch, True
        return batch, False

    def _report_dropped(self) -> None:
        with self._counting:
            count, self._dropped = self._dropped, 0
        if self._put(self._dropped_line(count)):
            self._reported_at = time.monotonic()
        else:
            self._drop(count)

    def _drop(self, count: int) -> None:
        with self._counting:
            self._dropped += count

    def _put(self, text: str) -> bool:
        """Write a text; False if the destination fails (no reader, disk full)."""
        # An AGI environment may contain invalid UTF-8: it stays readable as JSON escapes.
        data = text.encode("utf-8", "backslashreplace")
        left = memoryview(b"\n" + data if self._torn else data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # another process made the shared descriptor non-blocking
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                poll.poll()
            except OSError:
                self._torn = self._torn or len(left) < len(
                    data
                )  # the next line then starts with a line feed
                return False
        self._torn = False
        return True
