"""What `check` says of the ledger: its database, its keys, where its checkpoints go."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
from types import SimpleNamespace
from typing import TYPE_CHECKING, Self

import psycopg

from agi_bridge.consent.keys import Keys
from agi_bridge.tools.check_findings import Level, Report

from .checking import found, one, printed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

TABLE = "ledger.checkpoints"


def database(path: Path) -> Path:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY)")
    connection.close()
    path.chmod(0o600)
    return path


def keys(folder: Path) -> Path:
    Keys.load(folder, create=True)
    return folder


# -- SQLite


def test_a_ledger_that_is_not_there_will_be_made(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    report = checked()
    assert one(report, "ledger.url") == (Level.OK, f"{tmp_path}/consents.db will be made")
    assert one(report, "ledger.vault_key") == (
        Level.OK,
        f"{tmp_path}/keys/vault.key will be made at the first start",
    )
    assert report.faults == ()


def test_a_ledger_is_looked_at_without_writing(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    database(tmp_path / "consents.db")
    keys(tmp_path / "keys")
    (tmp_path / "agi-bridge.toml").touch()
    before = sorted(tmp_path.rglob("*"))
    level, text = one(checked(), "ledger.url")
    assert level is Level.OK
    assert text.startswith(f"{tmp_path}/consents.db, 0.0 MB, ")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_disk_that_is_nearly_full_is_noted(
    checked: Callable[..., Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database(tmp_path / "consents.db")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000_000))
    level, text = one(checked(), "ledger.url")
    assert level is Level.NOTE
    assert text.endswith(" MB, 100 MB free")


def test_a_ledger_that_every_account_can_read_is_noted(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    database(tmp_path / "consents.db").chmod(0o644)
    assert found(checked(), "ledger.url")[1] == (
        Level.NOTE,
        f"every account may open {tmp_path}/consents.db; chmod 600 it",
    )


def test_a_file_that_is_no_database_is_a_fault(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "consents.db").write_text("notes", encoding="utf-8")
    level, text = one(checked(), "ledger.url")
    assert level is Level.FAULT
    assert "is no SQLite database" in text


def test_a_ledger_of_another_account_is_a_fault(
    checked: Callable[..., Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = database(tmp_path / "consents.db")
    # Root may read anything, so the system's answer is given here.
    real = os.access
    monkeypatch.setattr("os.access", lambda place, mode: place != path and real(place, mode))
    level, text = one(checked(), "ledger.url")
    assert level is Level.FAULT
    assert "may not read and write" in text


# -- PostgreSQL


def test_a_postgresql_that_answers_is_named_with_its_version(
    checked: Callable[..., Report], postgresql_url: str
) -> None:
    report = checked(f'ledger = {{url = "{postgresql_url}"}}')
    findings = found(report, "ledger.url")
    assert findings[0][0] is Level.OK
    assert " on PostgreSQL " in findings[0][1]
    assert findings[1] == (
        Level.NOTE,
        "the server runs with fsync off: its crash may lose consents; set fsync = on",
    )
    assert report.faults == ()


def test_nothing_is_written_into_postgresql(
    checked: Callable[..., Report], postgresql_url: str
) -> None:
    checked(f'ledger = {{url = "{postgresql_url}"}}')
    with psycopg.connect(postgresql_url) as connection:
        tables = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        ).fetchone()
    assert tables == (0,)


def test_a_standby_is_a_fault(
    checked: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Standby:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def execute(self, _: str) -> Self:
            return self

        def fetchone(self) -> tuple[str, str, bool, str]:
            return ("consents", "18.1", True, "on")

    monkeypatch.setattr(psycopg, "connect", lambda *_, **__: Standby())
    report = checked('ledger = {url = "postgresql:///consents"}')
    assert found(report, "ledger.url") == [
        (Level.OK, "database consents on PostgreSQL 18.1 answers"),
        (Level.FAULT, "is a standby, which takes no writes; name the primary"),
    ]


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
    level, text = one(report, "ledger.url")
    assert level is Level.FAULT
    assert "Connection refused" in text
    assert "open-sesame" not in printed(report)
    assert one(report, "ledger.password")[0] is Level.OK


def test_a_database_elsewhere_should_be_reached_encrypted(
    checked: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("no route\nto host")

    monkeypatch.setattr(psycopg, "connect", refused)
    report = checked('ledger = {url = "postgresql://u@db.example/consents"}')
    assert found(report, "ledger.url") == [
        (
            Level.NOTE,
            "nothing demands encryption on the way to the database; add ?sslmode=verify-full",
        ),
        (Level.FAULT, "no connection to PostgreSQL (no route)"),
    ]


# -- keys


def test_keys_that_were_made_are_named_with_their_modes(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    keys(tmp_path / "keys")
    report = checked()
    for name in ("vault", "lookup", "signing"):
        assert one(report, f"ledger.{name}_key") == (
            Level.OK,
            f"{tmp_path}/keys/{name}.key (mode 600); keep a copy away from the database",
        )
    assert not found(report, "ledger")


def test_a_key_that_every_account_can_read_is_noted(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (keys(tmp_path / "keys") / "vault.key").chmod(0o644)
    assert one(checked(), "ledger.vault_key") == (
        Level.NOTE,
        f"every account may open {tmp_path}/keys/vault.key; chmod 600 it",
    )


def test_a_key_that_is_gone_while_the_ledger_is_there_is_a_fault(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    database(tmp_path / "consents.db")
    (keys(tmp_path / "keys") / "signing.key").unlink()
    level, text = one(checked(), "ledger.signing_key")
    assert level is Level.FAULT
    assert text.endswith("is not there although the ledger is; put it back from its back-up")


def test_a_key_file_that_cannot_be_seen_is_a_fault(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "keys").symlink_to("keys")  # root may see everything but through this
    level, text = one(checked(), "ledger.lookup_key")
    assert level is Level.FAULT
    assert "cannot be seen (Too many levels of symbolic links)" in text


def test_a_file_that_holds_no_key_is_a_fault_and_not_shown(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (keys(tmp_path / "keys") / "vault.key").write_text("open-sesame\n", encoding="utf-8")
    report = checked()
    level, text = one(report, "ledger")
    assert level is Level.FAULT
    assert "vault.key: does not hold one or more keys" in text
    assert "open-sesame" not in printed(report)


def test_keys_elsewhere_are_looked_at_there(checked: Callable[..., Report], tmp_path: Path) -> None:
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
    assert one(report, "ledger.lookup_key") == (
        Level.OK,
        "44 characters from the environment variable LOOKUP",
    )


# -- checkpoints


def test_checkpoints_that_stay_here_are_noted(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    report = checked()
    assert one(report, f"{TABLE}.file") == (Level.OK, f"{tmp_path} can be written")
    level, text = one(report, TABLE)
    assert level is Level.NOTE
    assert text.startswith("checkpoints stay on this machine: an attacker here could take them too")


def test_checkpoints_that_go_to_syslog_are_in_order(checked: Callable[..., Report]) -> None:
    assert not found(checked("ledger = {checkpoints = {syslog = true}}"), TABLE)


def test_the_program_that_takes_checkpoints_must_be_there(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    table = 'ledger = {checkpoints = {command = ["carry", "-"]}}'
    assert one(checked(table), f"{TABLE}.command") == (
        Level.FAULT,
        "the program 'carry' is not found; install it or name its full path",
    )
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "carry").touch(mode=0o755)
    report = checked(table)
    assert one(report, f"{TABLE}.command") == (Level.OK, str(tmp_path / "bin" / "carry"))
    assert not found(report, TABLE)


def test_a_file_of_checkpoints_that_may_not_be_written_is_a_fault(
    checked: Callable[..., Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "checkpoints.jsonl"
    file.touch()
    real = os.access
    monkeypatch.setattr("os.access", lambda place, mode: place != file and real(place, mode))
    level, text = one(checked(), f"{TABLE}.file")
    assert level is Level.FAULT
    assert "may not write" in text


def test_a_folder_of_checkpoints_that_is_a_file_is_a_fault(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    report = checked(f'ledger = {{checkpoints = {{file = "{tmp_path}/file/c.jsonl"}}}}')
    assert one(report, f"{TABLE}.file") == (Level.FAULT, f"{tmp_path}/file is no folder")
