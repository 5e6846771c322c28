"""Upgrades a ledger's tables to the newest revision with Alembic. Blocks.

Bridges on PostgreSQL run on over an upgrade whose revisions allow their programs (`oldest`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import inspect

from agi_bridge.consent.errors import LedgerUnavailable
from agi_bridge.consent.ledger import schema
from agi_bridge.consent.ledger.database import Database

if TYPE_CHECKING:
    from alembic.config import Config

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
                run_migrations(transaction)
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


def run_migrations(transaction: Transaction, target: str = "head") -> None:
    """Bring tables, or an empty database, to a revision."""
    from alembic import command  # noqa: PLC0415 - slow to import, and only an upgrade needs it

    transaction.lift_timeout()
    config = _config()
    config.attributes["connection"] = transaction.core
    command.upgrade(config, target)
    if inspect(transaction.core).has_table(schema.COMPATIBILITY.name):
        schema.mark(transaction.core, _oldest(schema.version(transaction.core)))


def _oldest(version: str | None) -> str:
    """The oldest revision whose programs may use tables of a revision: all before it agree."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - the same

    scripts = ScriptDirectory.from_config(_config())
    before = scripts.iterate_revisions(version or "head", "base")
    return max(getattr(each.module, "oldest", each.revision) for each in before)


def revisions() -> frozenset[str]:
    """The revisions that this version knows."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - the same

    scripts = ScriptDirectory.from_config(_config())
    return frozenset(each.revision for each in scripts.walk_revisions())


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415 - the same

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
