"""What `check` says of the ledger: its database, its keys, where its checkpoints go."""

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
from tests.support.checking import found, one, printed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TABLE = "ledger.checkpoints"


def ledger(where: Path | str, folder: Path) -> None:
    """Begin a ledger, as the service does at its first start."""
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
    checked: Callable[..., Report], tmp_path: Path, database: Path
) -> None:
    (tmp_path / "agi-bridge.toml").touch()
    before = sorted(tmp_path.rglob("*"))
    level, text = one(checked(), "ledger.url")
    assert level is Level.OK
    assert text.startswith(f"{database}, 0.")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_ledger_in_use_is_read_with_its_log(
    checked: Callable[..., Report], database: Path
) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
        report = checked()
    connection.close()
    assert found(report, "ledger.url")[0] == (
        Level.FAULT,
        "its tables are of a newer version; install the agi-bridge that made them",
    )


def test_a_ledger_of_an_older_version_is_to_be_upgraded(
    checked: Callable[..., Report], database: Path
) -> None:
    changed(database, "DROP TABLE alembic_version")
    level, text = found(checked(), "ledger.url")[0]
    assert level is Level.FAULT
    assert text.endswith("then run `agi-bridge consents upgrade`")


def test_a_disk_that_is_nearly_full_is_noted(
    checked: Callable[..., Report], database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000_000))
    level, text = one(checked(), "ledger.url")
    assert level is Level.NOTE
    assert text.startswith(str(database))
    assert text.endswith(" MB, 100 MB free; make room: a full disk takes no consents")


def test_a_ledger_that_every_account_can_read_is_noted(
    checked: Callable[..., Report], database: Path
) -> None:
    database.chmod(0o644)
    assert found(checked(), "ledger.url")[1] == (
        Level.NOTE,
        f"every account may open {database}; chmod 600 it",
    )


def test_an_empty_file_is_no_ledger_yet(checked: Callable[..., Report], tmp_path: Path) -> None:
    (tmp_path / "consents.db").touch(mode=0o600)
    assert one(checked(), "ledger.url")[0] is Level.OK
    assert one(checked(), "ledger.vault_key")[0] is Level.OK


def test_a_ledger_that_cannot_be_seen_is_a_fault(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "consents.db").symlink_to("consents.db")  # root may see everything but this
    level, said = one(checked(), "ledger.url")
    assert level is Level.FAULT
    assert "cannot be seen (Too many levels of symbolic links)" in said


def test_a_file_that_is_no_database_is_a_fault(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "consents.db").write_text("notes" * 1000, encoding="utf-8")
    assert found(checked(), "ledger.url")[0] == (
        Level.FAULT,
        f"{tmp_path}/consents.db cannot be read (file is not a database)",
    )


def test_a_ledger_of_another_account_is_a_fault(
    checked: Callable[..., Report], database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may read anything, so the system's answer is given here.
    real = os.access
    monkeypatch.setattr("os.access", lambda place, mode: place != database and real(place, mode))
    level, text = one(checked(), "ledger.url")
    assert level is Level.FAULT
    assert "may not read and write" in text


# -- PostgreSQL


def at(url: str) -> str:
    return f'ledger = {{url = "{url}"}}'


def test_a_postgresql_that_answers_is_named_with_its_version(
    checked: Callable[..., Report], postgresql_url: str
) -> None:
    report = checked(at(postgresql_url))
    findings = found(report, "ledger.url")
    assert findings[0][0] is Level.OK
    assert " on PostgreSQL " in findings[0][1]
    assert findings[1:] == [
        (
            Level.NOTE,
            "the server runs with fsync off: its crash may lose consents; set fsync = on",
        )
    ]
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


def test_a_key_that_is_gone_while_postgresql_holds_the_ledger_is_a_fault(
    checked: Callable[..., Report], postgresql_url: str, tmp_path: Path
) -> None:
    ledger(postgresql_url, tmp_path / "keys")
    assert checked(at(postgresql_url)).faults == ()
    (tmp_path / "keys" / "lookup.key").unlink()
    (fault,) = checked(at(postgresql_url)).faults
    assert fault.key == "ledger.lookup_key"
    assert fault.text.endswith("put it back from its back-up")


def test_a_standby_is_a_fault(
    checked: Callable[..., Report], postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a server says of itself; a second one that follows it would take seconds to make.
    monkeypatch.setattr(
        "agi_bridge.app.start_checks.text_of",
        lambda sql: text(sql.replace("pg_is_in_recovery()", "true").replace("'fsync'", "'jit'")),
    )
    findings = found(checked(at(postgresql_url)), "ledger.url")
    assert (Level.FAULT, "is a standby, which takes no writes; name the primary") in findings


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
    level, said = one(report, "ledger.url")
    assert level is Level.FAULT
    assert said.startswith("no connection to PostgreSQL (")
    assert "Connection refused" in said
    assert "open-sesame" not in printed(report)
    assert one(report, "ledger.password")[0] is Level.OK


def test_a_database_elsewhere_should_be_reached_encrypted(
    checked: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("no route\nto host")

    monkeypatch.setattr(psycopg, "connect", refused)
    monkeypatch.setattr(psycopg.Connection, "connect", refused)
    report = checked(at("postgresql://u@db.example/consents"))
    assert found(report, "ledger.url") == [
        (Level.FAULT, "no connection to PostgreSQL (no route)"),
        (
            Level.NOTE,
            "nothing demands encryption on the way to the database; add ?sslmode=verify-full",
        ),
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
    checked: Callable[..., Report], tmp_path: Path, database: Path
) -> None:
    del database  # is there
    (tmp_path / "keys" / "signing.key").unlink()
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
