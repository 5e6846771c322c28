"""What the service reports about itself: JSON logs, a log line per call, metrics, a trusted clock.

Telephone numbers are masked before they are written. Metrics are counted here; `status` shows them.
"""

from agi_bridge.observe.call_log import CallLogEntry, Detail, Event
from agi_bridge.observe.clock import TrustedClock, ask_kernel, clock_synchronised, wall_clock
from agi_bridge.observe.logging import (
    background_logging,
    configure_logging,
    mask_numbers,
    set_log_level,
)
from agi_bridge.observe.metrics import STATES as COUNTED_STATES
from agi_bridge.observe.metrics import Metrics
from agi_bridge.observe.series import Counter, Histogram

__all__ = [
    "COUNTED_STATES",
    "CallLogEntry",
    "Counter",
    "Detail",
    "Event",
    "Histogram",
    "Metrics",
    "TrustedClock",
    "ask_kernel",
    "background_logging",
    "clock_synchronised",
    "configure_logging",
    "mask_numbers",
    "set_log_level",
    "wall_clock",
]
