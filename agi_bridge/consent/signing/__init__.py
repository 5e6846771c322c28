"""Keys, sealed personal data, signed checkpoints with the places they go to, and time stamps.

Knows no database: `consent.ledger` stores what is sealed and signed here.
"""

from typing import TYPE_CHECKING, Any

from agi_bridge.consent.signing.checkpoint import Checkpoint, read_checkpoints, sign
from agi_bridge.consent.signing.keys import (
    LOOKUP_KEY_FILE,
    SIGNING_KEY_FILE,
    VAULT_KEY_FILE,
    Keys,
    backup_advice,
    generate_keys,
    has_signing_key,
    ledger_id_of,
    make_signing_key,
    place_restored_keys,
    replaced_signing_key,
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

if TYPE_CHECKING:
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
    "has_signing_key",
    "ledger_id_of",
    "make_signing_key",
    "place_restored_keys",
    "read_certificates",
    "read_checkpoints",
    "replaced_signing_key",
    "rotate_vault_key",
    "sign",
    "world_accessible_key_files",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module has
    """Load time stamps when one is asked for: X.509 would be a thirtieth of each start."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agi_bridge.consent.signing import witness  # noqa: PLC0415 - the reason stands above

    return getattr(witness, name)
