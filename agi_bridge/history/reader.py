"""Reads the history of a state directory, whether the service runs or not. All of it blocks."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.history import database
from agi_bridge.history.call import Call, as_uniqueid, call_id, first_id, read_events
from agi_bridge.history.errors import HistoryError
from agi_bridge.history.number_key import NumberKey
from agi_bridge.history.why import CUT_OFF

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COLUMNS: Final = (
    "id", "begun", "ms", "uniqueid", "line", "did", "language", "consent", "result", "why",
    "hung_up", "caller", "number", "erased", "events",
)  # fmt: skip
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM calls"  # noqa: S608 - names of this module
_MIN_PREFIX: Final = 4
_HEX: Final = frozenset("0123456789abcdef")
_ID_DIGITS: Final = 14
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Which calls are wanted; None: any.

    Attributes:
        line: its name.
        outcome: a result, or a cause or an ending of `history.why`.
        since: the first moment, in milliseconds since the epoch.
        until: the first moment after them.
        number: in E.164: of the caller, or the one that they agreed with.
        after: the id after which they begin.
        before: the id before which they begin.
        oldest_first: in the order they began, not newest first.
        limit: at most so many, the first in that order; None: all.
    """

    line: str | None = None
    outcome: str | None = None
    since: int | None = None
    until: int | None = None
    number: str | None = None
    after: int | None = None
    before: int | None = None
    oldest_first: bool = False
    limit: int | None = 100


class HistoryReader:
    """An open history; close it. Calls that a killed service left in progress read as cut off.

    Args:
        folder: the state directory.
        running: whether the service runs, so that calls may be in progress; may be changed.
    """

    def __init__(self, folder: Path, *, running: bool) -> None:
        self._folder = folder
        self.running = running
        self._path = folder / database.FILE
        self._identity = database.identity(self._path)
        with _readable(self._path):
            self._connection = database.connect(self._path, read_only=True)
            try:
                version = database.version_of(self._connection)
                if version:
                    database.require_schema(self._connection)
            except BaseException:
                self._connection.close()
                raise
        if version == 0:  # it is being made
            self._connection.close()
            raise HistoryError("no_history", "no call has been recorded yet")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def is_current(self) -> bool:
        """Whether the open file is the one of that name: it may be set aside, or deleted."""
        return self._identity is not None and self._identity == database.identity(self._path)

    @property
    def data_version(self) -> int:
        """A number that changes with each write of another process (`PRAGMA data_version`)."""
        with _readable(self._path):
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
            return int(version)

    def find(self, wanted: CallFilter) -> list[Call]:
        """Return the calls that are wanted, in the order that is.

        Raises:
            HistoryError: the file cannot be read, or a number is wanted and the key is missing.
        """
        where, values = self._condition(wanted)
        text = f"{_SELECT} WHERE {' AND '.join(where)}" if where else _SELECT
        text += f" ORDER BY id {'ASC' if wanted.oldest_first else 'DESC'} LIMIT ?"
        values.append(-1 if wanted.limit is None else wanted.limit)
        with _readable(self._path):
            return [self._call(row) for row in self._connection.execute(text, values)]

    def ended_since(self, moment: int) -> dict[str, int]:
        """Count the calls that began since a moment, in milliseconds, by why they ended.

        Calls in progress are not counted. Reads no timeline, so a busy day takes milliseconds.

        Raises:
            HistoryError: the file cannot be read.
        """
        with _readable(self._path):
            rows = self._connection.execute(
                "SELECT why, count(*) FROM calls WHERE id >= ? AND begun >= ? AND why IS NOT NULL "
                "GROUP BY why",
                (first_id(moment), moment),
            )
            return dict(rows.fetchall())

    def get(self, wanted: str) -> Call:
        """Return one call, by its id, a prefix of it that is unique, or Asterisk's unique id.

        Raises:
            HistoryError: there is none, or there are several.
        """
        found = self._by_id(wanted.strip().lower())
        if not found:
            with _readable(self._path):
                rows = self._connection.execute(
                    f"{_SELECT} WHERE uniqueid = ? ORDER BY id DESC LIMIT 1",
                    (as_uniqueid(wanted.strip()),),
                )
                found = [self._call(row) for row in rows]
        if not found:
            raise HistoryError("no_call", f"{wanted}: no such call")
        if len(found) > 1:
            ids = ", ".join(each.id for each in found[:_SHOWN])
            raise HistoryError(
                "several_calls", f"{wanted}: several calls start with this, give more digits: {ids}"
            )
        return found[0]

    def _by_id(self, prefix: str) -> list[Call]:
        if not (_MIN_PREFIX <= len(prefix) <= _ID_DIGITS and set(prefix) <= _HEX):
            return []
        first = int(prefix.ljust(_ID_DIGITS, "0"), 16)
        last = int(prefix.ljust(_ID_DIGITS, "f"), 16)
        with _readable(self._path):
            rows = self._connection.execute(
                f"{_SELECT} WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT ?",
                (first, last, _SHOWN + 1),
            )
            return [self._call(row) for row in rows]

    def _condition(self, wanted: CallFilter) -> tuple[list[str], list[object]]:
        where: list[str] = []
        values: list[object] = []
        for text, value in (
            ("line = ?", wanted.line),
            ("begun >= ?", wanted.since),
            ("begun < ?", wanted.until),
            ("id > ?", wanted.after),
            ("id < ?", wanted.before),
        ):
            if value is not None:
                where.append(text)
                values.append(value)
        if wanted.outcome == CUT_OFF and not self.running:
            where.append("(why IS NULL OR why LIKE ?)")
            values.append(f"%.{CUT_OFF}")
        elif wanted.outcome is not None:
            where.append("(result = ? OR why LIKE ? OR why LIKE ?)")
            values += [wanted.outcome, f"{wanted.outcome}.%", f"%.{wanted.outcome}"]
        if wanted.number is not None:
            key = NumberKey.load(self._folder / database.KEY_FILE).hash(wanted.number)
            where.append("(caller_key = ? OR number_key = ?)")
            values += [key, key]
        return where, values

    def _call(self, row: Any) -> Call:  # noqa: ANN401 - sqlite3's rows
        values = dict(zip(_COLUMNS, row, strict=True))
        values["events"] = read_events(values["events"])
        values["id"] = call_id(values["id"])
        values["erased"] = bool(values["erased"])
        if values["why"] is None and not self.running:
            values["why"] = f"unasked.{CUT_OFF}"
        return Call(**values)


@contextmanager
def open_history(folder: Path, *, running: bool) -> Iterator[HistoryReader]:
    """Open the history of a state directory for reading.

    Raises:
        HistoryError: `no_history` if there is none, `newer`, `damaged` or `unavailable`.
    """
    if not (folder / database.FILE).exists():
        raise HistoryError("no_history", "no call has been recorded yet")
    with closing(HistoryReader(folder, running=running)) as reader:
        yield reader


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if database.is_damage(error):
            raise HistoryError(
                "damaged",
                f"{path} is damaged; the service sets it aside when it starts, and begins again",
            ) from None
        raise HistoryError(
            "unavailable",
            f"{path}: cannot be read ({error}); run this as root or as the service's account",
        ) from None
