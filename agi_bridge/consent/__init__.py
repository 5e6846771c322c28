"""The record of consent: what was disclosed, keyed, confirmed and done with it.

Events are appended and never changed; personal data stands apart, so that it can be erased without
touching an event. Nothing here knows of calls, channels or HTTP.
"""

from agi_bridge.consent.errors import (
    ConsentError,
    IllegalTransition,
    LedgerClosed,
    LedgerUnavailable,
)
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.record import (
    CallFacts,
    ConsentRecord,
    DisclosureHeard,
    NumberEntered,
    StoredEvent,
)
from agi_bridge.consent.states import State

__all__ = [
    "CallFacts",
    "ConsentError",
    "ConsentRecord",
    "DisclosureHeard",
    "IllegalTransition",
    "Ledger",
    "LedgerClosed",
    "LedgerUnavailable",
    "NumberEntered",
    "State",
    "StoredEvent",
]
