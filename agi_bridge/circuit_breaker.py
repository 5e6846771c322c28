"""A circuit breaker: after some failures in a row, attempts are paused for a while.

It only counts and tells the time. Who may try while it is open, what counts as a failure and what
is logged are the user's: the hook's client, the ledger and the speech engines. Not for threads.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class CircuitBreaker:
    """Opens after failures in a row; closes with a success.

    Args:
        failures: how many in a row open it.
        retry_seconds: how long it is open before a trial is due, and between two trials.
        clock: seconds of running time.
    """

    __slots__ = ("_clock", "_count", "_failures", "_retry_at", "_retry_seconds")

    def __init__(
        self,
        failures: int,
        retry_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures = failures
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._count = 0
        self._retry_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has opened and not closed since. A trial may be due."""
        return self._retry_at is not None

    @property
    def blocks(self) -> bool:
        """Whether it is open and no trial is due yet."""
        return self._retry_at is not None and self._clock() < self._retry_at

    def failed(self) -> bool:
        """Count a failure; return whether it has opened the circuit."""
        self._count += 1
        if self._retry_at is not None or self._count < self._failures:
            return False
        self._retry_at = self._clock() + self._retry_seconds
        return True

    def succeeded(self) -> bool:
        """Forget all failures; return whether this has closed the circuit."""
        was_open, self._retry_at = self.is_open, None
        self._count = 0
        return was_open

    def wait_again(self) -> None:
        """An open circuit waits its full time for the next trial: one begins, or has failed."""
        if self._retry_at is not None:
            self._retry_at = self._clock() + self._retry_seconds
