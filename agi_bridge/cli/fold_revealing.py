"""Full numbers are shown only after it is on record who asked for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge.cli.audit import actor
from agi_bridge.consent import Act

if TYPE_CHECKING:
    from agi_bridge.consent.ledger import Ledger


async def revealed(ledger: Ledger, consent_id: str, command: str) -> dict[str, str]:
    """Put on record that a record is revealed, by whom and by which command; then open it.

    Raises:
        LedgerUnavailable: it could not be put on record, and is not opened.
        KeyMissing, VaultDamaged: it cannot be opened.
    """
    await ledger.record_act(Act.REVEALED, consent_id, actor=actor(), command=command)
    return await ledger.personal_data(consent_id) or {}
