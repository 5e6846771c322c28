"""`check` says what `serve` says, in the same words, and both before anything is written."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from agi_bridge.app import start_checks
from agi_bridge.app.findings import Level
from agi_bridge.app.ledger import open_ledger, service_lock
from agi_bridge.consent import ConsentError
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys, generate_keys
from agi_bridge.settings import Settings
from tests.support.call_env import KEY, toml
from tests.support.consent_builders import confirmed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORD = f"{'B' * 42}A="
"""A key like any other."""


class Machine:
    """A state directory, and a configuration of it that a test may spoil."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.keys = self.state / "keys"
        self.file = self.state / "consents.db"
        self.ledger: dict[str, object] = {}
        self.environ = {"SHOP_KEY": KEY}

    @property
    def settings(self) -> Settings:
        path = self.folder / "agi-bridge.toml"
        path.write_text(toml(self.state, tables={"ledger": self.ledger}), encoding="utf-8")
        return Settings.load(path, self.environ)

    def begin(self) -> None:
        """As after a first start, and one call."""

        async def once() -> None:
            async with await open_ledger(self.settings, create=True) as ledger:
                await ledger.append(confirmed().take())

        asyncio.run(once())

    def faults(self) -> list[str]:
        """What `check` finds that keeps the service from starting."""
        found = start_checks.check_start(self.settings)
        return [f"{each.key}: {each.text}" for each in found if each.level is Level.FAULT]

    def refusal(self) -> str:
        """Why the service does not start; an empty text if it does."""

        async def once() -> None:
            async with await open_ledger(self.settings, create=True), service_lock(self.settings):
                pass

        try:
            asyncio.run(once())
        except (ConsentError, OSError) as error:
            return str(error)
        return ""

    def files(self) -> dict[Path, bytes | None]:
        """All that is there."""
        return {
            path: path.read_bytes() if path.is_file() else None
            for path in sorted(self.folder.rglob("*"))
        }


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def begun(machine: Machine) -> Machine:
    machine.begin()
    return machine


def state_dir_is_a_file(machine: Machine) -> None:
    machine.state.touch()


def a_folder_above_is_a_file(machine: Machine) -> None:
    machine.state.touch()
    machine.state = machine.state / "deeper" / "still"


def keys_are_a_file(machine: Machine) -> None:
    machine.state.mkdir()
    machine.keys.touch()


def half_of_a_first_start_with_garbage(machine: Machine) -> None:
    machine.keys.mkdir(parents=True)
    (machine.keys / "vault.key").write_text("open sesame", encoding="utf-8")


def the_mark_without_the_other_keys(machine: Machine) -> None:
    machine.keys.mkdir(parents=True)
    (machine.keys / "lookup.key").write_text(WORD, encoding="utf-8")


def the_database_is_a_folder(machine: Machine) -> None:
    machine.file.mkdir(parents=True)


def the_database_is_something_else(machine: Machine) -> None:
    machine.state.mkdir()
    machine.file.write_text("notes" * 1000, encoding="utf-8")


def the_lock_is_a_folder(machine: Machine) -> None:
    (machine.state / "serve.lock").mkdir(parents=True)


def a_given_key_is_none(machine: Machine) -> None:
    machine.ledger["vault_key"] = {"env": "VAULT"}
    machine.environ["VAULT"] = "open sesame"


def the_key_folder_cannot_be_seen(machine: Machine) -> None:
    machine.state.mkdir()
    machine.keys.symlink_to("keys")


def the_database_cannot_be_seen(machine: Machine) -> None:
    machine.state.mkdir()
    machine.file.symlink_to("consents.db")


def no_postgresql_answers(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    machine.ledger["url"] = f"postgresql://bridge@127.0.0.1:{port}/consents"


def a_word_that_libpq_does_not_know(machine: Machine) -> None:
    machine.ledger["url"] = "postgresql://bridge@127.0.0.1/consents?sslmode=banana"


def the_checkpoint_file_is_a_folder(machine: Machine) -> None:
    machine.state.mkdir()
    machine.ledger["checkpoints"] = {"file": str(machine.state)}


def state_dir_is_in_proc(machine: Machine) -> None:
    machine.state = Path("/proc/agi-bridge")


BEFORE_THE_FIRST_START = [
    state_dir_is_a_file,
    a_folder_above_is_a_file,
    keys_are_a_file,
    half_of_a_first_start_with_garbage,
    the_mark_without_the_other_keys,
    the_database_is_a_folder,
    the_database_is_something_else,
    the_lock_is_a_folder,
    a_given_key_is_none,
    the_key_folder_cannot_be_seen,
    the_database_cannot_be_seen,
    no_postgresql_answers,
    a_word_that_libpq_does_not_know,
    the_checkpoint_file_is_a_folder,
    state_dir_is_in_proc,
]


def agree(machine: Machine) -> None:
    """`check` names the fault, `serve` refuses with it, and neither writes."""
    assert machine.settings is not None
    before = machine.files()
    faults = machine.faults()
    assert faults != []
    assert machine.files() == before
    assert machine.refusal() in faults
    assert machine.files() == before


@pytest.mark.parametrize("spoil", BEFORE_THE_FIRST_START)
def test_a_first_start_is_refused_as_check_says(
    machine: Machine, spoil: Callable[[Machine], None]
) -> None:
    spoil(machine)
    agree(machine)


@pytest.mark.parametrize("spoil", [no_postgresql_answers, a_word_that_libpq_does_not_know])
def test_a_database_that_does_not_answer_is_the_only_fault(
    machine: Machine, spoil: Callable[[Machine], None]
) -> None:
    """Nobody knows whether there is a ledger whose keys could be missing."""
    spoil(machine)
    (fault,) = machine.faults()
    assert fault.startswith("ledger.url: no connection to PostgreSQL")


def the_vault_key_is_another(machine: Machine) -> None:
    (machine.keys / "vault.key").write_text(WORD, encoding="utf-8")


def the_lookup_key_is_another(machine: Machine) -> None:
    (machine.keys / "lookup.key").write_text(WORD, encoding="utf-8")


def a_key_is_garbage(machine: Machine) -> None:
    (machine.keys / "signing.key").write_text("open sesame", encoding="utf-8")


def a_key_is_gone(machine: Machine) -> None:
    (machine.keys / "vault.key").unlink()


def all_keys_are_gone(machine: Machine) -> None:
    shutil.rmtree(machine.keys)


def a_key_is_a_folder(machine: Machine) -> None:
    (machine.keys / "vault.key").unlink()
    (machine.keys / "vault.key").mkdir()


def the_tables_are_newer(machine: Machine) -> None:
    change(machine, "UPDATE alembic_version SET version_num = '9999'")
    change(machine, "UPDATE compatibility SET oldest = '9999'")


def the_tables_are_older(machine: Machine) -> None:
    change(machine, "DROP TABLE alembic_version")


def change(machine: Machine, statement: str) -> None:
    with sqlite3.connect(machine.file) as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "spoil",
    [
        the_vault_key_is_another,
        the_lookup_key_is_another,
        a_key_is_garbage,
        a_key_is_gone,
        all_keys_are_gone,
        a_key_is_a_folder,
        the_tables_are_newer,
        the_tables_are_older,
    ],
)
def test_a_later_start_is_refused_as_check_says(
    begun: Machine, spoil: Callable[[Machine], None]
) -> None:
    spoil(begun)
    agree(begun)


@pytest.mark.parametrize("spot", ["state", "state/consents.db", "state/serve.lock"])
def test_what_may_not_be_written_is_refused_as_check_says(
    begun: Machine, spot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everywhere, so the system's answer is given here."""
    assert begun.refusal() == ""
    here, real = begun.folder / spot, os.access
    monkeypatch.setattr("os.access", lambda path, mode: path != here and real(path, mode))
    agree(begun)


# What is in order


def test_where_nothing_is_wrong_both_say_so(machine: Machine) -> None:
    for _ in range(2):
        assert machine.faults() == []
        assert machine.refusal() == ""


def test_a_second_bridge_may_create_its_own_signing_key(begun: Machine) -> None:
    for name in ("vault", "lookup"):
        begun.ledger[f"{name}_key"] = {"file": str(begun.keys / f"{name}.key")}
    (begun.keys / "signing.key").unlink()
    assert begun.faults() == []
    assert begun.refusal() == ""


@pytest.mark.parametrize("name", ["signing.key.old", "signing.key.0123abcd"])
def test_a_signing_key_that_was_renamed_is_replaced(begun: Machine, name: str) -> None:
    """As `chain_ended` says to do after a restore, also where no key is named in a file."""
    before = Keys.load(begun.keys, create=False)[0].ledger_id
    (begun.keys / "signing.key").rename(begun.keys / name)
    assert begun.faults() == []
    assert begun.refusal() == ""
    assert Keys.load(begun.keys, create=False)[0].ledger_id != before


@pytest.mark.parametrize("also", ["vault.key", "lookup.key"])
def test_no_other_key_is_made_beside_a_signing_key_that_was_renamed(
    begun: Machine, also: str
) -> None:
    (begun.keys / "signing.key").rename(begun.keys / "signing.key.old")
    (begun.keys / also).unlink()
    assert begun.faults()
    assert begun.refusal()
    assert not (begun.keys / also).exists()
    assert not (begun.keys / "signing.key").exists()


def test_a_signing_key_that_was_lost_is_not_replaced_because_an_older_one_is_there(
    begun: Machine,
) -> None:
    Keys.load(begun.folder / "other", create=True)
    shutil.copy(begun.folder / "other" / "signing.key", begun.keys / "signing.key.old")
    (begun.keys / "signing.key").unlink()
    assert begun.faults()
    assert begun.refusal()


def test_a_new_signing_key_is_noted_because_it_starts_a_chain(begun: Machine) -> None:
    Keys.load(begun.folder / "other", create=True)
    shutil.copy(begun.folder / "other" / "signing.key", begun.keys)
    notes = [each for each in start_checks.check_start(begun.settings) if each.level is Level.NOTE]
    assert [each.key for each in notes] == ["ledger.signing_key"]
    assert begun.refusal() == ""


async def test_a_running_service_is_noted(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    settings = machine.settings
    async with await open_ledger(settings, create=True), service_lock(settings):
        found = await asyncio.to_thread(lambda: list(start_checks.check_start(settings)))
        with pytest.raises(BlockingIOError):
            async with service_lock(settings):
                pass
    notes = [each.text for each in found if each.level is Level.NOTE]
    assert notes == [f"{machine.state}/serve.lock: agi-bridge is running with this state_dir"]


# PostgreSQL


@pytest.fixture
def guest(postgresql_url: str) -> Iterator[str]:
    """A database in which an account may look and no more."""
    with psycopg.connect(postgresql_url, autocommit=True) as owner:
        owner.execute("create role reader login")
        owner.execute("grant usage on schema public to reader")
        yield postgresql_url
        owner.execute("drop owned by reader; drop role reader")


def test_an_account_that_may_make_no_tables_is_refused(machine: Machine, guest: str) -> None:
    machine.ledger["url"] = f"{guest}&user=reader"
    agree(machine)


def test_an_account_that_may_not_write_is_refused(machine: Machine, guest: str) -> None:
    machine.ledger["url"] = guest
    machine.begin()
    with psycopg.connect(guest, autocommit=True) as owner:
        owner.execute("grant select on all tables in schema public to reader")
    machine.ledger["url"] = f"{guest}&user=reader"
    agree(machine)


def test_a_database_that_takes_no_writes_is_refused(machine: Machine, postgresql_url: str) -> None:
    with psycopg.connect(postgresql_url, autocommit=True) as owner:
        [name] = owner.execute("select quote_ident(current_database())").fetchone() or [""]
        owner.execute(f"alter database {name} set default_transaction_read_only = on".encode())
    machine.ledger["url"] = postgresql_url
    agree(machine)


def test_the_keys_of_another_postgresql_ledger_are_refused(
    machine: Machine, postgresql_url: str
) -> None:
    async def somebody_elses() -> None:
        async with await Ledger.open(postgresql_url, generate_keys()) as ledger:
            await ledger.append(confirmed().take())

    asyncio.run(somebody_elses())
    Keys.load(machine.keys, create=True)
    machine.ledger["url"] = postgresql_url
    agree(machine)
