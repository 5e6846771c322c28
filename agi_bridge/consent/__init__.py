"""Consent records: states, events, canonical encoding, hash chain, revocations and errors.

Pure: no database, no keys, no files, no calls and no HTTP. `consent.signing` has the keys and the
signed checkpoints, `consent.ledger` stores the records.
"""

from agi_bridge.consent.chain import START, Chain, Row, leaf, link
from agi_bridge.consent.encoding import Identifiers, canonical, commitment, text_sha256, timestamp
from agi_bridge.consent.errors import (
    BadCheckpoint,
    CircuitOpen,
    ConsentError,
    IllegalTransition,
    KeyFault,
    KnownOutage,
    LedgerUnavailable,
    NotOnRecord,
    VaultDamaged,
    Withheld,
)
from agi_bridge.consent.models import (
    AgreementRules,
    Batch,
    CallMetadata,
    DisclosureHeard,
    NumberEntered,
    StoredEvent,
)
from agi_bridge.consent.record import ConsentRecord
from agi_bridge.consent.results import (
    ActiveConsent,
    Backlog,
    Disclosure,
    Filter,
    RetentionReport,
    RetentionRules,
    Summary,
    Unsent,
)
from agi_bridge.consent.revocation import Revocation, RevocationResult
from agi_bridge.consent.states import AGREED, FOLLOWS, Act, EventType, State

__all__ = [
    "AGREED",
    "FOLLOWS",
    "START",
    "Act",
    "ActiveConsent",
    "AgreementRules",
    "Backlog",
    "BadCheckpoint",
    "Batch",
    "CallMetadata",
    "Chain",
    "CircuitOpen",
    "ConsentError",
    "ConsentRecord",
    "Disclosure",
    "DisclosureHeard",
    "EventType",
    "Filter",
    "Identifiers",
    "IllegalTransition",
    "KeyFault",
    "KnownOutage",
    "LedgerUnavailable",
    "NotOnRecord",
    "NumberEntered",
    "RetentionReport",
    "RetentionRules",
    "Revocation",
    "RevocationResult",
    "Row",
    "State",
    "StoredEvent",
    "Summary",
    "Unsent",
    "VaultDamaged",
    "Withheld",
    "canonical",
    "commitment",
    "leaf",
    "link",
    "text_sha256",
    "timestamp",
]
