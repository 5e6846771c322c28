"""The ledger: stores consent records in SQLite or PostgreSQL, and maintains what is stored.

Knows no calls and no HTTP. The values that it takes and returns are in `consent`.
"""

from agi_bridge.consent.ledger import schema
from agi_bridge.consent.ledger.bootstrap import CHAIN_FILE, check_chain_goes_on, check_keys
from agi_bridge.consent.ledger.engines import error_text, postgresql_driver, postgresql_engine
from agi_bridge.consent.ledger.lease import holder, in_use
from agi_bridge.consent.ledger.ledger import Ledger
from agi_bridge.consent.ledger.maintenance import (
    Maintenance,
    MaintenanceSchedule,
    deliver_checkpoints,
)
from agi_bridge.consent.ledger.records import Records
from agi_bridge.consent.ledger.repeats import resolutions
from agi_bridge.consent.ledger.snapshot import Snapshot, Value, fill, is_empty, open_snapshot
from agi_bridge.consent.ledger.upgrade import upgrade_tables
from agi_bridge.consent.ledger.witnesses import witness_checkpoint

__all__ = [
    "CHAIN_FILE",
    "Ledger",
    "Maintenance",
    "MaintenanceSchedule",
    "Records",
    "Snapshot",
    "Value",
    "check_chain_goes_on",
    "check_keys",
    "deliver_checkpoints",
    "error_text",
    "fill",
    "holder",
    "in_use",
    "is_empty",
    "open_snapshot",
    "postgresql_driver",
    "postgresql_engine",
    "resolutions",
    "schema",
    "upgrade_tables",
    "witness_checkpoint",
]
