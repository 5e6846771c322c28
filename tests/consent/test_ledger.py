from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import (
    ConsentRecord,
    IllegalTransition,
    Ledger,
    LedgerClosed,
    LedgerUnavailable,
    State,
)
from agi_bridge.consent import ledger as ledger_module
from tests.consent.builders import FACTS, HEARD, NUMBER, confirmed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from agi_bridge.consent.record import Batch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "consents.db"


@pytest.fixture
async def ledger(path: Path) -> AsyncIterator[Ledger]:
    async with await Ledger.open(path) as opened:
        yield opened


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


async def test_a_consent_is_on_disk_when_append_returns(ledger: Ledger, path: Path) -> None:
    record = confirmed()
    record.submitting()
    await ledger.append(record.take())
    assert rows(path, "select type from event order by seq") == [
        ("disclosed",),
        ("entered",),
        ("confirmed",),
        ("submitting",),
    ]
    assert rows(path, "select number from pii") == [(NUMBER,)]
    assert rows(path, "select text from disclosure") == [(HEARD.text,)]
    assert await ledger.number(record.id) == NUMBER


async def test_the_file_is_the_owners_alone_and_synchronous_is_full(
    ledger: Ledger, path: Path
) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    with ledger._engine.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


async def test_appends_that_arrive_together_share_a_transaction(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []
    store = ledger._store

    def counted(batches: Sequence[Batch]) -> Sequence[Exception | None]:
        groups.append(len(batches))
        return store(batches)

    monkeypatch.setattr(ledger, "_store", counted)
    await asyncio.gather(*(ledger.append(confirmed().take()) for _ in range(50)))
    assert sum(groups) == 50
    assert len(groups) <= 2
    assert len(await ledger.events()) == 150


async def test_an_event_that_may_not_follow_is_refused_and_the_others_are_stored(
    ledger: Ledger,
) -> None:
    good, bad = confirmed(), confirmed()
    bad.take()  # its first events never reach the ledger
    bad.submitting()
    results = await asyncio.gather(
        ledger.append(bad.take()), ledger.append(good.take()), return_exceptions=True
    )
    assert isinstance(results[0], IllegalTransition)
    assert bad.id in str(results[0])
    assert results[1] is None
    assert {event.consent_id for event in await ledger.events()} == {good.id}


async def test_later_events_follow_what_is_stored(ledger: Ledger) -> None:
    record = confirmed()
    await ledger.append(record.take())
    record.submitting()
    await ledger.append(record.take())
    record.settled(State.REFUSED, reason="not_linked", status=200, attempts=1, answer=None)
    await ledger.append(record.take())
    events = await ledger.events(record.id)
    assert [event.state for event in events][-2:] == [State.SUBMITTING, State.REFUSED]
    assert events[-1].body["reason"] == "not_linked"


async def test_nothing_to_store_is_nothing_written(ledger: Ledger) -> None:
    record = ConsentRecord(FACTS)
    await ledger.append(record.take())
    assert await ledger.events() == []


async def test_a_number_that_is_not_there_is_none(ledger: Ledger) -> None:
    assert await ledger.number("no such consent") is None


@pytest.mark.parametrize("statement", ["update event set type = 'accepted'", "delete from event"])
async def test_events_are_never_changed(ledger: Ledger, path: Path, statement: str) -> None:
    await ledger.append(confirmed().take())
    with (
        closing(sqlite3.connect(path)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="never changed"),
    ):
        connection.execute(statement)


async def test_a_submission_that_a_crash_left_open_becomes_unknown(path: Path) -> None:
    open_, settled, unsent = confirmed(), confirmed(), confirmed()
    async with await Ledger.open(path) as ledger:
        for record in (open_, settled):
            record.submitting()
        settled.settled(State.ACCEPTED, reason="dial", status=200, attempts=1, answer=None)
        for record in (open_, settled, unsent):
            await ledger.append(record.take())
    async with await Ledger.open(path) as ledger:
        assert await ledger.recover() == 1
        assert (await ledger.events(open_.id))[-1].state is State.UNKNOWN
        assert (await ledger.events(settled.id))[-1].state is State.ACCEPTED
        assert (await ledger.events(unsent.id))[-1].state is State.CONFIRMED
        assert await ledger.recover() == 0


async def test_a_caller_who_is_cancelled_does_not_undo_the_write(ledger: Ledger) -> None:
    record = confirmed()
    waiting = asyncio.create_task(ledger.append(record.take()))
    await asyncio.sleep(0)  # the append has been handed over
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await ledger.append(confirmed().take())
    assert len(await ledger.events(record.id)) == 3


async def test_closing_writes_what_waits(path: Path) -> None:
    ledger = await Ledger.open(path)
    waiting = asyncio.create_task(ledger.append(confirmed().take()))
    await asyncio.sleep(0)
    await ledger.close()
    await waiting
    assert len(rows(path, "select * from event")) == 3
    with pytest.raises(LedgerClosed):
        await ledger.append(confirmed().take())
    await ledger.close()


async def test_a_locked_database_refuses_the_write_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "BUSY_SECONDS", 0.05)
    async with await Ledger.open(path) as ledger:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("begin immediate")
            with pytest.raises(LedgerUnavailable, match="locked"):
                await ledger.append(confirmed().take())
            with pytest.raises(LedgerUnavailable, match="locked"):
                await ledger.recover()
            other.execute("rollback")
        await ledger.append(confirmed().take())
        assert len(await ledger.events()) == 3


async def test_a_damaged_table_refuses_the_write_and_names_no_number(
    ledger: Ledger, path: Path
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("drop table pii")
        connection.commit()
    with pytest.raises(LedgerUnavailable) as caught:
        await ledger.append(confirmed().take())
    assert "pii" in str(caught.value)
    assert NUMBER not in str(caught.value)
    assert await ledger.events() == []


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LedgerUnavailable, match=r"file/consents\.db"):
        await Ledger.open(tmp_path / "file" / "consents.db")


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "consents.db").write_bytes(b"not a database, but long enough to look like one" * 40)
    with pytest.raises(LedgerUnavailable, match="not a database"):
        await Ledger.open(tmp_path / "consents.db")
