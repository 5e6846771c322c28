"""Counts the calls of the last hour by result, and of the last week by hour."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTES: Final = 60
WEEK: Final = 7 * 24
"""Hours after which people do much the same again."""
QUIET_HOURS: Final = 2
"""Whole hours without a call that may be too many ..."""
USUAL_CALLS: Final = 10
"""... if a week ago there were at least so many calls in them."""
_MINUTE_SECONDS: Final = 60.0
_HOUR_SECONDS: Final = 3600.0


class RecentCalls:
    """Counts calls by result for an hour; it holds a number a minute and result, no call.

    Args:
        now: seconds since the epoch.
    """

    __slots__ = ("_hours", "_minutes", "_now", "last_at")

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._minutes: deque[tuple[int, Counter[str]]] = deque()
        self._hours: Counter[int] = Counter()
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
        hour = int(self.last_at // _HOUR_SECONDS)
        if hour not in self._hours:
            kept = {each: self._hours[each] for each in self._hours if 0 < hour - each <= WEEK + 24}
            self._hours = Counter(kept)
        self._hours[hour] += 1

    def by_result(self) -> dict[str, int]:
        """Return how many calls ended with each result in the last hour."""
        self._forget(int(self._now() // _MINUTE_SECONDS))
        total: Counter[str] = Counter()
        for _, counts in self._minutes:
            total += counts
        return dict(total)

    @property
    def missing(self) -> bool:
        """Whether no call came in the last `QUIET_HOURS`, where a week ago many did."""
        hour = int(self._now() // _HOUR_SECONDS)
        lately = range(hour - QUIET_HOURS, hour + 1)
        if any(self._hours[each] for each in lately):
            return False
        usual = sum(self._hours[each - WEEK] for each in range(hour - QUIET_HOURS, hour))
        return usual >= USUAL_CALLS

    def _forget(self, minute: int) -> None:
        # Also what is in the future: the clock was set back.
        while self._minutes and not minute - MINUTES < self._minutes[0][0] <= minute:
            self._minutes.popleft()
