"""Verification: replays chains of events and reports what holds.

Pure apart from `verify_ledger`, which reads through the `LedgerReader` it is given: nothing here
knows a database, keys in files or the network.
"""

from agi_bridge.evidence.verify.history import StateHistories
from agi_bridge.evidence.verify.ledger import LedgerReader, verify_ledger
from agi_bridge.evidence.verify.report import (
    MAX_FAULTS,
    QUESTIONS,
    VERDICTS,
    Fault,
    Findings,
    Report,
    Verdict,
    VerifiedChain,
    counted,
)
from agi_bridge.evidence.verify.verifier import Entry, Leaf, Start, Verifier, verify

__all__ = [
    "MAX_FAULTS",
    "QUESTIONS",
    "VERDICTS",
    "Entry",
    "Fault",
    "Findings",
    "Leaf",
    "LedgerReader",
    "Report",
    "Start",
    "StateHistories",
    "Verdict",
    "VerifiedChain",
    "Verifier",
    "counted",
    "verify",
    "verify_ledger",
]
