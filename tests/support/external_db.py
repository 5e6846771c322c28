"""What another program sees in a ledger's database, or does to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.consent.ledger.transaction import Transaction


def execute(where: Path | str, statement: str) -> list[tuple[Any, ...]]:
    """Carry out one statement and return its rows, if it gives any."""
    if isinstance(where, Path):
        with closing(sqlite3.connect(where, isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()
    with psycopg.connect(where, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return [] if cursor.description is None else cursor.fetchall()


def count_commits(ledger: Ledger) -> list[None]:
    """A list that gets one entry with every commit from now on."""
    commits: list[None] = []
    begun = ledger._database.transaction

    @contextmanager
    def counted(*, reads: bool = False) -> Iterator[Transaction]:
        with begun(reads=reads) as transaction:
            yield transaction
        commits.append(None)

    ledger._database.transaction = counted  # type: ignore[method-assign]  # counts for this test
    return commits


async def plan(ledger: Ledger, work: Awaitable[object]) -> str:
    """How SQLite carries out the first look-up of some work."""
    looked: list[tuple[str, Any]] = []
    engine = ledger._database.engine

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        looked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    await work
    event.remove(engine, "before_cursor_execute", note)
    [(statement, parameters), *_] = [each for each in looked if each[0].startswith("SELECT")]

    def explain(transaction: Transaction) -> list[str]:
        rows = transaction.core.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [row.detail for row in rows]

    return "\n".join(await ledger._worker.run(explain))
