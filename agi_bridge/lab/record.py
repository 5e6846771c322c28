"""Reads one consent from a bridge's ledger, beside the bridge that writes it."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from agi_bridge.consent import State
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys


@dataclass(frozen=True, slots=True)
class RecordedConsent:
    """A consent as it is stored.

    Attributes:
        id: its id.
        number: the number, in E.164; None: none is stored.
        states: what became of it, the oldest first.
    """

    id: str
    number: str | None = field(repr=False)
    states: tuple[State, ...]


async def read_consent(ledger: Path, consent: str | None = None) -> RecordedConsent | None:
    """Read a consent, or the latest one; None: there is none.

    Args:
        ledger: the file. Its keys are in the folder `keys` beside it.
        consent: its id; None for the latest.

    Raises:
        ConsentError: the ledger cannot be read.
    """
    keys, _ = await asyncio.to_thread(Keys.load, ledger.parent / "keys", create=False)
    async with await Ledger.open(ledger, keys, read_only=True) as opened:
        events = await opened.events(consent)
        if not events:
            return None
        consent = events[-1].consent_id
        number = await opened.number(consent)
    states = tuple(State(event.type) for event in events if event.consent_id == consent)
    return RecordedConsent(consent, number, states)
