"""The time of day that decisions are made by: it does not follow a jump of the clock at once.

A text cannot be called back, erased data does not return, and a limit that counts by a wrong day
shuts a line. So what decides about them asks this clock. It holds the time of day against the
machine's running time (`CLOCK_BOOTTIME`, which nobody can set and which goes on in a suspended
machine). Where the two part by more than `TOLERANCE` seconds the clock was set, rightly or not, and
is followed only once it has stood for `CONFIRM` seconds of running time. A jump of up to a day is
followed at once if the kernel calls its clock synchronised: so NTP puts the clock right after a
start, while setting it by hand makes the kernel say that it is not.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from agi_bridge.observe import ask_kernel

if TYPE_CHECKING:
    from collections.abc import Callable

TOLERANCE: Final = 60.0
"""Seconds by which the time of day may part from the running time: NTP steps by less, usually."""
CONFIRM: Final = 3600.0
"""Seconds of running time after which a clock that was set is believed."""
NTP_STEP: Final = 86_400.0
"""Largest jump, in seconds, that is believed at once of a clock that NTP keeps."""


@dataclass(frozen=True, slots=True)
class _Reading:
    wall: float
    running: float

    def wall_at(self, running: float) -> float:
        """What the time of day would be if only time had passed since."""
        return self.wall + running - self.running


class TrustedClock:
    """Tells the time of day in seconds since the epoch; from any thread.

    Args:
        wall: the system's time of day.
        running: seconds of running time, from any start.
        synchronised: whether the kernel calls its clock synchronised.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        running: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        synchronised: Callable[[], bool] = ask_kernel,
    ) -> None:
        self._wall = wall
        self._running = running
        self._synchronised = synchronised
        self._lock = threading.Lock()
        self._believed = self._read()
        self._jumped: _Reading | None = None

    def now(self) -> float:
        """The time of day, as far as it can be believed."""
        with self._lock:
            seen = self._read()
            expected = self._believed.wall_at(seen.running)
            if abs(seen.wall - expected) <= TOLERANCE:
                self._believe(seen)
                return seen.wall
            if self._is_kept(seen.wall - expected) or self._has_stood(seen):
                self._believe(seen)
                structlog.get_logger().warning(
                    "clock.followed", seconds=round(seen.wall - expected)
                )
                return seen.wall
            return expected

    @property
    def in_doubt(self) -> bool:
        """Whether the system's clock was set and is not believed yet."""
        self.now()
        return self._jumped is not None

    def _read(self) -> _Reading:
        return _Reading(self._wall(), self._running())

    def _believe(self, seen: _Reading) -> None:
        self._believed, self._jumped = seen, None

    def _has_stood(self, seen: _Reading) -> bool:
        """Whether the clock has told this time long enough; a new jump begins a new wait."""
        since = self._jumped
        if since is None or abs(seen.wall - since.wall_at(seen.running)) > TOLERANCE:
            self._jumped = seen
            structlog.get_logger().error(
                "clock.jumped",
                seconds=round(seen.wall - self._believed.wall_at(seen.running)),
                believed_after=round(CONFIRM),
            )
            return False
        return seen.running - since.running >= CONFIRM

    def _is_kept(self, jump: float) -> bool:
        return abs(jump) <= NTP_STEP and self._synchronised()


wall_clock: Final = TrustedClock()
"""The process's own; its running time begins with the process's first look at the clock."""
