"""The clock: whether NTP synchronises it, and a trusted time of day for decisions.

`clock_synchronised` asks the kernel, which knows whichever program disciplines the clock (chrony,
ntpd, systemd-timesyncd, PTP): `ntp_adjtime(3)` returns TIME_ERROR or sets STA_UNSYNC when nobody
has corrected the clock for a long time. A container shares its host's clock.

`TrustedClock` does not follow a jump of the clock at once. A text cannot be called back, erased
data does not return, and a limit that counts by a wrong day blocks a line. So these decisions
compare the time of day with the machine's running time (`CLOCK_BOOTTIME`, which nobody can set and
which also runs while the machine is suspended). If the two differ by more than `TOLERANCE` seconds,
the clock was set. It is followed after it has kept the new time for `CONFIRM` seconds of running
time. A jump of up to a day is followed at once if the kernel reports the clock as synchronised: NTP
corrects the clock this way after a start, and setting it by hand makes the kernel report it as
unsynchronised.
"""

from __future__ import annotations

import ctypes
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT_SECONDS: Final = 60.0
"""How long an answer holds: it changes within minutes at the fastest."""

# <sys/timex.h>
_TIME_ERROR: Final = 5
_STA_UNSYNC: Final = 0x0040
_READ_ONLY: Final = 0

TOLERANCE: Final = 60.0
"""Seconds by which the time of day may part from the running time, all steps since the last time
that was followed taken together: NTP steps by less, usually."""
DRIFT: Final = 500e-6
"""Seconds by which a clock may part from the running time in each: the fastest that NTP slews a
clock (`ntp_adjtime(2)`), and more than any quartz errs. Many small steps do not pass for it."""
CONFIRM: Final = 3600.0
"""Seconds of running time after which a clock that was set is believed."""
NTP_STEP: Final = 86_400.0
"""Largest jump, in seconds, that is believed at once of a clock that NTP keeps."""


class _Timex(ctypes.Structure):
    """`struct timex` up to `status`; the rest, and room for a later kernel's, is not looked at."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


class Clock:
    """Asks the kernel, at most once in `KEPT_SECONDS`."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._answer = False
        self._asked_at: float | None = None

    def synchronised(self) -> bool:
        """Whether the kernel calls its clock synchronised; False where that cannot be known."""
        now = self._now()
        if self._asked_at is None or now - self._asked_at >= KEPT_SECONDS:
            self._asked_at = now
            self._answer = ask_kernel()
        return self._answer


def ask_kernel() -> bool:
    """Ask the kernel now; costs a microsecond and needs no rights."""
    try:
        adjtime = ctypes.CDLL(None).ntp_adjtime
    except (OSError, AttributeError):  # no such function in this C library
        return False
    timex = _Timex(modes=_READ_ONLY)
    state: int = adjtime(ctypes.byref(timex))
    return 0 <= state < _TIME_ERROR and not timex.status & _STA_UNSYNC


clock_synchronised: Final = Clock().synchronised
"""The process's own: see `Clock.synchronised`."""


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
        self._anchor = self._believed = self._read()
        self._jumped: _Reading | None = None

    def now(self) -> float:
        """The time of day, as far as it can be believed."""
        with self._lock:
            seen = self._read()
            expected = self._believed.wall_at(seen.running)
            if self._has_only_drifted(seen):
                self._believed, self._jumped = seen, None
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
        self._anchor = self._believed = seen
        self._jumped = None

    def _has_only_drifted(self, seen: _Reading) -> bool:
        """Whether all changes since a time that was followed are at most a clock's own drift."""
        passed = max(0.0, seen.running - self._anchor.running)
        off = abs(seen.wall - self._anchor.wall_at(seen.running))
        return off <= TOLERANCE + DRIFT * passed

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
