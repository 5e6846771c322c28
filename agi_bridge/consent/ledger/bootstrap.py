"""Opens a ledger: checks the version of its tables and its keys, and begins this bridge's chain."""

from __future__ import annotations

import base64
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import select

from agi_bridge.consent.encoding import Identifiers, canonical, timestamp
from agi_bridge.consent.errors import (
    ChainEnded,
    KeyMismatch,
    LedgerUnavailable,
    SchemaOutdated,
    VaultDamaged,
)
from agi_bridge.consent.ledger import queries, schema
from agi_bridge.consent.ledger.transaction import STARTING_IDLE_MS
from agi_bridge.consent.models import StoredEvent
from agi_bridge.consent.signing.keys import replaced_signing_key
from agi_bridge.consent.states import Act
from agi_bridge.observe import clock_synchronised

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.database import Database
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.signing.checkpoint import Head
    from agi_bridge.consent.signing.keys import Keys
    from agi_bridge.consent.signing.vault import Vault

CHAIN_FILE: Final = "chain"
"""In the folder of a bridge's state: the id of the chain that it writes."""
KEYS_FOLDER: Final = "keys"


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
    transaction.be_patient()
    transaction.lock(["schema"])
    version = schema.version(transaction.core)
    if version is None:
        if not make:
            raise LedgerUnavailable(f"{name}: no ledger is there", code="no_ledger")
        schema.create(transaction.core)
    elif version < schema.VERSION:
        raise SchemaOutdated(
            f"{name}: its tables are of an older version ({version}, not {schema.VERSION}): "
            "make a backup, stop the bridge if its ledger is SQLite, "
            "then run `agi-bridge consents upgrade`",
            code="schema_older",
        )
    elif not schema.is_usable(transaction.core, version):
        raise SchemaOutdated(
            f"{name}: its tables are of a newer version ({version}, not {schema.VERSION}): "
            "install the agi-bridge that made them, or a newer one",
            code="schema_newer",
        )


def check_in(
    transaction: Transaction, writer: Writer, keys: Keys, *, software: str, home: Path | None
) -> None:
    """See that the keys are those of this database; begin our chain if it has none yet.

    `home` is the folder of the bridge's state. It remembers which chain is the bridge's: where the
    signing key was replaced, the new chain names the head of the old one, and the log warns.

    Raises:
        KeyMismatch: the look-up key is another one: revocations would not be found.
        KeyMissing: personal data here was sealed with a key that is not available.
        ChainEnded: the signing key is that of a chain which a restore from a backup has ended.
    """
    transaction.be_patient()
    writer.lock(transaction, ["ledger"], idle_ms=STARTING_IDLE_MS)
    known = check_keys(transaction.core, writer.vault)
    check_chain_goes_on(transaction.core, writer.ledger_id)
    if home is not None:
        transaction.committed.append(partial(_remember_chain, home, writer.ledger_id))
    if writer.ledger_id in known:
        return
    log = structlog.get_logger()
    before = _chain_before(transaction, home, known)
    begin_chain(transaction, writer, keys, software=software, before=before, home=home)
    if before is None:
        log.info("ledger.chain_begun", ledger=writer.ledger_id, other_chains=len(known))
    else:
        log.warning("ledger.signing_key_replaced", ledger=writer.ledger_id, before=before[0])


def _chain_before(transaction: Transaction, home: Path | None, known: Sequence[str]) -> Head | None:
    """The head of the chain that the bridge wrote until now, if it had another one."""
    chains = {each.ledger_id: each for each in queries.chains(transaction) if each.seq}
    last = None
    if home is not None:
        with suppress(OSError):
            last = (home / CHAIN_FILE).read_text("ascii", "replace").strip()
    if last not in chains and known and not transaction.locks:  # a SQLite file is one bridge's
        last = known[-1]
    chain = chains.get(last or "")
    return None if chain is None else (chain.ledger_id, chain.seq, chain.hash)


def _remember_chain(home: Path, ledger_id: str) -> None:
    path = home / CHAIN_FILE
    with suppress(OSError):  # a folder that cannot be written: the next start says so
        if not path.exists() or path.read_text("ascii", "replace").strip() != ledger_id:
            path.write_text(f"{ledger_id}\n", "ascii")


def check_keys(core: Connection, vault: Vault) -> list[str]:
    """See that the keys are those of this database, by reading alone.

    Returns the ids of its chains, oldest first.

    Raises:
        KeyMismatch: the look-up key is another one: revocations would not be found.
        KeyMissing: personal data here was sealed with a key that is not available.
    """
    table = schema.LEDGER.c
    known = core.execute(
        select(table.ledger_id, table.lookup_check).order_by(table.at, table.ledger_id)
    ).all()
    if any(row.lookup_check != vault.lookup_check for row in known):
        raise KeyMismatch(
            "lookup key: not the one this database was written with, so revoked numbers would not "
            "be found; put the old lookup.key back (every bridge on one database has the same one)"
        )
    pii, person = schema.PII.c, schema.PERSON.c
    newest = core.execute(
        select(person.person_id, person.sealed)
        .join_from(schema.PII, schema.PERSON, pii.person_id == person.person_id)
        .order_by(pii.at.desc())
        .limit(1)
    ).first()
    if newest is not None:
        with suppress(VaultDamaged):  # one row's fault, which `verify` reports
            vault.open_person(newest.person_id, newest.sealed)
    return [row.ledger_id for row in known]


def check_chain_goes_on(core: Connection, ledger_id: str) -> None:
    """See that a chain may go on: its events after a backup may exist elsewhere.

    Two different events with one number would contradict each other, and neither could be proved.

    Raises:
        ChainEnded: the ledger was restored from a backup; a new signing key begins a new chain.
    """
    table = schema.ENDED_CHAIN.c
    ended = core.execute(select(table.seq, table.at).where(table.ledger_id == ledger_id)).first()
    if ended is not None:
        short = ledger_id[:8]
        raise ChainEnded(
            f"signing key: its chain {short} ended with event {ended.seq} when this ledger was "
            f"restored from a backup, at {ended.at}; rename signing.key to signing.key.{short}, "
            "and the next start begins a new chain that names the old one"
        )


def begin_chain(
    transaction: Transaction,
    writer: Writer,
    keys: Keys,
    *,
    software: str,
    before: Head | None = None,
    home: Path | None = None,
) -> None:
    """Store our chain and its first event, which names the chain before it, if there was one."""
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
    body: dict[str, Any] = {
        "public_key": public_key,
        "software": software,
        "clock_synced": clock_synchronised(),
    }
    if before is not None:
        body["previous"] = list(before)
        old = None if home is None else replaced_signing_key(home / KEYS_FOLDER, before[0])
        if old is not None:
            statement = canonical(
                {"ledger_id": writer.ledger_id, "previous": list(before), "type": "opened"}
            )
            body["previous_signature"] = base64.b64encode(old.sign(statement.encode())).decode()
    writer.append(transaction, [StoredEvent(new.next(), new.next(), Act.OPENED, now, body)])
