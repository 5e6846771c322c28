from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ArgumentError

from agi_bridge.consent import LedgerUnavailable
from agi_bridge.consent.ledger import engines, error_text
from agi_bridge.consent.ledger.database import Database
from tests.support.error_codes import coded
from tests.support.external_db import execute
from tests.support.file_locks import locks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.consent.ledger.transaction import Transaction


@pytest.fixture
def database(where: Path | str) -> Iterator[Database]:
    opened = Database(where)
    opened.prepare()
    with opened.transaction() as transaction:
        transaction.cursor.execute("create table pii (word text unique)")
        transaction.cursor.execute("create table person (word text)")
    yield opened
    opened.close()


@pytest.fixture
def second(where: Path | str, database: Database) -> Iterator[Database]:
    """Another bridge's."""
    opened = Database(where)
    yield opened
    opened.close()
    assert database is not opened


class Broken(Exception):  # noqa: N818 - no error of anybody's
    """Something went wrong in mid-transaction."""


def put(transaction: Transaction, word: str) -> None:
    transaction.core.execute(text("insert into pii values (:word)"), {"word": word})


def put_and_break(database: Database) -> None:
    """Write in both ways, and fail before the end."""
    with database.transaction() as transaction:
        put(transaction, "one")
        transaction.cursor.execute("insert into pii values ('two')")
        raise Broken


def put_and_lose(database: Database, url: str) -> None:
    """Write, and be cut off between two statements."""
    with database.transaction() as transaction:
        put(transaction, "gone")
        backend = transaction.core.exec_driver_sql("select pg_backend_pid()").scalar()
        execute(url, f"select pg_terminate_backend({backend}, 10000)")
        transaction.cursor.execute("insert into pii values ('lost')")


def words(database: Database) -> list[str]:
    with database.transaction() as transaction:
        return list(transaction.core.execute(text("select word from pii")).scalars())


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases made from now on do not wait for what another one holds."""
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.0)
    options = f"{engines._POSTGRESQL_OPTIONS} -c lock_timeout=1"
    monkeypatch.setattr(engines, "_POSTGRESQL_OPTIONS", options)


def test_a_transaction_is_there_when_it_has_ended_and_gone_if_it_broke(
    database: Database, second: Database
) -> None:
    with database.transaction() as transaction:
        put(transaction, "kept")
    with pytest.raises(Broken):
        put_and_break(database)
    assert words(second) == ["kept"]
    assert words(database) == ["kept"]


def test_commits_are_durable(database: Database) -> None:
    with database.transaction() as transaction:
        if database.is_sqlite:
            assert transaction.core.exec_driver_sql("PRAGMA synchronous").scalar() == 2
            assert transaction.core.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert transaction.core.exec_driver_sql("PRAGMA secure_delete").scalar() == 1
            assert transaction.core.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
            kept = transaction.core.exec_driver_sql("PRAGMA cache_size").scalar()
            assert kept == -engines.CACHE_KIB
        else:
            setting = transaction.core.exec_driver_sql("SHOW synchronous_commit").scalar()
            assert setting == "on"


def test_what_was_refused_names_no_value_and_the_next_transaction_goes_on(
    database: Database,
) -> None:
    with database.transaction() as transaction:
        put(transaction, "+14155550123")
    with (
        pytest.raises(LedgerUnavailable, match=r"(?i)unique") as caught,
        database.transaction() as transaction,
    ):
        put(transaction, "+14155550123")
    assert "4155550123" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert database.name in str(caught.value)
    with database.transaction() as transaction:
        put(transaction, "another")
    assert words(database) == ["+14155550123", "another"]


def test_a_lock_on_a_name_holds_back_the_others_until_the_end(
    database: Database, where: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    with closing(Database(where)) as other:
        with database.transaction() as transaction:
            transaction.lock(["number:1", "chain:a"])
            with pytest.raises(LedgerUnavailable, match=r"lock"), other.transaction() as waits:
                waits.lock(["number:1"])
            if not database.is_sqlite:  # it has one writer at a time anyway
                with other.transaction() as free:
                    free.lock(["number:2"])
        with other.transaction() as after:
            after.lock(["number:1"])


def test_names_taken_in_any_order_never_block_each_other(
    database: Database, second: Database
) -> None:
    if database.is_sqlite:
        database_names, second_names = ["line:a"], ["line:a"]
    else:
        database_names, second_names = ["line:a", "number:b"], ["number:b", "line:a"]
    together = threading.Barrier(2)

    def take(opened: Database, names: list[str]) -> None:
        together.wait()
        for _ in range(50):
            with opened.transaction() as transaction:
                transaction.lock(names)
                put(transaction, f"{threading.get_ident()} {len(seen)}")
                seen.append(names)

    seen: list[list[str]] = []
    beside = threading.Thread(target=take, args=(second, second_names))
    beside.start()
    take(database, database_names)
    beside.join()
    assert len(seen) == 100


def test_a_connection_lost_between_two_transactions_costs_nothing(emptied_url: str) -> None:
    with closing(Database(emptied_url)) as database:
        with database.transaction() as transaction:
            transaction.cursor.execute("create table pii (word text)")
            backend = transaction.core.exec_driver_sql("select pg_backend_pid()").scalar()
        execute(emptied_url, f"select pg_terminate_backend({backend}, 10000)")
        with database.transaction() as transaction:
            put(transaction, "kept")
        assert words(database) == ["kept"]


def test_a_connection_lost_in_mid_transaction_leaves_nothing_of_it(emptied_url: str) -> None:
    with closing(Database(emptied_url)) as database:
        with database.transaction() as transaction:
            transaction.cursor.execute("create table pii (word text)")
        with pytest.raises(LedgerUnavailable):
            put_and_lose(database, emptied_url)
        assert words(database) == []


def test_a_connection_that_cannot_even_be_closed_is_let_go(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as transaction:
        put(transaction, "kept")
    connection = database._connection
    assert connection is not None

    def fails() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(type(connection), "close", lambda _: fails())
        database.close()
    assert connection.invalidated
    assert words(database) == ["kept"]


def test_the_file_is_its_owners_alone_and_its_folder_can_be_passed(file: Path) -> None:
    database = Database(file)
    assert not database.file_is_there()
    before = os.umask(0)
    try:
        database.prepare()
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o711
    assert not database.file_is_there()  # made, but not begun
    with database.transaction() as transaction:
        transaction.cursor.execute("create table pii (word text)")
    database.close()
    assert database.file_is_there()


def test_a_url_is_not_a_file(emptied_url: str) -> None:
    database = Database(emptied_url)
    database.prepare()
    assert not database.is_sqlite
    assert not database.file_is_there()


def test_a_name_never_holds_a_password() -> None:
    database = Database("postgresql://bridge:hunter2@db.example:5432/consents")
    assert database.name == "PostgreSQL database consents at db.example"
    assert Database("postgresql:///consents").name.endswith("at the default socket")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LedgerUnavailable, match=r"file/consents\.db: (File exists|Not a direct)"):
        Database(tmp_path / "file" / "consents.db").prepare()


def test_a_server_that_is_not_there_is_one_line_without_a_password(tmp_path: Path) -> None:
    database = Database(f"postgresql://bridge:hunter2@/consents?host={tmp_path}")
    with (
        pytest.raises(LedgerUnavailable, match="No such file or directory") as caught,
        database.transaction(),
    ):
        pass
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_what_is_no_url_is_not_shown_either() -> None:
    with pytest.raises(ArgumentError):
        Database("no address")


def test_a_file_that_is_not_a_database_fails_and_is_let_go(tmp_path: Path) -> None:
    (tmp_path / "consents.db").write_bytes(b"not a database, but long enough to look like one" * 40)
    database = Database(tmp_path / "consents.db")
    with pytest.raises(LedgerUnavailable, match="file is not a database"), database.transaction():
        pass
    held = [link.resolve() for link in Path("/proc/self/fd").iterdir()]
    assert not [file for file in held if file.is_relative_to(tmp_path)]


def test_scrubbing_leaves_nothing_of_what_was_deleted_in_the_files(file: Path) -> None:
    database = Database(file)
    database.prepare()
    with database.transaction() as transaction:
        transaction.cursor.execute("create table pii (word text)")
        put(transaction, "a secret of long standing")
    with database.transaction() as transaction:
        transaction.cursor.execute("delete from pii")
    assert any(b"a secret of long" in each.read_bytes() for each in file.parent.iterdir())
    database.vacuum_deleted()
    assert not any(b"a secret of long" in each.read_bytes() for each in file.parent.iterdir())


def test_a_log_that_another_process_reads_from_is_told_of(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    database = Database(file)
    database.prepare()
    with database.transaction() as transaction:
        transaction.cursor.execute("create table pii (word text)")
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select * from pii").fetchall()
        with database.transaction() as transaction:
            put(transaction, "kept")
        with pytest.raises(LedgerUnavailable, check=coded("log_in_use")):
            database.vacuum_deleted()
    database.vacuum_deleted()
    assert words(database) == ["kept"]
    database.close()


def test_a_server_that_went_without_a_word_is_given_up_in_seconds(emptied_url: str) -> None:
    with closing(Database(emptied_url)) as database, database.transaction() as transaction:
        assert transaction.core.connection.driver_connection is not None
        parameters = transaction.core.connection.driver_connection.info.get_parameters()
    assert int(parameters["tcp_user_timeout"]) == 10_000
    idle, interval, count = (
        int(parameters[f"keepalives_{name}"]) for name in ("idle", "interval", "count")
    )
    assert idle + interval * count < 15


def test_a_reader_does_not_block_a_writer(database: Database, second: Database) -> None:
    with database.transaction(reads=True) as reading:
        assert reading.core.exec_driver_sql("select word from pii").all() == []
        with second.transaction() as transaction:
            put(transaction, "written meanwhile")
    assert words(database) == ["written meanwhile"]


def test_scrubbing_takes_nothing_else_away(database: Database) -> None:
    with database.transaction() as transaction:
        put(transaction, "kept")
        put(transaction, "deleted")
    with database.transaction() as transaction:
        transaction.cursor.execute("delete from pii where word = 'deleted'")
    database.vacuum_deleted()
    assert words(database) == ["kept"]


def test_a_database_that_is_gone_cannot_be_scrubbed(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nowhere = tmp_path / "nowhere" if database.is_sqlite else f"postgresql:///x?host={tmp_path}"
    monkeypatch.setattr(database, "_engine", Database(nowhere)._engine)
    if database.is_sqlite:
        (tmp_path / "nowhere").mkdir()
    with pytest.raises(LedgerUnavailable, match=r"unable to open|No such file"):
        database.vacuum_deleted()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (TimeoutError(), "TimeoutError"),
        (sqlite3.OperationalError("disk I/O error"), "disk I/O error"),
        (psycopg.OperationalError("connection failed\nhint: look"), "connection failed"),
        (ValueError("+14155550123"), "ValueError"),
        (
            psycopg.OperationalError(
                "session is read-only\nMultiple connection attempts failed. All failures were:\n"
                "- host: 'db1', port: '5432', hostaddr: None: connection timeout expired\n"
                "- host: 'db2', port: None, hostaddr: '10.0.0.2': session is read-only"
            ),
            "db1:5432: connection timeout expired; db2:None: session is read-only",
        ),
    ],
)
def test_a_cause_is_one_line_in_the_databases_or_the_systems_words(
    error: Exception, words: str
) -> None:
    assert error_text(error) == words


def test_of_several_servers_each_is_named_with_its_own_cause() -> None:
    with pytest.raises(psycopg.OperationalError) as failed:
        psycopg.connect("host=127.0.0.1,127.0.0.1 port=1,2 connect_timeout=2")
    first, second = error_text(failed.value).split("; ")
    assert first.startswith("127.0.0.1:1: ")
    assert second.startswith("127.0.0.1:2: ")


def test_a_second_use_of_a_file_in_one_process_keeps_the_locks_of_the_first(tmp_path: Path) -> None:
    """As the console's beside the service: without them the next command removes its log."""
    file = tmp_path / "consents.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as first:
        first.execute("PRAGMA journal_mode=WAL")
        first.execute("CREATE TABLE kept (word TEXT)")
        before = locks(file)
        Database(file).prepare()
        assert locks(file) == before > 0
