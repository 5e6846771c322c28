"""`agi-bridge check`: its findings about the ledger's database, keys and checkpoints."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sqlite3
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import text

from agi_bridge.app.findings import Level, Report
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys
from tests.support.checking import found, one, outcome, outcomes, printed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TABLE = "ledger.checkpoints"


def ledger(where: Path | str, folder: Path) -> None:
    """Create a ledger, as the service does at its first start."""
    found, _ = Keys.load(folder, create=True)

    async def begin() -> None:
        async with await Ledger.open(where, found):
            pass

    asyncio.run(begin())


@pytest.fixture
def database(tmp_path: Path) -> Path:
    ledger(tmp_path / "consents.db", tmp_path / "keys")
    return tmp_path / "consents.db"


def keys(folder: Path) -> Path:
    Keys.load(folder, create=True)
    return folder


def changed(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


# -- SQLite


def test_a_ledger_that_does_not_exist_yet_is_fine(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    report = checked()
    assert outcome(report, "ledger.url") == (Level.OK, "ledger.url.ok")
    assert f"{tmp_path}/consents.db" in one(report, "ledger.url").problem
    assert outcome(report, "ledger.vault_key") == (Level.OK, "ledger.vault_key.ok")
    assert f"{tmp_path}/keys/vault.key" in one(report, "ledger.vault_key").problem
    assert report.faults == ()


def test_a_ledger_is_read_without_writing(
    checked: Callable[..., Report], tmp_path: Path, database: Path
) -> None:
    (tmp_path / "agi-bridge.toml").touch()
    before = sorted(tmp_path.rglob("*"))
    finding = one(checked(), "ledger.url")
    assert finding.level is Level.OK
    assert str(database) in finding.problem
    assert sorted(tmp_path.rglob("*")) == before


def test_a_ledger_in_use_is_read_with_its_log(
    checked: Callable[..., Report], database: Path
) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("UPDATE compatibility SET oldest = '9999'")
        connection.commit()
        report = checked()
    connection.close()
    assert outcomes(report, "ledger.url")[0] == (Level.FAULT, "ledger.url.newer")


def test_a_ledger_of_a_newer_version_that_this_program_may_use_is_noted(
    checked: Callable[..., Report], database: Path
) -> None:
    changed(database, "UPDATE alembic_version SET version_num = '9999'")
    assert outcomes(checked(), "ledger.url")[0] == (Level.NOTE, "ledger.url.newer")


def test_a_ledger_of_an_older_version_is_to_be_upgraded(
    checked: Callable[..., Report], database: Path
) -> None:
    changed(database, "DROP TABLE alembic_version")
    report = checked()
    assert outcomes(report, "ledger.url")[0] == (Level.FAULT, "ledger.url.older")
    assert "`agi-bridge consents upgrade`" in found(report, "ledger.url")[0].fix


def test_a_disk_that_is_nearly_full_is_noted(
    checked: Callable[..., Report], database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000_000))
    finding = one(checked(), "ledger.url")
    assert (finding.level, finding.code) == (Level.NOTE, "ledger.url.little_space")
    assert str(database) in finding.problem
    assert "100 MB" in finding.problem


def test_a_ledger_that_every_account_can_read_is_noted(
    checked: Callable[..., Report], database: Path
) -> None:
    database.chmod(0o644)
    assert outcomes(checked(), "ledger.url")[1] == (Level.NOTE, "ledger.url.open")


def test_an_empty_file_counts_as_a_new_ledger(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "consents.db").touch(mode=0o600)
    assert outcome(checked(), "ledger.url") == (Level.OK, "ledger.url.ok")
    assert outcome(checked(), "ledger.vault_key") == (Level.OK, "ledger.vault_key.ok")


def test_a_ledger_that_cannot_be_opened_is_a_fault(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "consents.db").symlink_to("consents.db")  # root may open everything but this
    finding = one(checked(), "ledger.url")
    assert (finding.level, finding.code) == (Level.FAULT, "ledger.url.unreadable")
    assert "Too many levels of symbolic links" in finding.problem


def test_a_file_that_is_not_a_database_is_a_fault(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "consents.db").write_text("notes" * 1000, encoding="utf-8")
    report = checked()
    assert outcomes(report, "ledger.url")[0] == (Level.FAULT, "ledger.url.unreachable")
    assert "file is not a database" in found(report, "ledger.url")[0].problem


def test_a_ledger_of_another_account_is_a_fault(
    checked: Callable[..., Report], database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may read anything, so the system's answer is given here.
    real = os.access
    monkeypatch.setattr("os.access", lambda place, mode: place != database and real(place, mode))
    assert outcome(checked(), "ledger.url") == (Level.FAULT, "ledger.url.not_writable")


# -- PostgreSQL


def at(url: str) -> str:
    return f'ledger = {{url = "{url}"}}'


def test_a_postgresql_that_answers_is_shown_with_its_version(
    checked: Callable[..., Report], postgresql_url: str
) -> None:
    report = checked(at(postgresql_url))
    assert outcomes(report, "ledger.url") == [
        (Level.OK, "ledger.url.ok"),
        (Level.NOTE, "ledger.url.fsync"),
    ]
    assert " on PostgreSQL " in found(report, "ledger.url")[0].problem
    assert report.faults == ()


def test_nothing_is_written_into_postgresql(
    checked: Callable[..., Report], postgresql_url: str
) -> None:
    checked(at(postgresql_url))
    with psycopg.connect(postgresql_url) as connection:
        tables = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        ).fetchone()
    assert tables == (0,)


def test_a_missing_key_of_a_ledger_in_postgresql_is_a_fault(
    checked: Callable[..., Report], postgresql_url: str, tmp_path: Path
) -> None:
    ledger(postgresql_url, tmp_path / "keys")
    assert checked(at(postgresql_url)).faults == ()
    (tmp_path / "keys" / "lookup.key").unlink()
    (fault,) = checked(at(postgresql_url)).faults
    assert fault.code == "ledger.lookup_key.missing"


def test_a_standby_is_a_fault(
    checked: Callable[..., Report], postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server's answer is changed, because a real standby takes seconds to set up.
    monkeypatch.setattr(
        "agi_bridge.app.database_checks.text_of",
        lambda sql: text(sql.replace("pg_is_in_recovery()", "true").replace("'fsync'", "'jit'")),
    )
    findings = outcomes(checked(at(postgresql_url)), "ledger.url")
    assert (Level.FAULT, "ledger.url.standby") in findings


def test_a_postgresql_that_does_not_answer_is_a_fault_without_the_password(
    checked: Callable[..., Report],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    report = checked(
        f"""
        [ledger]
        url = "postgresql://bridge@127.0.0.1:{port}/consents"
        password = {{env = "DB"}}
        """,
        DB="open-sesame",
    )
    assert outcome(report, "ledger.url") == (Level.FAULT, "ledger.url.unreachable")
    assert "Connection refused" in one(report, "ledger.url").problem
    assert "open-sesame" not in printed(report)
    assert outcome(report, "ledger.password") == (Level.OK, "ledger.password.ok")


def test_an_unencrypted_connection_to_another_machine_is_noted(
    checked: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("no route\nto host")

    monkeypatch.setattr(psycopg, "connect", refused)
    monkeypatch.setattr(psycopg.Connection, "connect", refused)
    report = checked(at("postgresql://u@db.example/consents"))
    assert outcomes(report, "ledger.url") == [
        (Level.FAULT, "ledger.url.unreachable"),
        (Level.NOTE, "ledger.url.unencrypted"),
    ]
    unreachable, unencrypted = found(report, "ledger.url")
    assert "to host" not in unreachable.problem  # one line
    assert "?sslmode=verify-full" in unencrypted.fix


# -- keys


def test_key_files_are_shown_with_their_modes(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    keys(tmp_path / "keys")
    report = checked()
    for name in ("vault", "lookup", "signing"):
        finding = one(report, f"ledger.{name}_key")
        assert finding.level is Level.OK
        assert f"{tmp_path}/keys/{name}.key (mode 600)" in finding.problem
    assert not found(report, "ledger")


def test_a_key_that_every_account_can_read_is_noted(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (keys(tmp_path / "keys") / "vault.key").chmod(0o644)
    assert outcome(checked(), "ledger.vault_key") == (Level.NOTE, "ledger.vault_key.open")


def test_a_missing_key_of_an_existing_ledger_is_a_fault(
    checked: Callable[..., Report], tmp_path: Path, database: Path
) -> None:
    del database  # it exists
    (tmp_path / "keys" / "signing.key").unlink()
    assert outcome(checked(), "ledger.signing_key") == (Level.FAULT, "ledger.signing_key.missing")


def test_a_key_file_that_cannot_be_opened_is_a_fault(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "keys").symlink_to("keys")  # root may open everything but this
    finding = one(checked(), "ledger.lookup_key")
    assert (finding.level, finding.code) == (Level.FAULT, "ledger.lookup_key.unreadable")
    assert "Too many levels of symbolic links" in finding.problem


def test_a_file_without_a_key_is_a_fault_that_hides_its_content(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (keys(tmp_path / "keys") / "vault.key").write_text("open-sesame\n", encoding="utf-8")
    report = checked()
    assert outcome(report, "ledger") == (Level.FAULT, "ledger.keys")
    assert "vault.key" in one(report, "ledger").problem
    assert "open-sesame" not in printed(report)


def test_keys_are_read_from_where_the_settings_say(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    elsewhere = keys(tmp_path / "elsewhere")
    report = checked(
        f"""
        [ledger]
        vault_key = {{file = "{elsewhere}/vault.key"}}
        lookup_key = {{env = "LOOKUP"}}
        signing_key = {{file = "{elsewhere}/signing.key"}}
        """,
        LOOKUP=(elsewhere / "lookup.key").read_text(encoding="utf-8"),
    )
    assert report.faults == ()
    assert outcome(report, "ledger.lookup_key") == (Level.OK, "ledger.lookup_key.ok")
    assert "44 characters" in one(report, "ledger.lookup_key").problem
    assert "LOOKUP" in one(report, "ledger.lookup_key").problem


# -- checkpoints


def test_checkpoints_that_stay_on_this_machine_are_noted(checked: Callable[..., Report]) -> None:
    report = checked()
    assert outcome(report, f"{TABLE}.file") == (Level.OK, f"{TABLE}.file.ok")
    assert outcome(report, TABLE) == (Level.NOTE, f"{TABLE}.local")


def test_checkpoints_that_go_to_syslog_are_fine(checked: Callable[..., Report]) -> None:
    assert not found(checked("ledger = {checkpoints = {syslog = true}}"), TABLE)


def test_the_program_that_takes_checkpoints_must_exist(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    table = 'ledger = {checkpoints = {command = ["carry", "-"]}}'
    assert outcome(checked(table), f"{TABLE}.command") == (
        Level.FAULT,
        f"{TABLE}.command.not_found",
    )
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "carry").touch(mode=0o755)
    report = checked(table)
    finding = one(report, f"{TABLE}.command")
    assert (finding.level, finding.problem) == (Level.OK, str(tmp_path / "bin" / "carry"))
    assert not found(report, TABLE)


def test_a_file_of_checkpoints_that_may_not_be_written_is_a_fault(
    checked: Callable[..., Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "checkpoints.jsonl"
    file.touch()
    real = os.access
    monkeypatch.setattr("os.access", lambda place, mode: place != file and real(place, mode))
    assert outcome(checked(), f"{TABLE}.file") == (Level.FAULT, f"{TABLE}.file.not_writable")


def test_a_folder_of_checkpoints_that_is_a_file_is_a_fault(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    report = checked(f'ledger = {{checkpoints = {{file = "{tmp_path}/file/c.jsonl"}}}}')
    assert outcome(report, f"{TABLE}.file") == (Level.FAULT, f"{TABLE}.file.no_folder")
