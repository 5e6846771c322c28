"""A SIP telephone (RFC 3261) with RTP sound and RFC 4733 digits."""

from agi_bridge.lab.sip.call import Call, End, State
from agi_bridge.lab.sip.phone import Behaviour, SipPhone
from agi_bridge.lab.sip.rtp import FRAME, RATE, RtpStream

__all__ = ["FRAME", "RATE", "Behaviour", "Call", "End", "RtpStream", "SipPhone", "State"]
