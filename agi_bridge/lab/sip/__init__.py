"""A SIP telephone (RFC 3261) with RTP sound and RFC 4733 digits."""

from agi_bridge.lab.sip.call import Call, End, State
from agi_bridge.lab.sip.g711 import MULAW_SILENCE, mulaw_decode, mulaw_encode
from agi_bridge.lab.sip.phone import Behaviour, SipPhone
from agi_bridge.lab.sip.rtp import FRAME, RATE, RtpStream

__all__ = [
    "FRAME",
    "MULAW_SILENCE",
    "RATE",
    "Behaviour",
    "Call",
    "End",
    "RtpStream",
    "SipPhone",
    "State",
    "mulaw_decode",
    "mulaw_encode",
]
