"""The thread: what it drops, tries again, ends and begins again. No call waits for it."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agi_bridge.history import HistoryError, database, writer
from agi_bridge.history.writer import HistoryWriter
from tests.support.history_calls import DAY_MS, drafted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.history import Call


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(writer, "GATHER_SECONDS", 0.0)


class Disk:
    """Refuses writes until it is mended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tried = threading.Event()
        self.full = True
        self._write = database.write
        monkeypatch.setattr(database, "write", self)

    def __call__(self, connection: sqlite3.Connection, rows: list[object]) -> None:
        if self.full:
            self.tried.set()
            raise sqlite3.OperationalError("database or disk is full")
        self._write(connection, rows)  # type: ignore[arg-type] # rows as they came


def test_what_is_written_is_read_by_another_process_while_the_thread_runs(
    tmp_path: Path, read: Callable[..., list[Call]]
) -> None:
    made = HistoryWriter(tmp_path, 14)
    made.put(drafted(lasts=True, language="fr"))
    assert made.close(60)
    (call,) = read(running=True)
    assert (call.in_progress, call.why, call.ms) == (True, None, None)
    assert (call.language, call.caller, call.line) == ("fr", "+1***00", "shop")
    (call,) = read(running=False)
    assert (call.in_progress, call.why) == (False, "unasked.cut_off")


def test_a_full_disk_keeps_calls_waiting_and_loses_the_oldest(
    tmp_path: Path, read: Callable[..., list[Call]], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    made = HistoryWriter(tmp_path, 14, max_queued=3)
    began = time.time_ns() // 1_000_000
    for number in range(5):
        made.put(drafted(begun=began + number))
    assert disk.tried.wait(60)
    disk.full = False
    assert made.close(60)
    assert (made.dropped, made.failure) == (2, None)
    assert [call.begun for call in read()] == [began + 2, began + 3, began + 4]


def test_what_a_full_disk_never_takes_counts_as_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    made = HistoryWriter(tmp_path, 14)
    made.put(drafted())
    assert disk.tried.wait(60)
    assert made.close(60)
    assert (made.dropped, made.failure) == (1, "database or disk is full")


def test_a_call_that_a_killed_process_left_is_cut_off_once(
    write: Callable[..., None], read: Callable[..., list[Call]], tmp_path: Path
) -> None:
    made = HistoryWriter(tmp_path, 14)
    made.put(drafted(lasts=True))
    assert made.close(60)
    with capture_logs() as logs:
        write()
    assert [(log["event"], log["count"]) for log in logs] == [("history.calls_cut_off", 1)]
    assert [call.why for call in read(running=True)] == ["unasked.cut_off"]
    assert [call.why for call in read(outcome="cut_off")] == ["unasked.cut_off"]


def test_another_process_ends_no_calls_and_sets_nothing_aside(tmp_path: Path) -> None:
    made = HistoryWriter(tmp_path, 14)
    made.put(drafted(lasts=True))
    assert made.close(60)
    with capture_logs() as logs:
        assert HistoryWriter(tmp_path, 14, owner=False).close(60)
    assert logs == []
    (tmp_path / database.FILE).write_bytes(b"no database" * 1000)
    other = HistoryWriter(tmp_path, 14, owner=False)
    assert other.close(60)
    assert other.failure is not None
    assert (tmp_path / database.FILE).read_bytes().startswith(b"no database")


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("damaged", "damaged"),
        ("of something else", "damaged"),
        ("newer", "newer"),
        ("PRAGMA user_version = -3", "damaged"),
        ("ALTER TABLE calls DROP COLUMN hung_up", "damaged"),
        ("DROP TABLE calls", "damaged"),
        ("DROP TABLE keyed", "damaged"),
    ],
)
def test_a_file_that_cannot_be_used_is_set_aside_and_begun_again(
    tmp_path: Path,
    write: Callable[..., None],
    read: Callable[..., list[Call]],
    how: str,
    reason: str,
) -> None:
    write({"language": "fr"})
    path = tmp_path / database.FILE
    if how == "damaged":
        path.write_bytes(b"no database" * 1000)
    elif how == "of something else":
        path.unlink()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE calls (x TEXT)")
    else:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 999" if how == "newer" else how)
        with pytest.raises(HistoryError, check=lambda error: error.code == reason):
            read()
    with capture_logs() as logs:
        write({"language": "de"})
    assert [(log["event"], log["reason"]) for log in logs] == [("history.set_aside", reason)]
    assert [call.language for call in read()] == ["de"]
    assert (tmp_path / database.ASIDE).exists()


def test_calls_go_into_a_new_file_when_an_administrator_deletes_it(
    tmp_path: Path, read: Callable[..., list[Call]], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = threading.Event()
    real = database.write

    def write(connection: sqlite3.Connection, rows: list[object]) -> None:
        real(connection, rows)  # type: ignore[arg-type] # rows as they came
        written.set()

    monkeypatch.setattr(database, "write", write)
    made = HistoryWriter(tmp_path, 14)
    made.put(drafted(language="fr"))
    assert written.wait(60)
    for file in tmp_path.glob("calls.db*"):
        file.unlink()
    made.put(drafted(language="de"))
    assert made.close(60)
    assert [call.language for call in read()] == ["de"]


def test_calls_older_than_the_days_are_deleted_and_so_is_a_file_set_aside(
    tmp_path: Path, write: Callable[..., None], read: Callable[..., list[Call]]
) -> None:
    now = time.time_ns() // 1_000_000
    aside = tmp_path / database.ASIDE
    aside.write_bytes(b"old")
    write({"begun": now - 3 * DAY_MS}, {"begun": now - DAY_MS}, days=2)
    assert [call.begun for call in read()] == [now - DAY_MS]
    assert aside.exists()
    write(days=0)
    assert read() == []
    assert not aside.exists()


def test_a_state_directory_that_is_not_there_is_a_failure_and_no_exception(tmp_path: Path) -> None:
    made = HistoryWriter(tmp_path / "none", 14)
    made.put(drafted())
    assert made.close(60)
    assert made.failure == "No such file or directory"
    assert made.dropped == 1
