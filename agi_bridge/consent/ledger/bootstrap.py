"""Opening a ledger: tables of this version, keys that fit, and a chain of our own."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select

from agi_bridge.consent.encoding import Identifiers, timestamp
from agi_bridge.consent.errors import KeyMismatch, LedgerUnavailable, SchemaOutdated, VaultDamaged
from agi_bridge.consent.ledger import schema
from agi_bridge.consent.models import StoredEvent
from agi_bridge.consent.states import Act

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from agi_bridge.consent.encoding import Body
    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.database import Database, Transaction
    from agi_bridge.consent.signing.keys import Keys
    from agi_bridge.consent.signing.vault import Vault


def exists(database: Database) -> bool:
    """Whether a ledger was ever opened here; its keys must then be the ones it was opened with.

    Raises:
        LedgerUnavailable: the database cannot be read.
    """
    if database.is_sqlite and not database.file_is_there():
        return False
    with database.transaction() as transaction:
        version = schema.version(transaction.core)
        if version in {None, schema.UNVERSIONED}:
            return False
        return transaction.core.execute(select(schema.LEDGER.c.ledger_id)).first() is not None


def prepare(transaction: Transaction, name: str, *, make: bool) -> None:
    """Make the tables in an empty database; see that an existing one is of this version.

    Raises:
        LedgerUnavailable: it is empty, and is not to be made.
        SchemaOutdated: it is not; the text names the command that helps.
    """
    transaction.lock(["schema"])
    version = schema.version(transaction.core)
    if version is None:
        if not make:
            raise LedgerUnavailable(f"{name}: no ledger is there")
        schema.create(transaction.core)
    elif version < schema.VERSION:
        raise SchemaOutdated(
            f"{name}: its tables are of an older version ({version}, not {schema.VERSION}): "
            "make a backup, stop every bridge that uses it, then run `agi-bridge consents upgrade`"
        )
    elif version > schema.VERSION:
        raise SchemaOutdated(
            f"{name}: its tables are of a newer version ({version}, not {schema.VERSION}): "
            "install the agi-bridge that made them, or a newer one"
        )


def check_in(transaction: Transaction, writer: Writer, keys: Keys, *, software: str) -> None:
    """See that the keys are those of this database; begin our chain if it has none yet.

    Raises:
        KeyMismatch: the look-up key is another one: revocations would not be found.
        KeyMissing: personal data here was sealed with a key that is not available.
    """
    writer.lock(transaction, ["ledger"])
    known = check_keys(transaction.core, writer.vault)
    if writer.ledger_id in known:
        return
    begin_chain(transaction, writer, keys, software=software)
    structlog.get_logger().info(
        "ledger.chain_begun", ledger=writer.ledger_id, other_chains=len(known)
    )


def check_keys(core: Connection, vault: Vault) -> list[str]:
    """See that the keys are those of this database, by reading alone; the ids of its chains.

    Raises:
        KeyMismatch: the look-up key is another one: revocations would not be found.
        KeyMissing: personal data here was sealed with a key that is not available.
    """
    table = schema.LEDGER.c
    known = core.execute(select(table.ledger_id, table.lookup_check)).all()
    if any(row.lookup_check != vault.lookup_check for row in known):
        raise KeyMismatch(
            "lookup key: not the one this database was written with, so revoked numbers would not "
            "be found; put the old lookup.key back (every bridge on one database has the same one)"
        )
    pii = schema.PII.c
    newest = core.execute(
        select(pii.consent_id, pii.sealed).order_by(pii.at.desc()).limit(1)
    ).first()
    if newest is not None:
        with suppress(VaultDamaged):  # one row's fault; `verify` tells of it
            vault.open(newest.consent_id, newest.sealed)
    return [row.ledger_id for row in known]


def begin_chain(transaction: Transaction, writer: Writer, keys: Keys, *, software: str) -> None:
    """Store our chain and its first event."""
    public_key = base64.b64encode(keys.public_key).decode()
    now = timestamp()
    transaction.core.execute(
        schema.LEDGER.insert().values(
            ledger_id=writer.ledger_id,
            public_key=public_key,
            lookup_check=writer.vault.lookup_check,
            at=now,
        )
    )
    new = Identifiers()
    body: Body = {"public_key": public_key, "software": software}
    writer.append(transaction, [StoredEvent(new.next(), new.next(), Act.OPENED, now, body)])
