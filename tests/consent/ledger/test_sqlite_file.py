"""A SQLite file that is deleted, moved or replaced while a ledger is open: nothing is stored."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agi_bridge.consent import LedgerUnavailable
from agi_bridge.consent.errors import LedgerLost
from agi_bridge.consent.ledger import Ledger, engines
from tests.support.consent_builders import confirmed, revocation, submitting
from tests.support.error_codes import coded
from tests.support.external_db import execute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from agi_bridge.consent.signing import Keys


@pytest.fixture
async def ledger(file: Path, keys: Keys) -> AsyncIterator[Ledger]:
    """A ledger with one consent in it."""
    async with await Ledger.open(file, keys) as opened:
        await opened.append(confirmed().take())
        yield opened


def delete(file: Path) -> None:
    file.unlink()


def delete_all(file: Path) -> None:
    for each in list(file.parent.iterdir()):
        each.unlink()


def replace_by_a_copy(file: Path) -> None:
    copy = file.with_name("copy")
    shutil.copy(file, copy)
    copy.replace(file)


def replace_by_an_empty_file(file: Path) -> None:
    file.unlink()
    file.touch()


def rename(file: Path) -> None:
    file.rename(file.with_name("old.db"))


def rename_the_folder(file: Path) -> None:
    file.parent.rename(file.parent.with_name("old"))


def rename_the_folder_and_make_a_new_one(file: Path) -> None:
    shutil.copytree(file.parent, file.parent.with_name("copy"))
    rename_the_folder(file)
    file.parent.with_name("copy").rename(file.parent)


@pytest.mark.parametrize(
    "change",
    [
        delete,
        delete_all,
        replace_by_a_copy,
        replace_by_an_empty_file,
        rename,
        rename_the_folder,
        rename_the_folder_and_make_a_new_one,
    ],
)
async def test_nothing_is_stored_in_a_file_that_is_not_at_its_path(
    ledger: Ledger, file: Path, change: Callable[[Path], None]
) -> None:
    change(file)
    before = sorted(file.parent.glob("*"))
    with capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(LedgerUnavailable, check=coded("file_replaced")):
                await ledger.append(submitting().take())
        with pytest.raises(LedgerUnavailable):
            await ledger.revoke(revocation())
        with pytest.raises(LedgerUnavailable):
            await ledger.erase([], basis="request", actor="test")
    assert [log["event"] for log in logs] == ["ledger.file_out_of_place"]  # once
    assert sorted(file.parent.glob("*")) == before  # and nothing is made in its place


@pytest.mark.parametrize(
    ("change", "back"),
    [
        (rename, lambda file: file.with_name("old.db").rename(file)),
        (rename_the_folder, lambda file: file.parent.with_name("old").rename(file.parent)),
    ],
)
async def test_a_file_that_is_put_back_is_gone_on_with(
    ledger: Ledger, file: Path, change: Callable[[Path], None], back: Callable[[Path], None]
) -> None:
    change(file)
    with pytest.raises(LedgerUnavailable):
        await ledger.append(confirmed().take())
    back(file)
    with capture_logs() as logs:
        await ledger.append(confirmed().take())
    assert [log["event"] for log in logs] == ["ledger.file_in_place"]
    assert execute(file, "select count(*) from pii") == [(2,)]


async def test_it_is_known_also_after_the_connection_was_lost(ledger: Ledger, file: Path) -> None:
    """A file that takes the place, and even the inode, of another one is another one."""
    await ledger._worker.on_thread(ledger._database._drop)
    replace_by_an_empty_file(file)
    with pytest.raises(LedgerUnavailable, check=coded("file_replaced")):
        await ledger.append(confirmed().take())
    assert file.read_bytes() == b""


async def takes_nothing_more(ledger: Ledger) -> None:
    """Whatever is stored is refused, and it is logged once."""
    with capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(LedgerLost, check=coded("file_truncated")):
                await ledger.append(confirmed().take())
        with pytest.raises(LedgerLost, check=coded("file_truncated")):
            await ledger.revoke(revocation())
    assert [log["event"] for log in logs] == ["ledger.file_out_of_place"]


@pytest.mark.parametrize(
    ("left", "logged"), [(0, False), (512, False), (3 * 4096, False), (0, True), (512, True)]
)
async def test_a_file_that_is_cut_short_takes_nothing_more(
    ledger: Ledger, file: Path, left: int, *, logged: bool
) -> None:
    """As by logrotate's copytruncate."""
    if not logged:  # everything is in the file
        await ledger._worker.vacuum_deleted()
    await ledger.append(confirmed().take())
    if not logged:
        execute(file, "PRAGMA wal_checkpoint(TRUNCATE)")
        await ledger.rows()
    os.truncate(file, left)
    await takes_nothing_more(ledger)
    assert file.stat().st_size == left


@pytest.mark.parametrize("left", [0, 32, 5000])
@pytest.mark.parametrize("with_the_file", [False, True])
async def test_a_log_that_is_cut_short_takes_nothing_more(
    ledger: Ledger, file: Path, left: int, *, with_the_file: bool
) -> None:
    """What it held is in no file any more, and still in SQLite's cache."""
    log = file.with_name(f"{file.name}-wal")
    os.truncate(log, left)
    if with_the_file:
        os.truncate(file, 0)
    await takes_nothing_more(ledger)
    assert log.stat().st_size == left


async def test_a_log_that_is_cut_short_leaves_a_file_that_can_be_read(
    ledger: Ledger, file: Path
) -> None:
    await ledger._worker.vacuum_deleted()
    for _ in range(3):
        await ledger.append(confirmed().take())
    os.truncate(file.with_name(f"{file.name}-wal"), 0)
    with pytest.raises(LedgerLost):
        await ledger.append(confirmed().take())
    await ledger.close()
    assert execute(file, "pragma integrity_check") == [("ok",)]
    assert execute(file, "select count(*) from pii") == [(1,)]


async def test_a_log_that_another_program_empties_is_gone_on_with(
    ledger: Ledger, file: Path
) -> None:
    log = file.with_name(f"{file.name}-wal")
    for stored in range(2, 5):
        execute(file, "PRAGMA wal_checkpoint(TRUNCATE)")
        assert log.stat().st_size == 0
        await ledger.append(confirmed().take())
        assert execute(file, "select count(*) from pii") == [(stored,)]


@pytest.mark.parametrize("left", [0, 100, 4096])
async def test_an_index_of_the_log_that_is_cut_short_is_made_again(
    ledger: Ledger, file: Path, keys: Keys, left: int
) -> None:
    """SQLite has it mapped: the next access would end the process."""
    os.truncate(file.with_name(f"{file.name}-shm"), left)
    with capture_logs() as logs:
        await ledger.append(confirmed().take())
    assert [log["event"] for log in logs] == ["ledger.log_out_of_place"]
    assert execute(file, "select count(*) from pii") == [(2,)]
    await ledger.append(confirmed().take())
    await ledger.close()
    async with await Ledger.open(file, keys) as again:
        assert len(await again.events()) == 9


async def test_a_file_that_another_program_vacuums_is_gone_on_with(
    ledger: Ledger, file: Path
) -> None:
    for _ in range(3):
        with closing(sqlite3.connect(file)) as other:
            other.execute("create table big as select zeroblob(1000000) as content")
            other.execute("pragma wal_checkpoint(truncate)")
            await ledger.append(confirmed().take())
            before = file.stat().st_size
            other.execute("drop table big")
            other.execute("vacuum")
            other.execute("pragma wal_checkpoint(truncate)")
            assert file.stat().st_size < before
        await ledger.append(confirmed().take())


@pytest.mark.parametrize("ends", [("-wal",), ("-shm",), ("-wal", "-shm")])
@pytest.mark.parametrize("replaced", [False, True])
async def test_a_log_that_is_deleted_alone_costs_nothing(
    ledger: Ledger, file: Path, keys: Keys, ends: tuple[str, ...], *, replaced: bool
) -> None:
    for end in ends:
        beside = file.with_name(file.name + end)
        beside.unlink()
        if replaced:
            beside.touch()
    with capture_logs() as logs:
        await ledger.append(confirmed().take())
    assert [log["event"] for log in logs] == ["ledger.log_out_of_place"]
    assert execute(file, "select count(*) from pii") == [(2,)]
    await ledger.append(confirmed().take())
    await ledger.close()
    async with await Ledger.open(file, keys) as again:
        assert len(await again.events()) == 9
        assert (await again.chains())[0].seq == 10


async def test_while_another_process_reads_a_log_that_is_gone_nothing_is_stored(
    file: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.0)
    async with await Ledger.open(file, keys) as ledger:
        with closing(sqlite3.connect(file, isolation_level=None)) as reader:
            reader.execute("begin")
            reader.execute("select count(*) from event").fetchone()
            await ledger.append(confirmed().take())
            file.with_name(f"{file.name}-wal").unlink()
            with pytest.raises(LedgerUnavailable, check=coded("log_gone")):
                await ledger.append(confirmed().take())
        await ledger.append(confirmed().take())
        assert len(await ledger.events()) == 6


async def test_a_connection_that_failed_makes_new_files_beside_it(
    ledger: Ledger, file: Path
) -> None:
    await ledger._worker.on_thread(ledger._database._drop)
    assert not file.with_name(f"{file.name}-wal").exists()
    with capture_logs() as logs:
        await ledger.append(confirmed().take())
        await ledger.append(confirmed().take())
    assert logs == []


async def test_an_older_state_put_back_into_the_same_file_takes_nothing(
    ledger: Ledger, file: Path
) -> None:
    """As a restore of PostgreSQL, or a replica that lacked the newest events."""
    before = await ledger.rows()
    for statement in ("drop trigger event_no_delete", "delete from event where seq > 1"):
        execute(file, statement)
    with pytest.raises(LedgerUnavailable, check=coded("events_lost")):
        await ledger.append(confirmed().take())
    assert len(await ledger.rows()) == 1 < len(before)


async def test_what_a_command_stores_with_the_same_key_is_gone_on_with(
    ledger: Ledger, file: Path, keys: Keys
) -> None:
    async with await Ledger.open(file, keys) as command:
        await command.revoke(revocation("+14155550199"))
    await ledger.append(confirmed().take())
    assert (await ledger.chains())[0].seq == len(await ledger.rows())
