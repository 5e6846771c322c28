"""Ledgers for the tests: what a ledger does, it does on SQLite and on PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from agi_bridge.consent.ledger import Ledger, clock_check
from agi_bridge.consent.ledger.database import Database
from agi_bridge.consent.ledger.upgrade import run_migrations
from agi_bridge.consent.signing import Keys, generate_keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.support.postgresql import PostgreSQL


__all__ = [
    "emptied_database",
    "emptied_url",
    "file",
    "keys",
    "ledger",
    "other",
    "other_keys",
    "synchronised",
    "where",
]


@pytest.fixture(autouse=True)
def synchronised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that calls its clock synchronised, whatever machine the tests are run on."""
    monkeypatch.setattr(clock_check, "ask_kernel", lambda: True)


@pytest.fixture(scope="session")
def keys() -> Keys:
    """The keys of the first bridge."""
    return generate_keys()


@pytest.fixture(scope="session")
def other_keys(keys: Keys) -> Keys:
    """The keys of a second bridge on the same database: its own chain."""
    return Keys(keys.vault, keys.lookup, generate_keys().signing)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a SQLite ledger will lie."""
    return tmp_path / "state" / "consents.db"


def older_ledger(where: Path) -> None:
    """Make a SQLite ledger with the tables of the first version."""
    database = Database(where)
    database.prepare()
    with database.transaction() as transaction:
        run_migrations(transaction, "0001")
    database.close()


@pytest.fixture(scope="session")
def emptied_database(postgresql_server: PostgreSQL) -> Iterator[str]:
    """A database that tests use one after the other: to make one takes a quarter of a second."""
    with postgresql_server.database() as url:
        yield url


@pytest.fixture
def emptied_url(emptied_database: str) -> str:
    """The URL of a PostgreSQL database that is empty and that nobody else is connected to."""
    with psycopg.connect(emptied_database, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
        connection.execute("drop schema public cascade; create schema public")
    return emptied_database


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, file: Path) -> Path | str:
    """An empty database, of each kind in turn."""
    if request.param == "sqlite":
        return file
    url: str = request.getfixturevalue("emptied_url")
    return url


@pytest.fixture
async def ledger(where: Path | str, keys: Keys) -> AsyncIterator[Ledger]:
    """An open ledger of the first bridge."""
    async with await Ledger.open(where, keys) as opened:
        yield opened


@pytest.fixture
async def other(where: Path | str, ledger: Ledger, other_keys: Keys) -> AsyncIterator[Ledger]:
    """A second bridge's ledger on the same database."""
    assert ledger.ledger_id != other_keys.ledger_id
    async with await Ledger.open(where, other_keys) as opened:
        yield opened
