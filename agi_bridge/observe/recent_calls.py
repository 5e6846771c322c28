"""The calls of the last hour, minute by minute: what an administrator looks at first."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTES: Final = 60
_MINUTE_SECONDS: Final = 60.0


class RecentCalls:
    """Counts calls by result for an hour; it holds a number a minute and result, no call.

    Args:
        now: seconds since the epoch.
    """

    __slots__ = ("_minutes", "_now", "last_at")

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._minutes: deque[tuple[int, Counter[str]]] = deque()
        self.last_at: float | None = None
        """When the last call ended, in seconds since the epoch; None if there was none."""

    def ended(self, result: str) -> None:
        """Count a call."""
        self.last_at = self._now()
        minute = int(self.last_at // _MINUTE_SECONDS)
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append((minute, Counter()))
            self._forget(minute)
        self._minutes[-1][1][result] += 1

    def by_result(self) -> dict[str, int]:
        """Return how many calls ended with each result in the last hour."""
        self._forget(int(self._now() // _MINUTE_SECONDS))
        total: Counter[str] = Counter()
        for _, counts in self._minutes:
            total += counts
        return dict(total)

    def _forget(self, minute: int) -> None:
        # Also what lies in the future: the clock was set back.
        while self._minutes and not minute - MINUTES < self._minutes[0][0] <= minute:
            self._minutes.popleft()
