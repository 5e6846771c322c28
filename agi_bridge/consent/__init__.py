"""Consent records: states, events, canonical encoding, hash chain, revocations and errors.

Pure: no database, no keys, no files, no calls and no HTTP. `consent.signing` has the keys and the
signed checkpoints, `consent.ledger` stores the records.
"""

from agi_bridge.consent.acts import (
    QUESTION,
    YOU_ENTERED,
    agreement_faults,
    read_back_and_asked,
    says_its_text,
)
from agi_bridge.consent.chain import (
    START,
    Chain,
    Row,
    hidden_leaf,
    leaf,
    link,
    named_records,
    tag,
    tags_text,
)
from agi_bridge.consent.dialogue import EARLY_SAMPLES, Dialogue, EntryEnd, Prompt
from agi_bridge.consent.encoding import Identifiers, canonical, commitment, text_sha256, timestamp
from agi_bridge.consent.errors import (
    BadCheckpoint,
    CircuitOpen,
    ConsentError,
    IllegalTransition,
    KeyFault,
    KnownOutage,
    LedgerLost,
    LedgerUnavailable,
    NotOnRecord,
    VaultDamaged,
    Withheld,
)
from agi_bridge.consent.event_schema import commitments, faults
from agi_bridge.consent.models import (
    SCHEMA,
    AgreementRules,
    Batch,
    CallMetadata,
    DisclosureHeard,
    NumberEntered,
    SendingFacts,
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
from agi_bridge.consent.revocation import Revocation, RevocationResult, Scope
from agi_bridge.consent.states import AGREED, EVENT_TYPES, FOLLOWS, Act, EventType, State

__all__ = [
    "AGREED",
    "EARLY_SAMPLES",
    "EVENT_TYPES",
    "FOLLOWS",
    "QUESTION",
    "SCHEMA",
    "START",
    "YOU_ENTERED",
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
    "Dialogue",
    "Disclosure",
    "DisclosureHeard",
    "EntryEnd",
    "EventType",
    "Filter",
    "Identifiers",
    "IllegalTransition",
    "KeyFault",
    "KnownOutage",
    "LedgerLost",
    "LedgerUnavailable",
    "NotOnRecord",
    "NumberEntered",
    "Prompt",
    "RetentionReport",
    "RetentionRules",
    "Revocation",
    "RevocationResult",
    "Row",
    "Scope",
    "SendingFacts",
    "State",
    "StoredEvent",
    "Summary",
    "Unsent",
    "VaultDamaged",
    "Withheld",
    "agreement_faults",
    "canonical",
    "commitment",
    "commitments",
    "faults",
    "hidden_leaf",
    "leaf",
    "link",
    "named_records",
    "read_back_and_asked",
    "says_its_text",
    "tag",
    "tags_text",
    "text_sha256",
    "timestamp",
]
