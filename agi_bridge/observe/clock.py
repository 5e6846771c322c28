"""Whether this machine's clock is kept right: what a record's times are worth.

The kernel knows, whichever program disciplines it (chrony, ntpd, systemd-timesyncd, PTP):
`ntp_adjtime(3)` answers TIME_ERROR or sets STA_UNSYNC once nobody has corrected the clock for long.
A container sees the clock of its host, so this holds there too.
"""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT_SECONDS: Final = 60.0
"""How long an answer holds: it changes within minutes at the fastest."""

# <sys/timex.h>
_TIME_ERROR: Final = 5
_STA_UNSYNC: Final = 0x0040
_READ_ONLY: Final = 0


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
