"""The file of the history: SQLite, with one row for each call.

The history is not evidence. A file that is damaged, or that a newer version wrote, is set aside and
begun again, by the service only; one such file is kept until the history's days are over. A file of
an older version is brought to this one by the steps in `_UPGRADES` that it has not had.

There is no index besides the id, which grows with time: two indexes on hashes doubled the cost of
each write. A look-up by number reads the whole table instead, which nobody does during a call.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from agi_bridge.history.errors import HistoryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from agi_bridge.history.call import Row

FILE: Final = "calls.db"
KEY_FILE: Final = "calls.key"
ASIDE: Final = "calls.db.aside"
_LOGS: Final = ("-wal", "-shm", "-journal")

COLUMNS: Final = (
    "id", "begun", "ms", "uniqueid", "line", "did", "language", "consent", "result", "why",
    "hung_up", "caller", "caller_key", "number", "number_key", "events",
)  # fmt: skip

_UPGRADES: Final = (
    """
    CREATE TABLE calls (
        id INTEGER PRIMARY KEY, begun INTEGER NOT NULL, ms INTEGER, uniqueid TEXT, line TEXT,
        did TEXT, language TEXT, consent TEXT, result TEXT, why TEXT, hung_up TEXT NOT NULL,
        caller TEXT, caller_key BLOB, number TEXT, number_key BLOB, events BLOB NOT NULL,
        erased INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE keyed (fingerprint TEXT NOT NULL);
    """,
)
"""What brings a file from each version of the schema to the next; only ever added to."""
VERSION: Final = len(_UPGRADES)

_PERSONAL: Final = ("caller", "caller_key", "number", "number_key")
_UPSERT: Final = (
    f"INSERT INTO calls ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) "  # noqa: S608 - names of this module
    "ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(
        f"{name} = CASE erased WHEN 1 THEN NULL ELSE excluded.{name} END"
        if name in _PERSONAL
        else f"{name} = excluded.{name}"
        for name in COLUMNS[2:]
    )
)
"""An erasure outlasts what a call in progress still writes."""
_FORGET: Final = f"UPDATE calls SET erased = 1, {', '.join(f'{n} = NULL' for n in _PERSONAL)}"  # noqa: S608 - names of this module

_WAIT_SECONDS: Final = 5.0
"""How long a lock of another process is waited for."""
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY_CODE: Final = 0xFF
"""The bits of SQLite's extended codes that are the primary one."""


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the file as it is. Blocks.

    Raises:
        sqlite3.Error: it is not there, or cannot be opened.
    """
    mode = "ro" if read_only else "rw"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_WAIT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA query_only = ON" if read_only else "PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_service(path: Path, fingerprint: str) -> sqlite3.Connection:
    """Open the file for writing, made or upgraded where necessary. Blocks.

    Calls that were written with another key can neither be found nor erased by their numbers any
    more, so they lose what stands for these.

    Raises:
        HistoryError: a newer version wrote it, or it is another database.
        sqlite3.Error, OSError: it cannot be made, opened or written.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    connection = connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        with transaction(connection):
            version = version_of(connection)
            if not version:
                _require_empty(connection)
            for step in _UPGRADES[version:]:
                for statement in filter(str.strip, step.split(";")):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            require_schema(connection)
            written_with = connection.execute("SELECT fingerprint FROM keyed").fetchone()
            if written_with != (fingerprint,):
                connection.execute(_FORGET)
                connection.execute("DELETE FROM keyed")
                connection.execute("INSERT INTO keyed VALUES (?)", (fingerprint,))
    except BaseException:
        connection.close()
        raise
    return connection


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of a file's schema.

    Raises:
        HistoryError: it is newer than this program (`newer`), or was never one (`damaged`).
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise HistoryError("newer", "a newer agi-bridge wrote the call history")
    if version < 0:
        raise _other_database()
    return int(version)


def _require_empty(connection: sqlite3.Connection) -> None:
    if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None:
        raise _other_database()


def require_schema(connection: sqlite3.Connection) -> None:
    """See that a file of this version has its tables: another program may give it the number too.

    Raises:
        HistoryError: it has not (`damaged`).
    """
    for table, wanted in (("calls", {*COLUMNS, "erased"}), ("keyed", {"fingerprint"})):
        columns = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
        if not wanted <= {name for (name,) in columns}:
            raise _other_database()


def _other_database() -> HistoryError:
    return HistoryError(
        "damaged",
        f"{FILE} is not a call history: a database of something else is in its place; the service "
        "sets it aside when it next writes a call, and begins again",
    )


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the block in one transaction for writing. Raises sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk may have rolled it back
            connection.execute("ROLLBACK")
        raise


def write(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Write calls in one transaction, over what the file has of them. Raises sqlite3.Error."""
    with transaction(connection):
        connection.executemany(_UPSERT, rows)


def cut_off(connection: sqlite3.Connection) -> int:
    """End the calls that a killed process left in progress; return how many."""
    with transaction(connection):
        return connection.execute(
            "UPDATE calls SET why = 'unasked.cut_off', ms = coalesce(ms, 0) WHERE why IS NULL"
        ).rowcount


def prune(connection: sqlite3.Connection, before: int, most: int) -> int:
    """Delete calls that began before a time in milliseconds, the oldest first; return how many."""
    with transaction(connection):
        return connection.execute(
            "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE begun < ? ORDER BY id "
            "LIMIT ?)",
            (before, most),
        ).rowcount


def erase(connection: sqlite3.Connection, keys: Iterable[bytes], consents: Iterable[str]) -> int:
    """Take out what stands for numbers, in the calls of these numbers and consents.

    The calls stay, without persons. Return how many they are. Raises sqlite3.Error.
    """
    changed = 0
    with transaction(connection):
        for key in keys:
            changed += connection.execute(
                f"{_FORGET} WHERE caller_key = ? OR number_key = ?", (key, key)
            ).rowcount
        for consent in consents:
            changed += connection.execute(
                f"{_FORGET} WHERE consent = ? AND erased = 0", (consent,)
            ).rowcount
    with suppress(sqlite3.Error):  # what was there leaves the log too, unless somebody reads it
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return changed


def is_damage(error: BaseException) -> bool:
    """Whether an error says that the file is not as SQLite wrote it."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY_CODE in _DAMAGED


def set_aside(path: Path) -> Path:
    """Move the file out of the way, in place of one that was set aside before. Raises OSError."""
    aside = path.with_name(ASIDE)
    path.replace(aside)
    os.utime(aside)
    _remove(path, _LOGS)
    return aside


def drop_aside(path: Path, older_than: float) -> None:
    """Delete the file that was set aside, if that was so many seconds ago."""
    aside = path.with_name(ASIDE)
    with suppress(OSError):
        if aside.stat().st_mtime < time.time() - older_than:
            aside.unlink()


def delete(folder: Path) -> bool:
    """Delete the whole history; return whether there was one. Raises OSError."""
    there = (folder / FILE).exists()
    _remove(folder / FILE, ("", *_LOGS))
    for name in (ASIDE, KEY_FILE):
        (folder / name).unlink(missing_ok=True)
    return there


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one of the same name; None: there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - four times a second: without a Path's detour
    except OSError:
        return None
    return found.st_dev, found.st_ino


def key_file(folder: Path) -> Path:
    """Where the key of a state directory's history is."""
    return folder / KEY_FILE


def _remove(path: Path, endings: Iterable[str]) -> None:
    for ending in endings:
        path.with_name(path.name + ending).unlink(missing_ok=True)


def erase_in(folder: Path, keys: Iterable[bytes], consents: Iterable[str]) -> int:
    """Erase numbers from the history in a state directory, whether a service runs or not. Blocks.

    A file that was set aside cannot be searched, so it is deleted.

    Raises:
        HistoryError: the history could not be changed.
        OSError: the file that was set aside cannot be deleted.
    """
    (folder / ASIDE).unlink(missing_ok=True)
    if not (folder / FILE).exists():
        return 0
    try:
        with closing(connect(folder / FILE)) as connection:
            version_of(connection)
            return erase(connection, keys, consents)
    except sqlite3.Error as error:
        raise HistoryError(
            "unavailable", f"{folder / FILE}: the call history could not be erased ({error})"
        ) from None
