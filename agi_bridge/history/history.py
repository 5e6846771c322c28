"""`History`: the calls in progress, and the way of each one into the file.

Belongs to the event loop's thread; nothing here waits. A call is put into the file some time after
it began, again from time to time while it lasts, and at its end. So a call that was in progress
when the bridge was killed is in the history, as cut off.
"""

from __future__ import annotations

import asyncio
import time
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Self

import structlog

from agi_bridge.diagnostics import RateLimitedEvent
from agi_bridge.history import database
from agi_bridge.history.call import MAX_UNIQUEID, RecordedCall, as_uniqueid, call_id, first_id
from agi_bridge.history.timeline import moments
from agi_bridge.history.writer import HistoryWriter
from agi_bridge.observe import Metrics

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from agi_bridge.observe import CallLogEntry

TICK_SECONDS: Final = 0.5
"""Between two looks at the calls in progress: a new one is in the file within a second."""
AGAIN_SECONDS: Final = 20.0
"""Between two times at which a call in progress is written: what a crash may lose of it."""


class History:
    """Knows the calls in progress, and has those of a state directory written.

    An async context manager; without it, or without a folder, calls are known while they last and
    nothing is written.

    Args:
        folder: the state directory; None: nothing is written.
        days: how long calls are kept; 0: they are not, and the file is deleted.
        metrics: counts what is dropped.
        owner: whether this process is the service of the state directory. Another one, such as
            classic AGI's, writes calls at their end only.
    """

    def __init__(
        self,
        folder: Path | None = None,
        days: int = 0,
        metrics: Metrics | None = None,
        *,
        owner: bool = True,
    ) -> None:
        self._folder = folder
        self._days = days
        self._metrics = metrics or Metrics()
        self._owner = owner
        self._active: dict[int, RecordedCall] = {}
        self._writer: HistoryWriter | None = None
        self._last_id = 0
        self._dropped = 0
        self._ticking: asyncio.Task[None] | None = None
        self._drops = RateLimitedEvent("history.calls_dropped")
        self._failures = RateLimitedEvent("history.not_written")

    async def __aenter__(self) -> Self:
        await self.use(self._days)
        self._ticking = asyncio.create_task(self._tick_on(), name="call history")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.wait({self._ticking})
        await self._close()
        self._drops.close()
        self._failures.close()

    async def use(self, days: int) -> None:
        """Keep calls for so many days from now on; 0 ends the history and deletes the file."""
        self._days = days
        if self._folder is None:
            return
        if days:
            if self._writer is None:
                self._writer = HistoryWriter(self._folder, days, owner=self._owner)
            self._writer.days = days
            return
        await self._close()
        if self._owner:
            try:
                deleted = await asyncio.to_thread(database.delete, self._folder)
            except OSError as error:
                structlog.get_logger().error("history.not_deleted", reason=error.strerror)
            else:
                if deleted:
                    structlog.get_logger().info("history.deleted")

    def begin(self, entry: CallLogEntry, uniqueid: str | None) -> RecordedCall:
        """Know a call from now on; `end` it."""
        begun = time.time_ns() // 1_000_000
        self._last_id = max(self._last_id + 1, first_id(begun))
        call = RecordedCall(entry, self._last_id, begun, as_uniqueid(uniqueid))
        call.save_at = time.monotonic() + TICK_SECONDS
        self._active[call.id] = call
        return call

    def end(self, call: RecordedCall) -> None:
        """Have a call written that has ended."""
        self._active.pop(call.id, None)
        if self._writer is not None:
            self._writer.put(call.draft(ended=True))

    def live(self, *, newest: int | None = None) -> list[dict[str, Any]]:
        """Describe the calls in progress, the oldest first; or so many, the newest first."""
        if newest is None:
            return [call.live() for call in self._active.values()]
        return [call.live() for call in islice(reversed(self._active.values()), newest)]

    def live_timeline(self, wanted: str) -> dict[str, Any] | None:
        """Describe a call in progress with its timeline; None: it is not one of them."""
        wanted = wanted[:MAX_UNIQUEID]
        for call in self._active.values():
            if wanted in {call_id(call.id), call.uniqueid}:
                timeline = [
                    {"milliseconds": each.ms, "event": each.kind, "text": each.text}
                    for each in moments(call.entry.timeline)
                ]
                return {**call.live(), "timeline": timeline}
        return None

    def tick(self) -> None:
        """Have calls in progress written that are due, and report what was dropped."""
        writer = self._writer
        if writer is None:
            return
        now = time.monotonic()
        if self._owner:
            for call in self._active.values():
                if now >= call.save_at:
                    call.save_at = now + AGAIN_SECONDS
                    if call.saved != len(call.entry.timeline):
                        call.saved = len(call.entry.timeline)
                        writer.put(call.draft(ended=False))
        self._report(writer)

    def _report(self, writer: HistoryWriter) -> None:
        dropped, failure = writer.dropped, writer.failure
        if dropped > self._dropped:
            self._metrics.history_dropped.add(by=dropped - self._dropped)
            self._drops.log(dropped=dropped - self._dropped, reason=failure or "queue_full")
            self._dropped = dropped
        if failure is not None:
            self._failures.log(reason=failure)

    async def _tick_on(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.tick()

    async def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        await asyncio.to_thread(writer.close)
        self._report(writer)
        self._dropped = 0
