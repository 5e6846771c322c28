"""Bringing an older ledger's tables to this version. Blocks; nothing else may use the ledger."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agi_bridge.consent.errors import LedgerUnavailable
from agi_bridge.consent.ledger import bootstrap, schema
from agi_bridge.consent.ledger.append import Writer
from agi_bridge.consent.ledger.database import Database
from agi_bridge.consent.ledger.statements import Statements
from agi_bridge.consent.signing.vault import Vault

if TYPE_CHECKING:
    from agi_bridge.consent.ledger.database import Transaction
    from agi_bridge.consent.signing.keys import Keys

FIRST = "0001"
"""What a ledger without a version is at."""


def upgrade(where: Path | str, keys: Keys, *, software: str) -> tuple[str, str]:
    """Bring a ledger to the newest version, in one transaction; returns the one before and after.

    Raises:
        LedgerUnavailable: there is no ledger, or the database failed; it is as it was.
    """
    database = Database(where)
    try:
        if database.is_sqlite and not database.file_is_there():
            raise LedgerUnavailable(f"{database.name}: no ledger is there")
        statements = Statements.for_sqlite() if database.is_sqlite else Statements.for_postgresql()
        writer = Writer(statements, Vault(keys), keys.ledger_id)
        with database.transaction() as transaction:
            before = _version(transaction, database)
            if before != schema.VERSION:
                _walk(transaction, writer, keys, software)
        if before != schema.VERSION:
            database.compact()
    finally:
        database.close()
    return before, schema.VERSION


def _version(transaction: Transaction, database: Database) -> str:
    transaction.lock(["schema"])
    version = schema.version(transaction.core)
    if version is None:
        raise LedgerUnavailable(f"{database.name}: no ledger is there")
    if version > schema.VERSION:
        raise LedgerUnavailable(
            f"{database.name}: its tables are of a newer version: install a newer agi-bridge"
        )
    return version


def _walk(transaction: Transaction, writer: Writer, keys: Keys, software: str) -> None:
    from alembic import command  # noqa: PLC0415 - slow to import, and only an upgrade needs it
    from alembic.config import Config  # noqa: PLC0415 - the same

    core = transaction.core
    transaction.take_time()
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes.update(
        connection=core,
        transaction=transaction,
        writer=writer,
        open_chain=partial(bootstrap.begin_chain, transaction, writer, keys, software=software),
    )
    if schema.is_unversioned(core):
        command.stamp(config, FIRST)
    command.upgrade(config, "head")
