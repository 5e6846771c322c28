"""Whether a ledger of a test stands verification.

Tests of the ledger store consents whose prompts were never registered, so that texts and recordings
may be missing; nothing else may be wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge.evidence.verify import Report, verify_ledger

if TYPE_CHECKING:
    from agi_bridge.consent.ledger import Ledger

_UNREGISTERED = {"text_missing", "recording_missing"}


async def verified(ledger: Ledger) -> Report:
    """The report on a ledger."""
    return (await verify_ledger(ledger))[0]


async def stands(ledger: Ledger) -> bool:
    """Whether nothing is wrong with a ledger but prompts that were not registered."""
    report = await verified(ledger)
    faults = {fault.code for _, verdict in report.verdicts for fault in verdict.faults}
    return faults <= _UNREGISTERED
