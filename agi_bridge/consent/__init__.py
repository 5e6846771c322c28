"""Consent records: states, events, canonical encoding, hash chain, revocations and errors.

Pure: no database, no keys, no files, no calls and no HTTP. `consent.signing` has the keys and the
signed checkpoints, `consent.ledger` stores the records.
"""

from agi_bridge.consent.acts import (
    QUESTION,
    YOU_ENTERED,
    agreement_faults,
    is_unfinished,
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
    BadStamp,
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
    WitnessFailed,
)
from agi_bridge.consent.event_schema import commitments, faults
from agi_bridge.consent.models import (
    AgreementRules,
    Batch,
    CallMetadata,
    DisclosureHeard,
    NumberEntered,
    SendingFacts,
    StoredEvent,
)
from agi_bridge.consent.permission import Permission, PermissionQuestion, Reason
from agi_bridge.consent.record import ConsentRecord
from agi_bridge.consent.reply import REPLY_DAYS, CompletedConsent, Reply
from agi_bridge.consent.results import (
    ActiveConsent,
    Backlog,
    Filter,
    RetentionReport,
    RetentionRules,
    StoredValues,
    Summary,
    Unsent,
)
from agi_bridge.consent.revocation import Revocation, RevocationResult, Scope
from agi_bridge.consent.states import AGREED, EVENT_TYPES, FOLLOWS, Act, State
from agi_bridge.consent.wording import lacks_for_canada, names_purpose

__all__ = [
    "AGREED",
    "EARLY_SAMPLES",
    "EVENT_TYPES",
    "FOLLOWS",
    "QUESTION",
    "REPLY_DAYS",
    "START",
    "YOU_ENTERED",
    "Act",
    "ActiveConsent",
    "AgreementRules",
    "Backlog",
    "BadCheckpoint",
    "BadStamp",
    "Batch",
    "CallMetadata",
    "Chain",
    "CircuitOpen",
    "CompletedConsent",
    "ConsentError",
    "ConsentRecord",
    "Dialogue",
    "DisclosureHeard",
    "EntryEnd",
    "Filter",
    "Identifiers",
    "IllegalTransition",
    "KeyFault",
    "KnownOutage",
    "LedgerLost",
    "LedgerUnavailable",
    "NotOnRecord",
    "NumberEntered",
    "Permission",
    "PermissionQuestion",
    "Prompt",
    "Reason",
    "Reply",
    "RetentionReport",
    "RetentionRules",
    "Revocation",
    "RevocationResult",
    "Row",
    "Scope",
    "SendingFacts",
    "State",
    "StoredEvent",
    "StoredValues",
    "Summary",
    "Unsent",
    "VaultDamaged",
    "Withheld",
    "WitnessFailed",
    "agreement_faults",
    "canonical",
    "commitment",
    "commitments",
    "faults",
    "hidden_leaf",
    "is_unfinished",
    "lacks_for_canada",
    "leaf",
    "link",
    "named_records",
    "names_purpose",
    "read_back_and_asked",
    "says_its_text",
    "tag",
    "tags_text",
    "text_sha256",
    "timestamp",
]
