"""Upgrades a ledger's tables to the newest revision with Alembic. Blocks.

No other process may use the ledger meanwhile.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from agi_bridge.consent.errors import LedgerUnavailable
from agi_bridge.consent.ledger import schema
from agi_bridge.consent.ledger.database import Database

if TYPE_CHECKING:
    from agi_bridge.consent.ledger.transaction import Transaction

MIGRATIONS: Final = Path(__file__).with_name("migrations")


def upgrade_tables(where: Path | str) -> tuple[str, str]:
    """Upgrade a ledger in one transaction; returns the revisions before and after.

    Raises:
        LedgerUnavailable: there is no ledger, its tables have no revision that an upgrade starts
            from, or the database failed. The ledger is unchanged.
    """
    database = Database(where)
    try:
        if database.is_sqlite and not database.file_is_there():
            raise LedgerUnavailable(f"{database.name}: no ledger is there", code="no_ledger")
        with database.transaction() as transaction:
            before = _version(transaction, database)
            if before != schema.VERSION:
                _run_migrations(transaction)
    finally:
        database.close()
    return before, schema.VERSION


def _version(transaction: Transaction, database: Database) -> str:
    transaction.lock(["schema"])
    version = schema.version(transaction.core)
    if version is None:
        raise LedgerUnavailable(f"{database.name}: no ledger is there", code="no_ledger")
    if version == schema.UNVERSIONED:
        raise LedgerUnavailable(
            f"{database.name}: its tables have no version to upgrade from",
            code="schema_unversioned",
        )
    if version > schema.VERSION:
        raise LedgerUnavailable(
            f"{database.name}: its tables are of a newer version: install a newer agi-bridge",
            code="schema_newer",
        )
    return version


def _run_migrations(transaction: Transaction) -> None:
    from alembic import command  # noqa: PLC0415 - slow to import, and only an upgrade needs it
    from alembic.config import Config  # noqa: PLC0415 - the same

    transaction.lift_timeout()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = transaction.core
    command.upgrade(config, "head")
