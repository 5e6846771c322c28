"""A circuit breaker in front of the ledger: callers do not wait for a database that fails.

After `FAILURES` failures in a row that callers waited for, the circuit opens: consents that are not
stored yet are refused at once, and their callers go on without a text. Every `RETRY_SECONDS` one of
them is let through to try; the first write that succeeds, from any caller, closes the circuit. A
failure that comes at once holds nobody up and does not count. What is owed for a consent that is
stored (outcomes, revocations) never comes by here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

from agi_bridge.circuit_breaker import CircuitBreaker

if TYPE_CHECKING:
    from collections.abc import Callable

FAILURES: Final = 3
"""Writes that failed, or callers who waited in vain, in a row."""
SLOW_SECONDS: Final = 1.0
"""A failure that came sooner kept no caller waiting."""
RETRY_SECONDS: Final = 10.0
"""Between two tries. Longer than a caller waits (`worker.WAIT_SECONDS`), so only one tries at a
time."""


class Circuit:
    """Counts failures in a row, and says who may try. Belongs to the event loop's thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._breaker = CircuitBreaker(FAILURES, RETRY_SECONDS, clock)

    @property
    def is_open(self) -> bool:
        """Whether the ledger was found to take nothing."""
        return self._breaker.is_open

    def admits(self) -> bool:
        """Whether one more may try now; while the circuit is open, that is then the one."""
        if self._breaker.blocks:
            return False
        self._breaker.wait_again()
        return True

    def failed(self, error: Exception, *, after: float) -> None:
        """A write failed after so many seconds, or was waited for in vain."""
        if after >= SLOW_SECONDS and self._breaker.failed():
            structlog.get_logger().error(
                "ledger.circuit_opened", reason=str(error), retry_after=RETRY_SECONDS
            )

    def succeeded(self) -> None:
        """A write is durable."""
        if self._breaker.succeeded():
            structlog.get_logger().warning("ledger.circuit_closed")
