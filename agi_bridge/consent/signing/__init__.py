"""Keys, sealed personal data, signed checkpoints with the places they go to, and time stamps.

Knows no database: `consent.ledger` stores what is sealed and signed here.
"""

from agi_bridge.consent.signing.checkpoint import Checkpoint, read_checkpoints, sign
from agi_bridge.consent.signing.keys import (
    LOOKUP_KEY_FILE,
    SIGNING_KEY_FILE,
    VAULT_KEY_FILE,
    Keys,
    backup_advice,
    generate_keys,
    ledger_id_of,
    rotate_vault_key,
    world_accessible_key_files,
)
from agi_bridge.consent.signing.sinks import (
    CheckpointPublisher,
    CommandSink,
    FileSink,
    Sink,
    SyslogSink,
)
from agi_bridge.consent.signing.vault import PersonKey, Vault
from agi_bridge.consent.signing.witness import Stamp, TimestampAuthority, read_certificates

__all__ = [
    "LOOKUP_KEY_FILE",
    "SIGNING_KEY_FILE",
    "VAULT_KEY_FILE",
    "Checkpoint",
    "CheckpointPublisher",
    "CommandSink",
    "FileSink",
    "Keys",
    "PersonKey",
    "Sink",
    "Stamp",
    "SyslogSink",
    "TimestampAuthority",
    "Vault",
    "backup_advice",
    "generate_keys",
    "ledger_id_of",
    "read_certificates",
    "read_checkpoints",
    "rotate_vault_key",
    "sign",
    "world_accessible_key_files",
]
