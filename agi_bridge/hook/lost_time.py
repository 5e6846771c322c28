"""Notices that the process itself stood still: it was frozen, or its event loop was blocked.

A submission that ran out of time meanwhile says nothing about the hook. While submissions are under
way, a timer beats; a beat that comes late shows by how much the process was away.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

BEAT_SECONDS: Final = 0.25
"""Between two beats."""
LOST_SECONDS: Final = 1.0
"""A beat that is later by so much counts as time lost; a busy loop is late by less."""
_KEPT: Final = 16
"""Gaps that are remembered; a submission takes less time than so many gaps."""


class LostTime:
    """The gaps in which the process did nothing. Belongs to the event loop."""

    def __init__(self) -> None:
        self._under_way = 0
        self._beat_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._gaps: deque[float] = deque(maxlen=_KEPT)

    @contextmanager
    def watching(self) -> Iterator[float]:
        """Beat while the block runs; yields the loop's time at which it began."""
        now = asyncio.get_running_loop().time()
        if self._under_way == 0:
            self._arm(now)
        self._under_way += 1
        try:
            yield now
        finally:
            self._under_way -= 1
            if self._under_way == 0 and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def since(self, began: float) -> bool:
        """Whether the process stood still at some time since then. Asked inside the block.

        What comes from the network is handled before a timer that is overdue: the beat that is
        missing counts too.
        """
        late = asyncio.get_running_loop().time() - self._beat_at - BEAT_SECONDS
        return late >= LOST_SECONDS or any(gap >= began for gap in self._gaps)

    def _arm(self, now: float) -> None:
        self._beat_at = now
        self._timer = asyncio.get_running_loop().call_at(now + BEAT_SECONDS, self._beat)

    def _beat(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._beat_at - BEAT_SECONDS >= LOST_SECONDS:
            self._gaps.append(now)
        self._arm(now)
