"""What the service says about itself: logs without numbers and one line per call."""

from agi_bridge.observe.call_log import CallLine
from agi_bridge.observe.logging import background_logging, configure_logging, mask_numbers

__all__ = ["CallLine", "background_logging", "configure_logging", "mask_numbers"]
