"""The record of consent: what was disclosed, keyed, confirmed and done with it.

Events are appended, chained and never changed; personal data stands apart, sealed, so that it can
be erased without touching an event. Nothing here knows of calls, channels or HTTP.
"""

from agi_bridge.consent.chain import Chain, Row
from agi_bridge.consent.errors import (
    CircuitOpen,
    ConsentError,
    IllegalTransition,
    KeyFault,
    LedgerClosed,
    LedgerUnavailable,
    SchemaOutdated,
    Withheld,
)
from agi_bridge.consent.ledger.erasure import RetentionReport, RetentionRules
from agi_bridge.consent.ledger.ledger import Ledger
from agi_bridge.consent.ledger.queries import Disclosure, Filter, Summary
from agi_bridge.consent.ledger.submissions import ActiveConsent, Unsent
from agi_bridge.consent.models import (
    AgreementRules,
    CallMetadata,
    DisclosureHeard,
    NumberEntered,
    StoredEvent,
)
from agi_bridge.consent.record import ConsentRecord
from agi_bridge.consent.revocation import Revocation, Revoked
from agi_bridge.consent.signing.keys import Keys
from agi_bridge.consent.states import Act, State

__all__ = [
    "Act",
    "ActiveConsent",
    "AgreementRules",
    "CallMetadata",
    "Chain",
    "CircuitOpen",
    "ConsentError",
    "ConsentRecord",
    "Disclosure",
    "DisclosureHeard",
    "Filter",
    "IllegalTransition",
    "KeyFault",
    "Keys",
    "Ledger",
    "LedgerClosed",
    "LedgerUnavailable",
    "NumberEntered",
    "RetentionReport",
    "RetentionRules",
    "Revocation",
    "Revoked",
    "Row",
    "SchemaOutdated",
    "State",
    "StoredEvent",
    "Summary",
    "Unsent",
    "Withheld",
]
