"""SQLite or PostgreSQL under the ledger: one connection, and how its transactions begin and end.

Everything here blocks and belongs to the ledger's thread.
"""

from __future__ import annotations

import os
import select
import socket
import sqlite3
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import structlog
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from agi_bridge.consent.errors import LedgerLost, LedgerUnavailable
from agi_bridge.consent.ledger.engines import (
    KEEPS_CONNECTION,
    error_code,
    error_text,
    postgresql_driver,
    postgresql_engine,
    sqlite_engine,
)
from agi_bridge.consent.ledger.sqlite_file import SQLiteFile
from agi_bridge.consent.ledger.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Engine

    from agi_bridge.consent.ledger.transaction import Question

SHRED_LOCK_MS: Final = 200
"""Longest wait, in milliseconds, for the lock to rewrite the table of persons' keys: other sessions
that use the table queue behind it."""


class Database:
    """The ledger's database: a path is a SQLite file, a string the URL of a PostgreSQL database.

    Raises:
        LedgerUnavailable: it is PostgreSQL, and the extra `postgresql` is not installed.
    """

    def __init__(self, where: Path | str) -> None:
        self.where = where
        self._errors: tuple[type[Exception], ...] = (SQLAlchemyError, sqlite3.Error, OSError)
        if isinstance(where, Path):
            self.name = str(where)
            self._engine = sqlite_engine(where)
            self._file: SQLiteFile | None = SQLiteFile(where)
        else:
            url = make_url(where)
            self._errors += (postgresql_driver().Error,)
            hosts = url.query.get("host")
            place = url.host or (
                "the default socket" if isinstance(hosts, str | None) else ", ".join(hosts)
            )
            self.name = f"PostgreSQL database {url.database or ''} at {place}"
            self._engine = postgresql_engine(url)
            self._file = None
        self._connection: Connection | None = None
        self._driver: Any = None
        self._connections = 0
        self._out_of_place = False
        self._truncated = False
        self._data_version = 0

    @property
    def engine(self) -> Engine:
        """The engine, for the migrations."""
        return self._engine

    @property
    def is_sqlite(self) -> bool:
        """Whether this is a SQLite file."""
        return isinstance(self.where, Path)

    def file_is_there(self) -> bool:
        """Whether a SQLite database exists here."""
        return (
            isinstance(self.where, Path) and self.where.exists() and self.where.stat().st_size > 0
        )

    def prepare(self) -> None:
        """Make a SQLite file (mode 0600) and its folder if need be.

        Raises:
            LedgerUnavailable: it cannot be made or written.
        """
        if not isinstance(self.where, Path):
            return
        try:
            # Passable, not readable: Asterisk's account plays speech from a folder in it.
            self.where.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            # A file that is there is not opened: closing any descriptor of it drops the locks that
            # SQLite holds on it for this process (fcntl(2)), such as a service with a console.
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
            with suppress(FileExistsError):
                os.close(os.open(self.where, flags, 0o600))
        except OSError as error:
            raise LedgerUnavailable(f"{self.name}: {error_text(error)}") from error

    @contextmanager
    def transaction(self, *, reads: bool = False) -> Iterator[Transaction]:
        """Begin; commit at the end of the block, undo everything if it raises.

        One that only `reads` keeps no other process from writing. A connection that failed is not
        used again: the next transaction makes a new one.

        Raises:
            LedgerUnavailable: the database failed, or a SQLite file is no longer the one at its
                path; nothing of the transaction is stored, unless it was lost while it said so.
        """
        try:
            core = self._connected()
            driver = self._driver
            try:
                if self.is_sqlite:  # psycopg begins by itself
                    driver.execute("BEGIN" if reads else "BEGIN IMMEDIATE")
                    self._data_version = _data_version(driver)
                cursor = driver.cursor()
                transaction = Transaction(core, cursor, not self.is_sqlite, self._connections)
                try:
                    yield transaction
                finally:
                    cursor.close()  # an open one would keep SQLite's connection from closing
                if transaction.last:
                    self._execute_last(driver, transaction.last)
                # SQLAlchemy has begun its own only if it was asked for something.
                (core if core.in_transaction() else driver).commit()
            except BaseException:
                self._roll_back(core)
                raise
            finally:
                if self._file is not None:
                    self._file.note_log()
        except self._errors as error:
            code = error_code(error)
            if code not in KEEPS_CONNECTION:
                self._drop()
            raise LedgerUnavailable(f"{self.name}: {error_text(error)}", code=code) from error
        for act in transaction.committed:
            act()

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Convert errors inside an open transaction, as `transaction` does at its end.

        Raises:
            LedgerUnavailable: the database failed.
        """
        try:
            yield
        except self._errors as error:
            raise LedgerUnavailable(f"{self.name}: {error_text(error)}") from error

    @staticmethod
    def _execute_last(driver: Any, statements: Sequence[Question]) -> None:  # noqa: ANN401 - psycopg's
        """Send statements and COMMIT as one message of PostgreSQL's simple query protocol.

        The server has all of it before it begins, so it waits for nobody in between. Each statement
        sees what was committed before it (READ COMMITTED), also while it waited for a lock.
        """
        text = ";".join([*(text for text, _ in statements), "COMMIT"])
        arguments = [each for _, given in statements for each in given]
        postgresql_driver().ClientCursor(driver).execute(text, arguments)

    def _roll_back(self, core: Connection) -> None:
        """Undo what was done; a connection that cannot is let go, which undoes it too."""
        driver = self._driver
        try:
            core.rollback()
            driver.rollback()
        except self._errors:
            self._drop()

    def vacuum_deleted(self) -> None:
        """Remove remains of deleted data from the database's files.

        SQLite has overwritten it in its pages (`secure_delete`); its log is emptied here.
        PostgreSQL leaves old rows in its files. They cannot be read without the persons' keys, so
        only the table of keys is rewritten. That takes an exclusive lock, with a short timeout.

        Raises:
            LedgerUnavailable: the database failed, another process reads from SQLite's log, or
                PostgreSQL's lock was not free: try again later.
        """
        rewrite = (
            f"SET lock_timeout = {SHRED_LOCK_MS}",
            "VACUUM (FULL) person",
            "SET lock_timeout = 0",
            "SET statement_timeout = 0",
            "VACUUM pii",
        )
        self._clean(() if self.is_sqlite else rewrite)

    def _clean(self, statements: Sequence[str]) -> None:
        """Execute statements outside any transaction, then empty SQLite's log."""
        self._check_file()
        self._drop()
        try:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as core:
                driver: Any = core.connection.driver_connection
                for statement in statements:
                    driver.execute(statement)
                if self.is_sqlite:
                    [busy, *_] = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                    if busy:
                        raise LedgerUnavailable(
                            f"{self.name}: another process reads from its log", code="log_in_use"
                        )
        except self._errors as error:
            raise LedgerUnavailable(f"{self.name}: {error_text(error)}") from error

    def abort(self) -> None:
        """Abort the ledger thread's wait for PostgreSQL. Callable from any thread.

        A server that is frozen, not gone, would otherwise keep the process from ending.
        """
        driver = self._driver
        if driver is None or self.is_sqlite:
            return
        with (
            suppress(*self._errors),  # it may end at this moment
            socket.socket(fileno=os.dup(driver.fileno())) as ours,
        ):
            ours.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the database; the next use opens it again."""
        self._drop()
        if self._file is not None:
            self._file.release()

    def _connected(self) -> Connection:
        """The connection, to the database that was opened first and no other."""
        if self._file is not None:
            self._check_file()
        elif self._connection is not None and _is_closed(self._driver):
            self._drop()
        if self._connection is None:
            self._connection = self._engine.connect()
            self._driver = self._connection.connection.driver_connection
            self._connections += 1
            if self._file is not None:
                self._file.pin()
        return self._connection

    def _check_file(self) -> None:
        """Check that a SQLite file and its log are the ones that were opened.

        A log that is gone is still open here, and the file is not: what it holds is put into the
        file, and a new connection begins a new one. Where the file itself was deleted, moved or
        replaced, nothing is done: another file lacks what was stored since it was copied, and the
        old one may be put back. The connection stays open, so that it can.

        Raises:
            LedgerUnavailable: the file is not in its place, or its log could not be put into it.
        """
        if self._file is None:
            return
        self._file.look()
        if self._truncated or self._is_truncated(self._file):
            self._truncated = True
            self._refuse_file(
                "file_truncated",
                "or its -wal was cut short while in use",
                "it was put back from a backup and",
            )
        if not self._file.is_in_place():
            self._refuse_file(
                "file_replaced", "was deleted, moved or replaced while in use", "it is back or"
            )
        if self._out_of_place:
            structlog.get_logger().warning("ledger.file_in_place", file=self.name)
            self._out_of_place = False
        if self._connection is not None and not self._file.has_its_log():
            self._save_log()

    def _save_log(self) -> None:
        try:
            [busy, *_] = self._driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise LedgerUnavailable(
                f"{self.name}: its log is gone ({error_text(error)})", code="log_gone"
            ) from error
        if busy:
            raise LedgerUnavailable(
                f"{self.name}: its log is gone, and another process reads from the file; end that",
                code="log_gone",
            )
        self._log_out_of_place(
            "its -wal or -shm was deleted or replaced; what it held is in the file now"
        )
        self._drop()

    def _is_truncated(self, file: SQLiteFile) -> bool:
        """Whether something other than SQLite has shortened the file or its log.

        A file without room for the pages that SQLite knows of was not shortened by a VACUUM.
        """
        if self._log_is_truncated(file):
            return True
        if not file.has_shrunk():
            return False
        if self._connection is None:
            return not file.accept_size(1)
        try:
            [pages] = self._driver.execute("PRAGMA page_count").fetchone()
            [page_bytes] = self._driver.execute("PRAGMA page_size").fetchone()
        except sqlite3.Error:
            return True
        return not file.accept_size(pages * page_bytes)

    def _log_is_truncated(self, file: SQLiteFile) -> bool:
        """Whether something other than a checkpoint has shortened the log.

        A checkpoint by another process changes the header of the log's index, and so what
        `PRAGMA data_version` says.
        """
        if self._connection is None or not file.has_its_log():
            return False
        if file.restore_index():
            self._log_out_of_place("its -shm was truncated; SQLite rebuilds it from the -wal")
        if not file.log_has_shrunk():
            return False
        try:
            return self._data_version == _data_version(self._driver)
        except sqlite3.Error:
            return True

    def _log_out_of_place(self, reason: str) -> None:
        structlog.get_logger().error("ledger.log_out_of_place", file=self.name, reason=reason)

    def _refuse_file(self, code: str, what: str, until: str) -> NoReturn:
        problem = (
            f"{self.name}: {what}; nothing is stored and nothing sent until {until} the service "
            "was restarted"
        )
        if not self._out_of_place:
            structlog.get_logger().error("ledger.file_out_of_place", reason=problem)
        self._out_of_place = True
        raise LedgerLost(problem, code=code)

    def _drop(self) -> None:
        """Drop the connection in any state; the next use makes a new one."""
        if self._file is not None:
            self._file.forget_log()
        connection, self._connection, self._driver = self._connection, None, None
        if connection is not None:
            try:
                connection.close()
            except self._errors:
                connection.invalidate()


def _data_version(driver: Any) -> int:  # noqa: ANN401 - sqlite3's connection
    """A number that changes when another connection changes a SQLite file or its log."""
    [version] = driver.execute("PRAGMA data_version").fetchone()
    return int(version)


def _is_closed(driver: Any) -> bool:  # noqa: ANN401 - psycopg's connection
    """Whether PostgreSQL has closed an idle connection: only then does an idle socket have data.

    Otherwise the next caller's consent would be what finds out.
    """
    poll = select.poll()
    poll.register(driver.fileno(), select.POLLIN)
    return bool(poll.poll(0))
