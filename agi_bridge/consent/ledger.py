"""The ledger on disk: appends that arrive together share one transaction and one fsync.

All database work is on one thread of its own: one hop per group of appends costs nearly nothing,
where SQLAlchemy's asyncio extension hops for every statement. Nobody waits for another's write but
for the group that is being written.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Self, cast

from sqlalchemy import URL, create_engine, event, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from agi_bridge.consent import schema
from agi_bridge.consent.errors import LedgerClosed, LedgerUnavailable
from agi_bridge.consent.proof import Identifiers, canonical, timestamp
from agi_bridge.consent.record import SCHEMA, Batch, StoredEvent
from agi_bridge.consent.states import State
from agi_bridge.consent.writing import INSERT_EVENT, store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import TypeVar

    from sqlalchemy import Connection, Engine

    from agi_bridge.consent.writing import Outcome

    T = TypeVar("T")

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
        self._driver: sqlite3.Connection | None = None

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
        return await self._run(partial(self._number, consent_id))

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

    def _store(self, batches: Sequence[Batch]) -> Sequence[Outcome]:
        try:
            return store(self._connection(), batches)
        except sqlite3.Error as error:
            return [LedgerUnavailable(f"{self.path}: {_cause(error)}")] * len(batches)

    def _connection(self) -> sqlite3.Connection:
        """The driver's own connection: there is one, and this thread is its only user."""
        if self._driver is None:
            connection = self._engine.raw_connection().driver_connection
            self._driver = cast("sqlite3.Connection", connection)
        return self._driver

    def _recover(self) -> int:
        try:
            with self._engine.begin() as connection:
                last = self._last_states(connection)
                open_ = [id_ for id_, state in last.items() if state is State.SUBMITTING]
                body = canonical({"schema": SCHEMA, "reason": "bridge_stopped"})
                new = Identifiers()
                if open_:
                    connection.exec_driver_sql(
                        INSERT_EVENT,
                        [
                            (new.next(), id_, State.UNKNOWN.value, timestamp(), body)
                            for id_ in open_
                        ],
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

    def _number(self, consent_id: str) -> str | None:
        table = schema.PII.c
        with self._engine.begin() as connection:
            return connection.execute(
                select(table.number).where(table.consent_id == consent_id)
            ).scalar()

    def _release(self) -> None:
        self._thread.shutdown()
        self._driver = None
        self._engine.dispose()


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
