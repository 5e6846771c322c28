"""What another program sees in a ledger's database, or does to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import event

if TYPE_CHECKING:
    from agi_bridge.consent import Ledger


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
    event.listen(ledger._database._engine, "commit", lambda _: commits.append(None))
    return commits
