"""An open ledger, and its read operations."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from agi_bridge import __version__
from agi_bridge.consent.encoding import stamp
from agi_bridge.consent.errors import LedgerLost, LedgerUnavailable
from agi_bridge.consent.ledger import bootstrap, checkpoints, queries, verification
from agi_bridge.consent.ledger.append import Writer
from agi_bridge.consent.ledger.database import Database
from agi_bridge.consent.ledger.lease import ChainLease
from agi_bridge.consent.ledger.outbox import Outbox
from agi_bridge.consent.ledger.statements import Statements
from agi_bridge.consent.ledger.worker import Worker
from agi_bridge.consent.models import StoredEvent
from agi_bridge.consent.signing.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping
    from pathlib import Path

    from agi_bridge.consent.chain import Chain, Row
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.push import PushRoutes
    from agi_bridge.consent.results import Disclosure, Filter, StoredValues, Summary
    from agi_bridge.consent.signing.checkpoint import Checkpoint
    from agi_bridge.consent.signing.keys import Keys

SOFTWARE: Final = f"agi-bridge {__version__}"


class Records:
    """A ledger in a SQLite file or a PostgreSQL database: opened, read, closed.

    Its methods raise `LedgerUnavailable` when the database fails.
    """

    def __init__(self, where: Path | str, keys: Keys, *, owner: str | None = None) -> None:
        self._database = Database(where)
        self._keys = keys
        statements = (
            Statements.for_sqlite() if self._database.is_sqlite else Statements.for_postgresql()
        )
        self._writer = Writer(statements, Vault(keys), keys.ledger_id, owner or keys.ledger_id)
        self._worker = Worker(self._database, self._check_chains)
        self._checked = 0
        self.lease = ChainLease(self._worker, self._writer, is_used=not self._database.is_sqlite)
        """The lease of our chain, which the service holds while it runs."""

    @classmethod
    async def open(
        cls,
        where: Path | str,
        keys: Keys,
        *,
        read_only: bool = False,
        owner: str | None = None,
        home: Path | None = None,
    ) -> Self:
        """Open the ledger: a path is a SQLite file, a text a `postgresql://` URL.

        An empty database gets its tables, and our chain its first event. With `read_only` neither
        is made: for looking at a ledger whose keys may not be ours to write with.

        Args:
            where: the database.
            keys: the bridge's.
            read_only: see above.
            owner: the name, 32 hexadecimal digits, that submissions are leased to. None is the
                service's, of which there is one at a time for each signing key.
            home: the folder of the bridge's state. It remembers the chain, so that a new signing
                key is noticed.

        Raises:
            LedgerUnavailable: it cannot be opened or written.
            SchemaOutdated: its tables are of another version; the text names the command.
            KeyFault: the keys are not the ones it was written with.
        """
        ledger = cls(where, keys, owner=owner)
        try:
            await ledger._worker.on_thread(partial(ledger._prepare, read_only=read_only, home=home))
        except BaseException:
            await ledger.close()
            raise
        return ledger

    @classmethod
    async def exists(cls, where: Path | str) -> bool:
        """Whether a ledger exists here, so that new keys would be wrong."""
        database = Database(where)
        try:
            return await asyncio.to_thread(bootstrap.exists, database)
        finally:
            await asyncio.to_thread(database.close)

    @asynccontextmanager
    async def moment(self) -> AsyncIterator[Records]:
        """The ledger as it is now: all reads in the block see this moment, however long it takes.

        It has its own connection, and nothing waits for it.

        Raises:
            LedgerUnavailable: the database failed.
        """
        reader = Records(self._database.where, self._keys)
        try:
            async with reader._worker.moment():
                yield reader
        finally:
            await reader.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def outbox(self) -> Outbox:
        """The messages to other systems that wait."""
        return Outbox(self._worker, self._writer)

    def push_to(self, routes: PushRoutes, stored: Callable[[], None] | None = None) -> None:
        """Store messages for these endpoints with the events that come from now on.

        `stored` is called on the ledger's thread when there are new ones.
        """
        self._writer.push_routes, self._writer.pushed = routes, stored

    @property
    def ledger_id(self) -> str:
        """The id of our chain."""
        return self._writer.ledger_id

    async def checkpoints(self) -> list[Checkpoint]:
        """The copies of the checkpoints of every chain here."""
        return await self._worker.read(checkpoints.checkpoints)

    async def chains(self) -> list[Chain]:
        """The chains in this database, with their heads."""
        return await self._worker.read(queries.chains)

    async def rows(
        self, ledger_id: str | None = None, *, first: int = 1, last: int | None = None
    ) -> list[Row]:
        """Events of a chain (ours, if none is named) from one number to another, both included."""
        of = ledger_id or self.ledger_id
        return await self._worker.read(lambda t: queries.rows(t, of, first, last))

    async def rows_of(self, consent_id: str) -> list[Row]:
        """The events of one consent or act, in the order they were stored."""
        return await self._worker.read(lambda t: queries.rows_of(t, consent_id))

    async def rows_of_all(self, ids: Collection[str], *, as_stored: bool = False) -> list[Row]:
        """The events of some records, of each chain in order; or each record's as stored."""
        return await self._worker.read(
            lambda t: verification.rows_of_all(t, ids, as_stored=as_stored)
        )

    async def stored_values(
        self, *, after: str = "", only: Collection[str] | None = None
    ) -> list[StoredValues]:
        """A page of the rows of personal data after an id, or those of some records.

        Raises:
            KeyMissing: one is sealed under a vault key that is not available.
        """
        vault = self._writer.vault
        return await self._worker.read(
            lambda t: verification.stored_values(t, vault, after=after, only=only)
        )

    async def records_of_numbers(self, hashes: Collection[str]) -> list[str]:
        """The ids of the records of some numbers, by the numbers' keyed hashes."""
        return await self._worker.read(lambda t: verification.records_of_numbers(t, hashes))

    async def unknown_chains(self) -> list[str]:
        """The chains that events name, and that were never begun here."""
        return await self._worker.read(verification.unknown_chains)

    async def moved_events(self, since: Mapping[str, int] | None = None) -> list[tuple[str, int]]:
        """Events that stand elsewhere in the table than in their chain: chain and number.

        Args:
            since: the last event of each chain that was placed before; None to place all.
        """
        return await self._worker.read(lambda t: verification.moved_events(t, since))

    async def misnumbered_events(self) -> list[tuple[str, str]]:
        """Events whose number no event of a chain has: chain and number."""
        return await self._worker.read(verification.misnumbered_events)

    async def stamps(self) -> list[bytes]:
        """The time stamps of checkpoints, as the authorities sent them."""
        return await self._worker.read(verification.stamps)

    async def ids_with_prefix(self, prefix: str, limit: int) -> list[str]:
        """The ids of records that begin with these characters, `limit` of them at most."""
        return await self._worker.read(lambda t: queries.ids_with_prefix(t, prefix, limit))

    async def events(self, consent_id: str | None = None) -> list[StoredEvent]:
        """The events of one consent, or all events of consents, in the order they were stored."""
        rows = await self._worker.read(lambda t: queries.events(t, consent_id))
        return [StoredEvent.of(row) for row in rows]

    async def personal_data(self, consent_id: str) -> dict[str, str] | None:
        """The personal data of a record, opened; None if it was erased or never existed.

        Raises:
            KeyMissing: the key that it was sealed with is not loaded.
            VaultDamaged: it cannot be opened.
        """
        return await self._worker.read(
            lambda t: queries.personal(t, self._writer.vault, consent_id)
        )

    async def number(self, consent_id: str) -> str | None:
        """The number of a consent in E.164, or None if it was never confirmed or is erased."""
        return (await self.personal_data(consent_id) or {}).get("number")

    async def disclosure(self, sha256: str) -> Disclosure | None:
        """A disclosure's exact text."""
        found = await self._worker.read(lambda t: queries.disclosure(t, sha256))
        return None if found is None or not queries.is_text(found.text) else found

    async def audio(self, sha256: str) -> bytes | None:
        """The recording of a disclosure, as a WAV file."""
        return await self._worker.read(lambda t: queries.audio(t, sha256))

    async def person_salt(self, consent_id: str) -> bytes | None:
        """The salt of the tags of the person that a record is of; None if it is erased.

        Raises:
            KeyMissing, VaultDamaged: it cannot be opened.
        """
        vault = self._writer.vault
        person = await self._worker.read(lambda t: queries.person(t, vault, consent_id))
        return None if person is None else person.salt

    async def text(self, sha256: str) -> str | None:
        """A text that events name by its hash: a disclosure, prompt, configuration, sample."""
        return await self._worker.read(lambda t: queries.text(t, sha256))

    async def suppressions(self) -> dict[str, tuple[str, str, str | None]]:
        """The index of revocations: the number's keyed hash, scope and brand, by revocation."""
        return await self._worker.read(queries.suppressions)

    async def liftings(self) -> set[tuple[str, str]]:
        """The index of what consents have lifted: revocation, and brand as it is compared."""
        return await self._worker.read(queries.liftings)

    async def summaries(self, wanted: Filter) -> list[Summary]:
        """Summaries of consents and acts, newest first."""
        return await self._worker.read(
            lambda t: queries.summaries(
                t, self._writer.vault, wanted, now=stamp(self._writer.database_now(t))
            )
        )

    async def close(self) -> None:
        """Release the database. Safe to call twice."""
        await self._worker.close()

    # On the ledger's thread

    def _prepare(self, *, read_only: bool, home: Path | None) -> None:
        if read_only and self._database.is_sqlite and not self._database.file_is_there():
            raise LedgerUnavailable(f"{self._database.name}: no ledger is there", code="no_ledger")
        self._database.prepare()
        with self._database.transaction(reads=read_only) as transaction:
            bootstrap.prepare(transaction, self._database.name, make=not read_only)
        if not read_only:
            with self._database.transaction() as transaction:
                bootstrap.check_in(
                    transaction, self._writer, self._keys, software=SOFTWARE, home=home
                )

    def _check_chains(self, transaction: Transaction) -> None:
        """Compare a new connection with what was seen of every chain before.

        A database that was found to lack events is looked at each time: it may be the right one
        again.

        Raises:
            LedgerLost: the database lacks events, or another bridge writes our chain.
        """
        if self._writer.is_taken:
            raise LedgerLost(
                f"chain {self.ledger_id[:8]} is written by another bridge with the same signing "
                "key; nothing is stored and nothing sent until the service was restarted",
                code="chain_taken",
            )
        if transaction.connection != self._checked or self._writer.is_lost:
            self._writer.check_heads(transaction, queries.chains(transaction))
            self._checked = transaction.connection
