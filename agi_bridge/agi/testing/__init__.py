"""`FakeAsterisk`: the PBX's side of a call, for tests and for a caller in the terminal.

True to what Asterisk 22 was recorded to send, and as quick as the machine: no time passes unless
it is asked for. A test of a handler:

    fake = FakeAsterisk(sounds={"ask": 3000}, keys="4155550123,1")
    call = await fake.run(handler)
    assert call.variables["AGI_BRIDGE_RESULT"] == "done"
"""

from agi_bridge.agi.testing.dtmf_script import DtmfScript, KeysBySound, KeySequence
from agi_bridge.agi.testing.pbx import CallClock, FakeAsterisk, LoopClock
from agi_bridge.agi.testing.record import (
    CallEvent,
    CallRecord,
    DialAttempt,
    DialOutcome,
    PlayedSound,
)

__all__ = [
    "CallClock",
    "CallEvent",
    "CallRecord",
    "DialAttempt",
    "DialOutcome",
    "DtmfScript",
    "FakeAsterisk",
    "KeySequence",
    "KeysBySound",
    "LoopClock",
    "PlayedSound",
]
