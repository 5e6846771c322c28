"""The ledger on disk: appends that arrive together share one transaction and one fsync.

SQLAlchemy Core on one thread of its own rather than its asyncio extension: measured, the greenlet
switch and the hop per statement cost several times the statements themselves, while one hop per
group of appends costs nearly nothing. All waits are the event loop's; no caller waits for another's
disk access but for the group that is being written.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Self, TypeAlias

from sqlalchemy import URL, bindparam, create_engine, event, insert, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from agi_bridge.consent import schema
from agi_bridge.consent.errors import IllegalTransition, LedgerClosed, LedgerUnavailable
from agi_bridge.consent.proof import canonical, text_sha256, timestamp, uuid7
from agi_bridge.consent.record import SCHEMA, Batch, StoredEvent
from agi_bridge.consent.states import State, step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import TypeVar

    from sqlalchemy import ClauseElement, Connection, Engine, Table

    T = TypeVar("T")

Outcome: TypeAlias = "Exception | None"

BUSY_SECONDS = 3.0
"""How long a write waits for another process that holds the database, before it fails."""


class Ledger:
    """An append-only store of consents in one SQLite file (WAL, `synchronous=FULL`)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = _engine(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._waiting: list[tuple[Batch, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the ledger at `path`, creating file (mode 0600) and tables if need be.

        Raises:
            LedgerUnavailable: the file cannot be opened or written.
        """
        ledger = cls(path)
        try:
            await ledger._run(ledger._prepare)
        except BaseException:
            await ledger.close()
            raise
        return ledger

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def append(self, batch: Batch) -> None:
        """Store a batch whole; returns when it is durable.

        A caller that is cancelled while waiting does not undo the write: it is stored or refused as
        it would have been.

        Raises:
            IllegalTransition: its first event may not follow what is stored.
            LedgerUnavailable: the database did not take it; nothing of it is stored.
        """
        if self._closed:
            raise LedgerClosed("the ledger is closed")
        if not batch.events:
            return
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((batch, done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        await done

    async def recover(self) -> int:
        """Turn every submission that a crash left open into `unknown`; returns how many.

        Nobody knows whether such a request reached the hook, so nobody may send it again.
        """
        return await self._run(self._recover)

    async def events(self, consent_id: str | None = None) -> list[StoredEvent]:
        """The stored events of one consent, or of all, in the order they were appended."""
        return await self._run(lambda: self._events(consent_id))

    async def number(self, consent_id: str) -> str | None:
        """The number of a consent in E.164, or None if it was never confirmed or is erased."""
        query = select(schema.PII.c.number).where(schema.PII.c.consent_id == consent_id)
        return await self._run(lambda: self._scalar(query))

    async def close(self) -> None:
        """Write what waits, then release the file. Safe to call twice."""
        self._closed = True
        if self._writer is not None:
            await asyncio.shield(self._writer)
        await asyncio.get_running_loop().run_in_executor(None, self._release)

    # On the event loop

    async def _write(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                batches = [batch for batch, _ in group]
                outcomes = await self._run(partial(self._store, batches))
                for (_, done), outcome in zip(group, outcomes, strict=True):
                    if done.done():  # its caller has gone; the write stands
                        continue
                    if outcome is None:
                        done.set_result(None)
                    else:
                        done.set_exception(outcome)
        finally:
            self._writer = None

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # On the ledger's thread

    def _prepare(self) -> None:
        try:
            # Passable, not readable: Asterisk's account plays speech from a folder in it.
            self.path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            with self._engine.begin() as connection:
                schema.create(connection)
        except (OSError, SQLAlchemyError) as error:
            raise LedgerUnavailable(f"{self.path}: {_cause(error)}") from error

    def _store(self, batches: Sequence[Batch]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        try:
            with self._engine.begin() as connection:
                states = self._states(connection, batches)
                good = []
                for batch in batches:
                    outcome = _advance(states, batch)
                    outcomes.append(outcome)
                    if outcome is None:
                        good.append(batch)
                if good:
                    _insert(connection, good)
        except SQLAlchemyError as error:
            unavailable = LedgerUnavailable(f"{self.path}: {_cause(error)}")
            return [unavailable] * len(batches)
        return outcomes

    @staticmethod
    def _states(connection: Connection, batches: Sequence[Batch]) -> dict[str, State]:
        """The last stored state of every consent that a batch goes on with."""
        states = {}
        for batch in batches:
            if batch.events[0].state is not State.DISCLOSED:
                last = connection.exec_driver_sql(_LAST_STATE, (batch.consent_id,)).scalar()
                if last is not None:
                    states[batch.consent_id] = State(last)
        return states

    def _recover(self) -> int:
        try:
            with self._engine.begin() as connection:
                last = self._last_states(connection)
                open_ = [id_ for id_, state in last.items() if state is State.SUBMITTING]
                body = canonical({"schema": SCHEMA, "reason": "bridge_stopped"})
                if open_:
                    connection.exec_driver_sql(
                        _INSERT_EVENT,
                        [(uuid7(), id_, State.UNKNOWN.value, timestamp(), body) for id_ in open_],
                    )
                return len(open_)
        except SQLAlchemyError as error:
            raise LedgerUnavailable(f"{self.path}: {_cause(error)}") from error

    @staticmethod
    def _last_states(connection: Connection) -> dict[str, State]:
        table = schema.EVENT.c
        submitted = select(table.consent_id).where(table.type == State.SUBMITTING)
        rows = connection.execute(
            select(table.consent_id, table.type)
            .where(table.consent_id.in_(submitted))
            .order_by(table.seq)
        )
        return {consent_id: State(type_) for consent_id, type_ in rows}

    def _events(self, consent_id: str | None) -> list[StoredEvent]:
        table = schema.EVENT.c
        query = select(table.event_id, table.consent_id, table.type, table.at, table.body)
        if consent_id is not None:
            query = query.where(table.consent_id == consent_id)
        with self._engine.begin() as connection:
            rows = connection.execute(query.order_by(table.seq)).all()
        return [
            StoredEvent(row.event_id, row.consent_id, State(row.type), row.at, json.loads(row.body))
            for row in rows
        ]

    def _scalar(self, query: object) -> str | None:
        with self._engine.begin() as connection:
            value = connection.execute(query).scalar()  # type: ignore[call-overload]
        return None if value is None else str(value)

    def _release(self) -> None:
        self._thread.shutdown()
        self._engine.dispose()


def _advance(states: dict[str, State], batch: Batch) -> Outcome:
    """Walk a batch through the table of states; keep the last one for the batches behind it."""
    state = states.get(batch.consent_id)
    try:
        for stored in batch.events:
            state = step(state, stored.state)
    except IllegalTransition as error:
        return IllegalTransition(f"consent {batch.consent_id}: {error}")
    if state is not None:
        states[batch.consent_id] = state
    return None


def _insert(connection: Connection, batches: Sequence[Batch]) -> None:
    disclosures = {
        text_sha256(b.disclosure.text): b.disclosure for b in batches if b.disclosure is not None
    }
    if disclosures:
        connection.exec_driver_sql(
            _INSERT_DISCLOSURE,
            [(sha256, heard.language, heard.text) for sha256, heard in disclosures.items()],
        )
    connection.exec_driver_sql(
        _INSERT_EVENT,
        [
            (e.event_id, e.consent_id, e.state.value, e.at, canonical(e.body))
            for batch in batches
            for e in batch.events
        ],
    )
    personal = [
        (
            b.consent_id,
            b.personal.salt,
            b.personal.number,
            b.personal.caller_id,
            b.personal.digits,
            text_sha256(b.disclosure.text),
        )
        for b in batches
        if b.personal is not None and b.disclosure is not None
    ]
    if personal:
        connection.exec_driver_sql(_INSERT_PII, personal)


def _compiled(statement: ClauseElement, table: Table) -> str:
    """A statement as SQL, compiled once: doing so per write costs more than the write."""
    columns = [column.key for column in table.columns if column.key != "seq"]
    return str(statement.compile(dialect=sqlite.dialect(), column_keys=columns))


_LAST_STATE = str(
    select(schema.EVENT.c.type)
    .where(schema.EVENT.c.consent_id == bindparam("id"))
    .order_by(schema.EVENT.c.seq.desc())
    .compile(dialect=sqlite.dialect())
)
_INSERT_EVENT = _compiled(insert(schema.EVENT), schema.EVENT)
_INSERT_PII = _compiled(insert(schema.PII), schema.PII)
_INSERT_DISCLOSURE = _compiled(
    sqlite.insert(schema.DISCLOSURE).on_conflict_do_nothing(), schema.DISCLOSURE
)


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
        hide_parameters=True,  # an error's text must not hold a number
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _cause(error: Exception) -> str:
    """The database's or the system's own words, without statement or parameters."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, OSError):
        return original.strerror or type(original).__name__
    return str(original) if isinstance(original, sqlite3.Error) else type(original).__name__
