"""What the service reports about itself: JSON logs, one log line per call, and a trusted clock.

Telephone numbers are masked on the way out. Metrics do not live here yet.
"""

from agi_bridge.observe.call_log import CallLogEntry
from agi_bridge.observe.clock import ask_kernel, clock_synchronised
from agi_bridge.observe.logging import background_logging, configure_logging, mask_numbers
from agi_bridge.observe.trusted_clock import TrustedClock, wall_clock

__all__ = [
    "CallLogEntry",
    "TrustedClock",
    "ask_kernel",
    "background_logging",
    "clock_synchronised",
    "configure_logging",
    "mask_numbers",
    "wall_clock",
]
