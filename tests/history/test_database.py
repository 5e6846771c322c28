"""The file: whose it is, what an upgrade and an erasure do, what is set aside."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from agi_bridge.history import HistoryError, NumberKey, database, erase_in
from tests.support.error_codes import coded
from tests.support.history_calls import CALLER, NUMBER, drafted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.history import Call


def test_only_the_services_account_reads_the_file_and_its_key(
    tmp_path: Path, write: Callable[..., None]
) -> None:
    write({})
    for name in (database.FILE, database.KEY_FILE):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_the_file_holds_no_number_in_clear(tmp_path: Path, write: Callable[..., None]) -> None:
    write({"number": NUMBER}, {"caller": "+14155550177", "begun": 1_795_413_525_000}, days=7000)
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for number in (CALLER, NUMBER, "+14155550177"):
        assert number[2:].encode() not in held
    assert b"+1***23" in held


def test_an_erasure_takes_out_the_calls_of_a_number_and_no_others(
    tmp_path: Path, write: Callable[..., None], read: Callable[..., list[Call]]
) -> None:
    write(
        {"caller": NUMBER},
        {"begun": 1_800_000_000_000, "number": NUMBER},
        {"begun": 1_800_000_000_001, "caller": CALLER},
        days=366 * 20,
    )
    key = NumberKey.load(tmp_path / database.KEY_FILE)
    assert erase_in(tmp_path, [key.hash(NUMBER)], []) == 2
    erased = [call for call in read() if call.erased]
    assert [(call.caller, call.number) for call in erased] == [(None, None)] * 2
    assert {call.line for call in erased} == {"shop"}
    assert read(number=NUMBER) == []
    assert [call.caller for call in read(number=CALLER)] == ["+1***00"]
    held = b"".join(path.read_bytes() for path in tmp_path.glob("calls.db*"))
    assert key.hash(NUMBER) not in held


def test_an_erasure_by_a_consent_reaches_its_call(
    tmp_path: Path, write: Callable[..., None], read: Callable[..., list[Call]]
) -> None:
    write({"consent": "01a2", "number": NUMBER})
    assert erase_in(tmp_path, [], ["01a2", "none"]) == 1
    assert read()[0].number is None


def test_an_erasure_outlasts_what_a_call_in_progress_still_writes(
    tmp_path: Path, write: Callable[..., None], read: Callable[..., list[Call]]
) -> None:
    write({"begun": 1_800_000_000_000}, days=7000)
    key = NumberKey.load(tmp_path / database.KEY_FILE)
    erase_in(tmp_path, [key.hash(CALLER)], [])
    write({"begun": 1_800_000_000_000, "number": NUMBER, "language": "fr"}, days=7000)
    (call,) = read()
    assert (call.caller, call.number, call.language) == (None, None, "fr")


def test_an_erasure_deletes_a_file_that_was_set_aside(tmp_path: Path) -> None:
    (tmp_path / database.ASIDE).write_bytes(b"old")
    assert erase_in(tmp_path, [b"k"], []) == 0
    assert not (tmp_path / database.ASIDE).exists()


def test_an_erasure_that_a_damaged_file_does_not_take_is_an_error(tmp_path: Path) -> None:
    (tmp_path / database.FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(HistoryError, check=coded("unavailable")):
        erase_in(tmp_path, [b"k"], [])


def test_calls_of_another_key_lose_what_stands_for_numbers(
    tmp_path: Path, write: Callable[..., None], read: Callable[..., list[Call]]
) -> None:
    write({"number": NUMBER, "begun": 1_800_000_000_000}, days=7000)
    (tmp_path / database.KEY_FILE).unlink()
    write({"begun": 1_800_000_000_001}, days=7000)
    assert [call.number for call in read()] == [None, None]
    assert [call.erased for call in read()] == [True, False]


def test_a_newer_file_is_told_from_a_damaged_one(
    tmp_path: Path, write: Callable[..., None]
) -> None:
    write({})
    with closing(sqlite3.connect(tmp_path / database.FILE)) as connection:
        connection.execute(f"PRAGMA user_version = {database.VERSION + 1}")
    with (
        closing(database.connect(tmp_path / database.FILE)) as connection,
        pytest.raises(HistoryError, check=coded("newer")),
    ):
        database.version_of(connection)


def test_an_older_file_gets_the_steps_that_it_has_not_had(
    tmp_path: Path, write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"language": "fr"})
    step = "ALTER TABLE calls ADD COLUMN codec TEXT DEFAULT 'ulaw'"
    monkeypatch.setattr(database, "_UPGRADES", (*database._UPGRADES, step))
    monkeypatch.setattr(database, "VERSION", database.VERSION + 1)
    key = NumberKey.load(tmp_path / database.KEY_FILE)
    for _ in range(2):  # the second time there is nothing to do
        with closing(database.open_for_service(tmp_path / database.FILE, key.fingerprint)) as file:
            assert file.execute("SELECT language, codec FROM calls").fetchall() == [("fr", "ulaw")]
            assert database.version_of(file) == database.VERSION


def test_a_failed_write_changes_nothing_and_ends_its_transaction(tmp_path: Path) -> None:
    key = NumberKey.load(tmp_path / database.KEY_FILE, create=True)
    with closing(database.open_for_service(tmp_path / database.FILE, key.fingerprint)) as file:
        good = drafted().row(key)
        with pytest.raises(sqlite3.IntegrityError):
            database.write(file, [good, (*good[:-1], None)])
        assert file.execute("SELECT count(*) FROM calls").fetchone() == (0,)
        database.write(file, [good])
