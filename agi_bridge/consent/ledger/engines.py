"""SQLAlchemy engines for the two databases: how a connection is opened, and what its errors say.

Knows no transactions and no tables: `database` has these.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, create_engine, event
from sqlalchemy.pool import NullPool

from agi_bridge.consent.errors import LedgerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

BUSY_SECONDS: Final = 3.0
"""How long a write waits for another process that holds what it needs, before it fails."""
CONNECT_SECONDS: Final = 3
"""Longest wait for PostgreSQL to take a connection."""
_POSTGRESQL_OPTIONS: Final = (
    "-c synchronous_commit=on "
    f"-c lock_timeout={int(BUSY_SECONDS * 1000)} -c statement_timeout=5000 "
    "-c idle_in_transaction_session_timeout=10000 -c client_min_messages=warning"
)
_IDLE: Final = "10s"
"""How PostgreSQL shows the last but one of them, if it got them."""
_ATTEMPT: Final = re.compile(
    r"^- host: '?(.*?)'?, port: '?(.*?)'?, hostaddr: .*?: (.*)$", re.MULTILINE
)
"""How psycopg lists what became of each of several servers, the last of which it names first."""
_CODES: Final = {
    "22012": "outdated",  # division by zero: a check of `commit_checks` does not hold any more
    "23505": "outdated",  # unique violation: another bridge has stored the row
    "40P01": "outdated",  # deadlock detected
    "40001": "outdated",  # serialization failure
    "55P03": "locked",  # lock not available
    "25P03": "stalled",  # idle-in-transaction timeout: PostgreSQL has rolled back
}
"""What may be tried again, by SQLSTATE."""
_ENDED: Final = frozenset({"57P01", "57P02", "57P03", "57P05"})
"""The server ends, crashed, does not take connections yet, or has closed an idle session."""

KEEPS_CONNECTION: Final = frozenset({"outdated", "locked"})
"""The codes of failures that leave the connection as good as before."""

CACHE_KIB: Final = 32 * 1024
"""How much of a SQLite file is kept in memory. A consent changes places of its indexes at random:
with SQLite's 2 MB, its system calls cost two thirds more with 40,000 consents than with 8,000."""
_SQLITE_PRAGMAS: Final = (
    "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", f"cache_size=-{CACHE_KIB}"
)  # fmt: skip

_TCP: Final = {
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""A server that went without a word is given up after ten seconds, not after a quarter of an hour
(libpq's parameters, the first in milliseconds)."""


def postgresql_driver() -> Any:  # noqa: ANN401 - a module
    """Import psycopg, which comes with the extra `postgresql`.

    Raises:
        LedgerUnavailable: it is not installed.
    """
    try:
        import psycopg  # noqa: PLC0415 - optional: SQLite works without it
    except ImportError:
        raise LedgerUnavailable(
            "ledger.url: PostgreSQL needs the extra postgresql; install "
            "requirements-postgresql.txt, or leave ledger.url empty for SQLite",
            code="driver_missing",
        ) from None
    return psycopg


@contextmanager
def pipelined(driver: Any) -> Iterator[Callable[[], None]]:  # noqa: ANN401 - psycopg's connection
    """A pipeline of psycopg that ends with a Sync, and no Flush behind it.

    psycopg sends one, and PostgreSQL then takes us for busy: it no longer counts how long it has
    heard nothing, and the locks of a bridge that is frozen at that moment are held for good. What
    is yielded sends a Sync in between, for the same reason, and waits for no answer: to be called
    where we go on to something else while PostgreSQL does what it was sent.
    """
    with driver.pipeline() as pipeline:

        def sent() -> Iterator[Any]:
            pipeline._enqueue_sync()  # noqa: SLF001 - psycopg has no option for it; a test sees it
            yield from pipeline._communicate_gen()  # noqa: SLF001 - the same

        def answered() -> Iterator[Any]:
            try:
                yield from sent()
            finally:
                yield from pipeline._fetch_gen(flush=False)  # noqa: SLF001 - the same

        pipeline._exit_gen = answered  # noqa: SLF001 - the same
        yield lambda: driver.wait(sent())


def error_text(error: BaseException) -> str:
    """The database's or the system's own words, without statement or parameters."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, OSError):
        return original.strerror or type(original).__name__
    if (diagnostics := getattr(original, "diag", None)) is not None:  # psycopg's
        text = diagnostics.message_primary or str(original)
        attempts = [f"{host}:{port}: {reason}" for host, port, reason in _ATTEMPT.findall(text)]
        return "; ".join(attempts) or text.partition("\n")[0]
    return str(original) if isinstance(original, sqlite3.Error) else type(original).__name__


def error_code(error: BaseException) -> str | None:
    """What a transaction of PostgreSQL failed of, if it may be tried again; None if not.

    `outdated`: what it was decided on has changed. `locked`: another bridge holds a lock.
    `stalled`: PostgreSQL heard nothing from us for too long. `connection_lost`: there is no
    connection; a transaction that was to be committed may be durable.
    """
    original = getattr(error, "orig", None) or error
    if isinstance(original, (sqlite3.Error, OSError)):
        return None
    state = getattr(original, "sqlstate", None)
    if state is None:
        driver = postgresql_driver()
        return "connection_lost" if isinstance(original, driver.OperationalError) else None
    if state[:2] == "08" or state in _ENDED:
        return "connection_lost"
    return _CODES.get(state)


def sqlite_engine(path: Path) -> Engine:
    """Return the engine for a SQLite file in a folder that exists."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=NullPool,
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
        hide_parameters=True,  # an error's text must not hold a number
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        # What is not UTF-8 was tampered with: verification reports it.
        connection.text_factory = lambda raw: raw.decode(errors="surrogateescape")
        try:
            with _exclusive(path.parent):
                connection.execute("PRAGMA journal_mode=WAL")
            for pragma in _SQLITE_PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
        except (sqlite3.Error, OSError):
            connection.close()  # SQLAlchemy would leave it open
            raise

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if not driver.in_transaction:  # one that `Database` has begun on the driver goes on
            driver.execute("BEGIN IMMEDIATE")

    return engine


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Hold back others that use this folder: SQLite gives up at once where two begin a log."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def postgresql_engine(url: URL) -> Engine:
    """Return the engine for a PostgreSQL database."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        poolclass=NullPool,
        isolation_level="READ COMMITTED",  # what a lock let through must be seen after it
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            **_TCP,
            "options": _POSTGRESQL_OPTIONS,
            "application_name": "agi-bridge",
        },
        hide_parameters=True,
    )

    @event.listens_for(engine, "do_connect")
    def _on_do_connect(dialect: Any, _: object, given: Any, named: Any) -> Any:  # noqa: ANN401 - psycopg's
        try:
            return dialect.connect(*given, **named)
        except dialect.loaded_dbapi.OperationalError as error:
            if "unsupported startup parameter" in str(error):  # PgBouncer's words
                raise _settings_dropped() from None
            raise

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: object) -> None:  # noqa: ANN401 - psycopg's
        found = connection.execute("SHOW idle_in_transaction_session_timeout").fetchone()
        connection.rollback()
        if found != (_IDLE,):
            connection.close()
            raise _settings_dropped()

    return engine


def _settings_dropped() -> LedgerUnavailable:
    return LedgerUnavailable(
        "ledger.url: a pooler does not pass on the settings of our connections; give PostgreSQL's "
        "own address, not that of PgBouncer",
        code="settings_dropped",
    )
