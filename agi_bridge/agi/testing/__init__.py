"""`FakeAsterisk`: the PBX's side of a call, for tests and for a caller in the terminal.

It replies as recordings of Asterisk 22 do. No time passes unless you set a pace. A handler's test:

    fake = FakeAsterisk(sounds={"ask": 3000}, keys="4155550123,1")
    call = await fake.run(handler)
    assert call.variables["AGI_BRIDGE_RESULT"] == "done"
"""

from agi_bridge.agi.testing.dtmf_script import DtmfScript, KeysBySound, KeySequence
from agi_bridge.agi.testing.errors import NotSimulatedError
from agi_bridge.agi.testing.pbx import FakeAsterisk
from agi_bridge.agi.testing.record import (
    CallEvent,
    CallRecord,
    DialAttempt,
    DialOutcome,
    PlayedSound,
)
from agi_bridge.agi.testing.scenario import CallClock, LoopClock

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
    "NotSimulatedError",
    "PlayedSound",
]
