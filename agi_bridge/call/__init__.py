"""One call from start to end: line, consent, record, submission, plan, execution.

If anything fails, the caller still reaches the line's default destination, or the dialplan takes
over.
"""

from agi_bridge.call.handler import CallHandler
from agi_bridge.call.quiet_hours import SendingHours
from agi_bridge.call.resubmit import Resubmitter
from agi_bridge.call.services import DeferredOutcomes, DialledCalls, Services

__all__ = [
    "CallHandler",
    "DeferredOutcomes",
    "DialledCalls",
    "Resubmitter",
    "SendingHours",
    "Services",
]
