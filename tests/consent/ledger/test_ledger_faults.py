"""Faults of the database, as the ledger's callers see them."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import LedgerUnavailable
from agi_bridge.consent.ledger import Ledger, engines, worker
from agi_bridge.consent.ledger.database import Database
from tests.support.consent_builders import NUMBER, confirmed, submitting
from tests.support.error_codes import coded
from tests.support.external_db import execute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.signing import Keys


_CUT_OFF = (
    "select pg_terminate_backend(pid, 10000) from pg_stat_activity "
    "where application_name = 'agi-bridge' and datname = current_database()"
)


@pytest.fixture
async def impatient(
    where: Path | str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Ledger]:
    """A ledger that does not wait for what another program holds."""
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.0)
    options = f"{engines._POSTGRESQL_OPTIONS} -c lock_timeout=1"
    monkeypatch.setattr(engines, "_POSTGRESQL_OPTIONS", options)
    monkeypatch.setattr(worker, "WAIT_SECONDS", 0.5)
    async with await Ledger.open(where, keys) as opened:
        yield opened


async def test_a_locked_database_refuses_the_write_whole_and_later_takes_it(
    impatient: Ledger, file: Path
) -> None:
    if not impatient._database.is_sqlite:
        return await a_held_name_refuses_the_write_whole(impatient)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(LedgerUnavailable, match=r"consents\.db: database is locked$"):
            await impatient.append(confirmed().take())
        with pytest.raises(LedgerUnavailable, match="locked"):
            await impatient.recover()
        other.execute("rollback")
    await impatient.append(confirmed().take())
    assert len(await impatient.events()) == 3
    return None


async def a_held_name_refuses_the_write_whole(ledger: Ledger) -> None:
    await ledger.append(submitting().take())  # there is one to settle
    blocking = Database(ledger._database.where)
    with closing(blocking), blocking.transaction() as other:
        other.lock([f"chain:{ledger.ledger_id}"])
        with pytest.raises(LedgerUnavailable, check=coded("no_answer")):
            await ledger.append(confirmed().take())
        with pytest.raises(LedgerUnavailable, check=coded("locked")):
            await ledger.recover()
    await ledger.append(confirmed().take())
    assert len(await ledger.events()) == 4 + 3


async def test_a_missing_table_refuses_the_write_in_one_line_that_names_no_number(
    ledger: Ledger, where: Path | str
) -> None:
    execute(where, "drop table pii")
    with pytest.raises(LedgerUnavailable, match="pii") as caught:
        await ledger.append(confirmed().take())
    assert "\n" not in str(caught.value)
    assert NUMBER[1:] not in str(caught.value)
    assert await ledger.events() == []


async def test_a_database_that_may_only_be_read_refuses_the_write(ledger: Ledger) -> None:
    def read_only(transaction: Transaction) -> None:
        transaction.core.exec_driver_sql(
            "pragma query_only = on"
            if ledger._database.is_sqlite
            else "set session characteristics as transaction read only"
        )

    await ledger._worker.run(read_only)
    with pytest.raises(LedgerUnavailable, match=r"read-?only"):
        await ledger.append(confirmed().take())
    await ledger.append(confirmed().take())  # on a new connection
    assert len(await ledger.events()) == 3


async def test_a_connection_lost_in_mid_write_is_made_again_while_the_caller_waits(
    emptied_url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await Ledger.open(emptied_url, keys) as ledger:
        insert, lost = ledger._writer._insert, list[bool]()

        def cut_off(*arguments: Any) -> None:
            if not lost:
                lost.append(True)
                execute(emptied_url, _CUT_OFF)
            insert(*arguments)

        monkeypatch.setattr(ledger._writer, "_insert", cut_off)
        await ledger.append(confirmed().take())
        assert lost
        assert len(await ledger.events()) == 3


async def test_what_was_stored_when_the_connection_was_lost_is_not_stored_twice(
    emptied_url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is gone when PostgreSQL has committed, and the answer never comes."""
    async with await Ledger.open(emptied_url, keys) as ledger:
        transaction, lost = ledger._database.transaction, list[bool]()

        @contextmanager
        def unanswered(*, reads: bool = False) -> Iterator[Transaction]:
            with transaction(reads=reads) as begun:
                yield begun
            if not lost:
                lost.append(True)
                raise LedgerUnavailable("the connection is lost", code="connection_lost")

        monkeypatch.setattr(ledger._database, "transaction", unanswered)
        await ledger.append(submitting().take())
        assert lost
        assert len(await ledger.events()) == 4
