"""The doctor: asks the PBX through AMI, places a test call, says what is wrong and how to fix it.

It changes nothing on the PBX. It knows no ledger and no hook: a test call ends in its own ear.
"""

from agi_bridge.doctor.ami import AmiError, AmiLimits, AmiSession, Clock, RealClock
from agi_bridge.doctor.call import ARRIVE_SECONDS, CallStep, Target
from agi_bridge.doctor.dialplan import read_shipped
from agi_bridge.doctor.dialplan_version import news_since, version_in
from agi_bridge.doctor.ear import Ear
from agi_bridge.doctor.examine import MEND_FIRST, Situation, connect, examine_pbx
from agi_bridge.doctor.findings import WHY, Finding, Id, Level, fault, not_looked_at, note, ok
from agi_bridge.doctor.line_sounds import Lines, LineSounds, TestSound
from agi_bridge.doctor.pbx import Context
from agi_bridge.doctor.report import Document, Report
from agi_bridge.doctor.service import judge_service
from agi_bridge.doctor.trial import place_load, place_test_call

__all__ = [
    "ARRIVE_SECONDS",
    "MEND_FIRST",
    "WHY",
    "AmiError",
    "AmiLimits",
    "AmiSession",
    "CallStep",
    "Clock",
    "Context",
    "Document",
    "Ear",
    "Finding",
    "Id",
    "Level",
    "LineSounds",
    "Lines",
    "RealClock",
    "Report",
    "Situation",
    "Target",
    "TestSound",
    "connect",
    "examine_pbx",
    "fault",
    "judge_service",
    "news_since",
    "not_looked_at",
    "note",
    "ok",
    "place_load",
    "place_test_call",
    "read_shipped",
    "version_in",
]
