"""Checks a ledger's database without writing to it: can it be opened, and may this account use it?

A SQLite file is opened so that SQLite creates not even its logs; PostgreSQL in a read-only
transaction. Keys and checkpoints are checked in `start_checks`.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from sqlalchemy import URL, create_engine, make_url, select
from sqlalchemy import text as text_of
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from agi_bridge.app.findings import Finding, Level, unseen
from agi_bridge.consent import LedgerUnavailable
from agi_bridge.consent.ledger import error_text, postgresql_driver, postgresql_engine, schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

LITTLE_SPACE: Final = 256 * 1024 * 1024
"""Free bytes on the ledger's disk below which the check warns: a full disk stores no consents."""

KEY: Final = "ledger.url"
"""The setting that findings about the database name."""

_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """A database: how to open it read-only, and the text if that fails."""

    url: URL
    failure: str

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a SQLite file."""
        return self.url.drivername == "sqlite"

    def engine(self) -> Engine:
        """Return an engine that keeps no connection; to PostgreSQL, one as the service has it."""
        if self.is_sqlite:
            return create_engine(self.url, poolclass=NullPool, hide_parameters=True)
        return postgresql_engine(self.url)

    def unreachable(self, error: SQLAlchemyError | LedgerUnavailable) -> Finding:
        """Return the fault of a database that cannot be read."""
        if isinstance(error, LedgerUnavailable):  # a pooler between
            text = str(error).removeprefix(f"{KEY}: ")
            return Finding(Level.FAULT, KEY, text, reason="settings_dropped")
        text = f"{self.failure} ({error_text(error)})"
        return Finding(Level.FAULT, KEY, text, reason="unreachable")


def check_database(
    where: Path | str,
) -> tuple[list[Finding], DatabasePlace | None, bool | None]:
    """Return the findings about a database, how to read it, and whether it contains a ledger.

    Without a place it cannot be read, or does not exist yet. The last value is None if it is not
    known. Blocks.
    """
    begun: bool | None = False
    place: DatabasePlace | None
    if isinstance(where, Path):
        found, place, begun = _file(where)
    else:
        found, place = [], postgresql_place(where)
        try:
            postgresql_driver()
        except LedgerUnavailable:
            fix = "install agi-bridge[postgresql], or requirements-postgresql.txt"
            text = "PostgreSQL support is not installed"
            return [Finding(Level.FAULT, KEY, text, fix, "unusable")], None, None
    if place is not None:
        inside, begun = _inside(place)
        found += inside
        if isinstance(where, Path):
            found += _room(where)
    return found, place, begun


def postgresql_place(url: str) -> DatabasePlace:
    """Return the place of a database on PostgreSQL."""
    return DatabasePlace(make_url(url), "no connection to PostgreSQL")


def _file(path: Path) -> tuple[list[Finding], DatabasePlace | None, bool]:
    """Return the findings about a file, how to read it, and whether it may contain a ledger."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return [Finding(Level.OK, KEY, f"{path} will be created")], None, False
    except OSError as error:
        return [unseen(KEY, path, error)], None, True
    if not os.access(path, os.R_OK | os.W_OK):
        text, fix = f"this account cannot read and write {path}", "run as the account that owns it"
        return [Finding(Level.FAULT, KEY, text, fix, "not_writable")], None, True
    # SQLite also reads a write-ahead log beside the file. Without one, `immutable` keeps SQLite
    # from creating it.
    alone = not path.with_name(f"{path.name}-wal").exists()
    how = {"uri": "true", "mode": "ro", **({"immutable": "1"} if alone else {})}
    url = URL.create("sqlite", database=f"file:{quote(str(path))}", query=how)
    return [], DatabasePlace(url, f"{path} cannot be read"), True


def _room(path: Path) -> Iterator[Finding]:
    status, free = path.stat(), shutil.disk_usage(path).free
    text = f"{path}, {status.st_size / _MEGABYTE:.1f} MB, {free // _MEGABYTE} MB free"
    if free >= LITTLE_SPACE:
        yield Finding(Level.OK, KEY, text)
    else:
        fix = "free some space: a full disk stores no consents"
        yield Finding(Level.NOTE, KEY, text, fix, "little_space")
    if status.st_mode & (stat.S_IROTH | stat.S_IWOTH):
        text = f"every account can open {path}"
        yield Finding(Level.NOTE, KEY, text, "run chmod 600 on it", "open")


def _inside(place: DatabasePlace) -> tuple[list[Finding], bool | None]:
    """Return the findings about a database, and whether it contains a ledger; None: unknown."""
    try:
        with place.engine().connect() as connection:
            found: list[Finding] = []
            if not place.is_sqlite:
                connection.execute(text_of("SET TRANSACTION READ ONLY"))
                found += _server(connection)
            version = schema.version(connection)
            usable = schema.is_usable(connection, version)
            found += _version(version, usable=usable)
            if not place.is_sqlite:
                found += _rights(connection, version, usable=usable)
            begun = usable and bool(connection.execute(select(schema.LEDGER.c.ledger_id)).first())
    except (SQLAlchemyError, LedgerUnavailable) as error:
        return [place.unreachable(error)], True if place.is_sqlite else None
    return found, begun


def _version(version: str | None, *, usable: bool) -> Iterator[Finding]:
    if version is not None and version < schema.VERSION:
        fix = (
            "make a backup, stop the bridge if its ledger is SQLite, "
            "then run `agi-bridge consents upgrade`"
        )
        yield Finding(Level.FAULT, KEY, "the tables have an older version", fix, "older")
    elif usable and version != schema.VERSION:
        text = "the tables have a newer version, which this program may use"
        fix = "install the agi-bridge that upgraded them, at its turn"
        yield Finding(Level.NOTE, KEY, text, fix, "newer")
    elif version is not None and version > schema.VERSION:
        fix = "install the agi-bridge version that created them"
        yield Finding(Level.FAULT, KEY, "the tables have a newer version", fix, "newer")


def _server(connection: Connection) -> Iterator[Finding]:
    name, version, standby, fsync, read_only = connection.execute(
        text_of(
            "SELECT current_database(), current_setting('server_version'),"
            " pg_is_in_recovery(), current_setting('fsync'),"
            " current_setting('default_transaction_read_only')"
        )
    ).one()
    yield Finding(Level.OK, KEY, f"database {name} on PostgreSQL {version} answers")
    if standby:
        text = "the server is a standby, which is read-only"
        yield Finding(Level.FAULT, KEY, text, "use the address of the primary", "standby")
    if read_only != "off":
        text = "the database is read-only (default_transaction_read_only is on)"
        yield Finding(
            Level.FAULT, KEY, text, "set default_transaction_read_only = off", "not_writable"
        )
    if fsync != "on":
        text = "fsync is off on the server: consents can be lost if it crashes"
        yield Finding(Level.NOTE, KEY, text, "set fsync = on", "fsync")


def _rights(connection: Connection, version: str | None, *, usable: bool) -> Iterator[Finding]:
    """Report whether this account may create the tables, or use the existing ones."""
    if version is None:
        may = connection.execute(
            text_of("SELECT has_schema_privilege(current_schema(), 'CREATE')")
        ).scalar()
        if not may:
            text = "this account cannot create tables in the database"
            fix = "make this account the owner of the database"
            yield Finding(Level.FAULT, KEY, text, fix, "not_writable")
    elif usable:
        for table in schema.METADATA.sorted_tables:
            rights = ("SELECT", "INSERT", *(("UPDATE", "DELETE") if table is schema.PII else ()))
            held = text_of("SELECT has_table_privilege(:table, :right)")
            if not all(
                connection.execute(held, {"table": table.name, "right": right}).scalar()
                for right in rights
            ):
                text = f"this account cannot write to the table {table.name}"
                yield Finding(
                    Level.FAULT, KEY, text, "connect as the owner of the tables", "not_writable"
                )
