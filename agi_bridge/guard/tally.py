"""Log lines that a stranger could cause without end: the first at once, then one a minute."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

PERIOD: Final = 60.0
"""Seconds between two lines of one event."""


class Tally:
    """One event of the log, counted. Belongs to one event loop.

    The first time it is logged at once, with `count` 1; what follows within a minute is one line
    at its end, with the number of times and the fields of the last one.

    Args:
        event: the event's name.
        period: seconds between two lines.
    """

    def __init__(self, event: str, *, period: float = PERIOD) -> None:
        self._event = event
        self._period = period
        self._count = 0
        self._fields: dict[str, Any] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, **fields: Any) -> None:  # noqa: ANN401 - fields of a log line are anything
        """Count one more; `fields` go onto the line."""
        self._count += 1
        self._fields = fields
        if self._timer is None:
            self._say()

    def close(self) -> None:
        """Say what has not been said, and wait for nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._count:
            self._write()

    def _say(self) -> None:
        self._timer = None
        if self._count:
            self._write()
            self._timer = asyncio.get_running_loop().call_later(self._period, self._say)

    def _write(self) -> None:
        write: Callable[..., object] = structlog.get_logger().warning
        write(self._event, count=self._count, **self._fields)
        self._count = 0
