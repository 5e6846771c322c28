"""What keeps a service up whoever connects to it: listeners, places, counted refusals, failures.

The lowest room: it knows nothing of AGI, HTTP or the configuration, and both listeners use it.
"""

from agi_bridge.guard.failure import describe, origin
from agi_bridge.guard.listening import bind
from agi_bridge.guard.tally import Tally
from agi_bridge.guard.waiting import WaitingRoom

__all__ = ["Tally", "WaitingRoom", "bind", "describe", "origin"]
