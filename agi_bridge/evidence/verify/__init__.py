"""Verification: replays chains of events and reports what holds.

Pure apart from `verify_ledger`, which reads through the `LedgerReader` it is given: nothing here
knows the ledger's database, keys in files or the network.
"""

from agi_bridge.evidence.verify.contents import NamedContents, text_of
from agi_bridge.evidence.verify.event import AGREEMENTS
from agi_bridge.evidence.verify.ledger import LedgerReader, verify_ledger
from agi_bridge.evidence.verify.record import PERSON_SALT, salt_bytes
from agi_bridge.evidence.verify.report import (
    MAX_FAULTS,
    QUESTIONS,
    VERDICTS,
    Fault,
    Findings,
    Report,
    Value,
    Verdict,
    VerifiedChain,
    counted,
)
from agi_bridge.evidence.verify.time import Resume, Window, utc
from agi_bridge.evidence.verify.verifier import Entry, Hidden, Start, Verifier

__all__ = [
    "AGREEMENTS",
    "MAX_FAULTS",
    "PERSON_SALT",
    "QUESTIONS",
    "VERDICTS",
    "Entry",
    "Fault",
    "Findings",
    "Hidden",
    "LedgerReader",
    "NamedContents",
    "Report",
    "Resume",
    "Start",
    "Value",
    "Verdict",
    "VerifiedChain",
    "Verifier",
    "Window",
    "counted",
    "salt_bytes",
    "text_of",
    "utc",
    "verify_ledger",
]
