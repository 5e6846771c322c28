"""The ledger: appends that arrive together share one transaction and one fsync.

All database work is on one thread of its own: one hop per group of appends costs nearly nothing,
where SQLAlchemy's asyncio extension hops for every statement. Nobody waits for another's write but
for the group that is being written.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, Self

import structlog

from agi_bridge import __version__
from agi_bridge.consent.encoding import text_sha256
from agi_bridge.consent.errors import CircuitOpen, ConsentError, LedgerClosed, LedgerUnavailable
from agi_bridge.consent.ledger import (
    bootstrap,
    checkpoints,
    erasure,
    queries,
    revoke,
    submissions,
    worker,
)
from agi_bridge.consent.ledger.append import Writer
from agi_bridge.consent.ledger.circuit import Circuit
from agi_bridge.consent.ledger.database import Database
from agi_bridge.consent.ledger.statements import Statements
from agi_bridge.consent.ledger.worker import Worker
from agi_bridge.consent.models import StoredEvent
from agi_bridge.consent.results import Backlog, RetentionReport
from agi_bridge.consent.signing.vault import Vault
from agi_bridge.consent.states import FOLLOWS, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from typing import Any, TypeVar

    from agi_bridge.consent.chain import Chain, Row
    from agi_bridge.consent.ledger.database import Transaction
    from agi_bridge.consent.models import Batch
    from agi_bridge.consent.record import ConsentRecord
    from agi_bridge.consent.results import (
        ActiveConsent,
        Disclosure,
        Filter,
        RetentionRules,
        Summary,
        Unsent,
    )
    from agi_bridge.consent.revocation import Revocation, RevocationResult
    from agi_bridge.consent.signing.checkpoint import Checkpoint
    from agi_bridge.consent.signing.keys import Keys
    from agi_bridge.consent.states import Act

    T = TypeVar("T")

MAX_GROUP: Final = 200
"""Most appends in one transaction: PostgreSQL has room for a few thousand locks in all."""
MAX_REVOKE_TRIES: Final = 10
"""How often a revocation is tried that agreements of the same number get in the way of."""
UNSENT_PAGE: Final = 100
"""Most unsent consents read in one piece, which takes some 20 ms."""
SOFTWARE: Final = f"agi-bridge {__version__}"


class Ledger:
    """The record of all consents, in a SQLite file or a PostgreSQL database.

    Its methods raise `LedgerUnavailable` when the database fails; then nothing was stored.
    """

    def __init__(self, where: Path | str, keys: Keys) -> None:
        self._database = Database(where)
        self._keys = keys
        statements = (
            Statements.for_sqlite() if self._database.is_sqlite else Statements.for_postgresql()
        )
        self._writer = Writer(statements, Vault(keys), keys.ledger_id)
        self._worker = Worker(self._database)
        self._circuit = Circuit()
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._events_stored = asyncio.Event()
        self._notify_after = 0
        self._stored = 0

    @classmethod
    async def open(cls, where: Path | str, keys: Keys, *, read_only: bool = False) -> Self:
        """Open the ledger: a path is a SQLite file, a text a `postgresql://` URL.

        An empty database gets its tables, and our chain its first event. With `read_only` neither
        is made: for looking at a ledger whose keys may not be ours to write with.

        Raises:
            LedgerUnavailable: it cannot be opened or written.
            SchemaOutdated: its tables are of another version; the text names the command.
            KeyFault: the keys are not the ones it was written with.
        """
        ledger = cls(where, keys)
        try:
            await ledger._worker.on_thread(partial(ledger._prepare, read_only=read_only))
        except BaseException:
            await ledger.close()
            raise
        return ledger

    @classmethod
    async def exists(cls, where: Path | str) -> bool:
        """Whether a ledger was ever opened here, so that new keys would be the wrong ones."""
        database = Database(where)
        try:
            return await asyncio.to_thread(bootstrap.exists, database)
        finally:
            await asyncio.to_thread(database.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def ledger_id(self) -> str:
        """The id of our chain."""
        return self._writer.ledger_id

    @property
    def circuit_open(self) -> bool:
        """Whether new consents are refused at once, because the last writes failed."""
        return self._circuit.is_open

    def notify_after(self, events: int) -> asyncio.Event:
        """An event that is set whenever calls have stored so many more events."""
        self._notify_after = events
        return self._events_stored

    # The calls' side

    async def append(self, batch: Batch) -> None:
        """Store a batch whole; returns when it is durable.

        A caller that is cancelled while waiting does not undo the write: it is stored or refused as
        it would have been.

        Raises:
            IllegalTransition: its first event may not follow what is stored.
            Withheld: the number was revoked, or a limit is reached.
            LedgerUnavailable: the database did not take it in time. Should it do so later, it is
                stored with it that nothing was sent and nothing will be.
            CircuitOpen: it begins a consent, and the database has taken nothing for a while.
        """
        if self._closed:
            raise LedgerClosed("the ledger is closed")
        if not batch.events:
            return
        if batch.events[0].type in FOLLOWS[None] and not self._circuit.admits():
            raise self._circuit_open()
        waiting = _Waiting(batch)
        self._waiting.append(waiting)
        if self._task is None:
            self._task = asyncio.create_task(self._write())
        if not await self._worker.answered(waiting.done):
            waiting.given_up = True
            error = self._worker.no_answer()
            self._circuit.failed(error, after=worker.WAIT_SECONDS)
            raise error
        waiting.done.result()

    async def recover(self) -> int:
        """Turn the submissions that a crash left open in our chain into `unknown`; count them.

        Nobody knows whether such a request reached the hook, so nobody may send it again.
        """
        return await self._worker.run(lambda t: submissions.recover(t, self._writer))

    async def unsent(self) -> list[Unsent]:
        """The consents that were confirmed and certainly not sent, on any bridge; oldest first."""
        ids = await self._worker.read(submissions.unsent_ids)
        found: list[Unsent] = []
        for first in range(0, len(ids), UNSENT_PAGE):  # calls wait for the same thread
            some = ids[first : first + UNSENT_PAGE]
            found += await self._worker.read(partial(submissions.unsent, ids=some))
        return found

    async def backlog(self) -> Backlog:
        """Count what waits to be sent again, and what waits for a person.

        Raises:
            LedgerUnavailable: the database did not answer in time.
        """

        def count(t: Transaction) -> Backlog:
            waiting = queries.waiting_for_person(t, self._writer.vault)
            return Backlog(len(submissions.unsent_ids(t)), waiting)

        return await self._worker.read_in_time(count)

    async def load_for_retry(self, consent_id: str) -> ConsentRecord:
        """Go on with a stored consent.

        Raises:
            LookupError: it is not in the ledger, or its personal data is erased or restricted.
        """
        return await self._worker.run(
            lambda t: submissions.load_for_retry(t, self._writer, consent_id)
        )

    async def expire(self, consent_id: str, reason: str) -> None:
        """End a consent that is still unsent, whether or not its personal data is at hand."""
        await self._worker.run(lambda t: submissions.expire(t, self._writer, consent_id, reason))

    async def active_consent(self, number: str, brand: str, purpose: str) -> ActiveConsent | None:
        """The newest consent of a number for a brand and a purpose (`info`, `marketing`).

        One that is revoked or restricted does not count.

        Raises:
            LedgerUnavailable: the database did not answer in time.
            CircuitOpen: it has taken nothing for a while, so nothing could be done with the answer.
        """
        if self._circuit.is_open:
            raise self._circuit_open()
        began = asyncio.get_running_loop().time()
        try:
            return await self._worker.read_in_time(
                lambda t: submissions.active_consent(t, self._writer, number, brand, purpose)
            )
        except LedgerUnavailable as error:
            self._circuit.failed(error, after=asyncio.get_running_loop().time() - began)
            raise

    async def register_disclosure(
        self, language: str, text: str, audio_sha256: str, wav: bytes
    ) -> int:
        """Keep a disclosure and its recording, for the proof; returns the wording's version."""
        wording, sound = (language, text, text_sha256(text)), (audio_sha256, wav)
        version = await self._worker.run(
            lambda t: checkpoints.register(t, self._writer, wording, sound)
        )
        self._writer.remember(wording[2], version)
        return version

    # Revocation, retention, erasure

    async def revoke(self, request: Revocation) -> RevocationResult:
        """End every consent of a number for a brand, and let no new one be taken by others."""
        for _ in range(MAX_REVOKE_TRIES):
            try:
                return await self._worker.run(lambda t: revoke.revoke(t, self._writer, request))
            except revoke.RetryTransaction:
                continue
        raise LedgerUnavailable("the number is being agreed to all the time")

    async def record_message(
        self, customer_id: str, words: str, *, reference: str, business_id: str | None = None
    ) -> str:
        """Keep a request to stop whose sender's number is unknown, for a person; returns its id."""
        return await self._worker.run(
            lambda t: revoke.message(
                t, self._writer, customer_id, words, reference=reference, business_id=business_id
            )
        )

    async def record_act(self, act: Act, consent_id: str, **body: Any) -> None:  # noqa: ANN401 - JSON
        """Store an act that changes no state: revealed, exported, resolved."""
        await self._worker.run(lambda t: revoke.act(t, self._writer, act, consent_id, body))

    async def erase(self, consent_ids: Iterable[str], *, basis: str, actor: str) -> int:
        """Delete the personal data of consents; their events stay. Returns how many had any."""
        erased = await self._worker.run(
            lambda t: erasure.erase(t, self._writer, consent_ids, basis=basis, actor=actor)
        )
        await self._worker.vacuum_deleted(needed=erased > 0)
        return erased

    async def restrict(
        self, consent_ids: Iterable[str], *, basis: str, until: str, actor: str
    ) -> int:
        """Keep personal data for a defence only, until a day (RFC 3339). Returns how many."""
        return await self._worker.run(
            lambda t: erasure.restrict(
                t, self._writer, consent_ids, basis=basis, until=until, actor=actor
            )
        )

    async def retain(self, rules: RetentionRules, *, dry_run: bool) -> RetentionReport:
        """Delete what its time has run out for; with `dry_run` only say what that is.

        Raises:
            ClockInDoubt: nothing besides this machine's clock says that it is time.
        """
        if dry_run:
            return await self._worker.run(lambda t: erasure.due(t, rules))
        total = RetentionReport()
        while True:
            done = await self._worker.run(lambda t: erasure.retain(t, self._writer, rules))
            total += done
            if done == RetentionReport():
                break
        await self._worker.vacuum_deleted(needed=total != RetentionReport())
        return total

    async def rekey(self, actor: str) -> int:
        """Seal all personal data again under the first vault key; returns how many changed."""
        total, after = 0, ""
        while True:
            resealed, after = await self._worker.run(
                partial(checkpoints.rekey, writer=self._writer, actor=actor, after=after)
            )
            total += resealed
            if not after:
                break
        await self._worker.vacuum_deleted(needed=total > 0)
        return total

    # The proof

    async def checkpoint(self) -> Checkpoint | None:
        """Sign the head of our chain and keep a copy; None if nothing is new since the last one."""
        return await self._worker.run(lambda t: checkpoints.checkpoint(t, self._writer, self._keys))

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

    async def ids_with_prefix(self, prefix: str, limit: int) -> list[str]:
        """The ids of records that begin with these characters, `limit` of them at most."""
        return await self._worker.read(lambda t: queries.ids_with_prefix(t, prefix, limit))

    async def events(self, consent_id: str | None = None) -> list[StoredEvent]:
        """The events of one consent, or all events of consents, in the order they were stored."""
        rows = await self._worker.read(lambda t: queries.events(t, consent_id))
        return [StoredEvent.of(row) for row in rows]

    async def personal_data(self, consent_id: str) -> dict[str, str] | None:
        """What is known of a person, opened; None if it is erased or never was.

        Raises:
            KeyMissing: the key that it was sealed with is not at hand.
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
        return await self._worker.read(lambda t: queries.disclosure(t, sha256))

    async def audio(self, sha256: str) -> bytes | None:
        """The recording of a disclosure, as a WAV file."""
        return await self._worker.read(lambda t: queries.audio(t, sha256))

    async def revocation_in_force(self, number: str, scope: str) -> bool:
        """Whether a revocation (of a brand, or `*`) is obeyed, or was lifted by a consent since."""
        vault = self._writer.vault
        return await self._worker.read(
            lambda t: queries.revocation_in_force(t, vault, number, scope)
        )

    async def summaries(self, wanted: Filter) -> list[Summary]:
        """Consents and acts in one line each, newest first."""
        return await self._worker.read(lambda t: queries.summaries(t, self._writer.vault, wanted))

    async def close(self) -> None:
        """Write what waits, then release the database. Safe to call twice."""
        self._closed = True
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=worker.WAIT_SECONDS)
        await self._worker.close()

    # On the event loop

    async def _write(self) -> None:
        try:
            while self._waiting:
                first, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
                if group := [waiting for waiting in first if not waiting.given_up]:
                    await self._store(group)
        finally:
            self._task = None

    async def _store(self, group: Sequence[_Waiting]) -> None:
        batches = [waiting.batch for waiting in group]
        began = asyncio.get_running_loop().time()
        outcomes: Sequence[Exception | None]
        try:
            outcomes = await self._worker.run(lambda t: self._writer.store(t, batches))
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must learn of it
            outcomes = [error] * len(batches)
            self._circuit.failed(error, after=asyncio.get_running_loop().time() - began)
        else:
            if not all(waiting.given_up for waiting in group):  # too late is no success
                self._circuit.succeeded()
        self._count(batches, outcomes)
        too_late = []
        for waiting, outcome in zip(group, outcomes, strict=True):
            if outcome is not None:
                waiting.done.set_exception(outcome)
            else:
                waiting.done.set_result(None)
                if waiting.given_up and waiting.batch.events[-1].type is State.SUBMITTING:
                    too_late.append(waiting.batch.consent_id)
        for consent_id in too_late:
            await self._never_sent(consent_id)

    def _circuit_open(self) -> CircuitOpen:
        return CircuitOpen(f"{self._database.name}: took nothing several times, not asked again")

    def _count(self, batches: Sequence[Batch], outcomes: Sequence[object]) -> None:
        stored = zip(batches, outcomes, strict=True)
        self._stored += sum(len(batch.events) for batch, outcome in stored if outcome is None)
        if self._stored >= self._notify_after > 0:
            self._stored = 0
            self._events_stored.set()

    async def _never_sent(self, consent_id: str) -> None:
        """A submission was stored after its caller gave up: there was none."""
        try:
            await self._worker.run(lambda t: submissions.never_sent(t, self._writer, consent_id))
        except ConsentError as error:
            structlog.get_logger().error("consent.left_open", consent=consent_id, exc_info=error)

    # On the ledger's thread

    def _prepare(self, *, read_only: bool) -> None:
        if read_only and self._database.is_sqlite and not self._database.file_is_there():
            raise LedgerUnavailable(f"{self._database.name}: no ledger is there")
        self._database.prepare()
        with self._database.transaction(reads=read_only) as transaction:
            bootstrap.prepare(transaction, self._database.name, make=not read_only)
        if not read_only:
            with self._database.transaction() as transaction:
                bootstrap.check_in(transaction, self._writer, self._keys, software=SOFTWARE)


class _Waiting:
    """A batch, and the caller who waits for it."""

    __slots__ = ("batch", "done", "given_up")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.given_up = False
