"""Upgrades of the tables: from the baseline to the newest revision, and to a later one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from agi_bridge.consent import LedgerUnavailable, State
from agi_bridge.consent.errors import SchemaOutdated
from agi_bridge.consent.ledger import Ledger, schema
from agi_bridge.consent.ledger import upgrade as upgrade_module
from agi_bridge.consent.ledger.database import Database
from agi_bridge.consent.ledger.upgrade import MIGRATIONS, run_migrations, upgrade_tables
from tests.support.consent_builders import confirmed, revocation
from tests.support.error_codes import coded
from tests.support.external_db import execute

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from agi_bridge.consent.signing import Keys

LATER = '''
"""A revision after the baseline."""

import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "{newest}"
{oldest}


def upgrade():
    op.add_column("suppression", sa.Column("note", sa.Text))
    {more}
'''


@pytest.fixture
def baseline(where: Path | str) -> Iterator[Database]:
    """A database whose tables the revisions made, from the baseline on."""
    database = Database(where)
    database.prepare()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.transaction() as transaction:
        config.attributes["connection"] = transaction.core
        command.upgrade(config, "head")
    yield database
    database.close()


def add_revision(
    folder: Path, monkeypatch: pytest.MonkeyPatch, more: str = "", oldest: str = ""
) -> None:
    """Make this version of agi-bridge one with a later revision; `oldest` may use its tables."""
    migrations = shutil.copytree(MIGRATIONS, folder / "migrations")
    revision = migrations / "versions" / "v9000_later.py"
    revision.write_text(
        LATER.replace("{more}", more)
        .replace("{newest}", schema.VERSION)
        .replace("{oldest}", oldest and f'oldest = "{oldest}"'),
        encoding="utf-8",
    )
    monkeypatch.setattr(upgrade_module, "MIGRATIONS", migrations)
    monkeypatch.setattr(schema, "VERSION", "9000")


def columns(database: Database) -> set[str]:
    with database.transaction() as transaction:
        return {each["name"] for each in inspect(transaction.core).get_columns("suppression")}


def test_the_newest_revision_makes_the_tables_that_a_new_ledger_has(baseline: Database) -> None:
    with baseline.transaction() as transaction:
        context = MigrationContext.configure(transaction.core)
        assert compare_metadata(context, schema.METADATA) == []
        assert schema.version(transaction.core) == schema.VERSION
        there = inspect(transaction.core)
        for table in schema.METADATA.tables.values():
            found = {index["name"] for index in there.get_indexes(table.name)}
            assert {index.name for index in table.indexes} <= found, table.name


@pytest.mark.parametrize("statement", ["UPDATE event SET at = ''", "DELETE FROM event"])
async def test_the_baseline_keeps_events_unchanged(
    baseline: Database, where: Path | str, keys: Keys, statement: str
) -> None:
    baseline.close()
    async with await Ledger.open(where, keys) as ledger:
        assert len(await ledger.rows()) == 1
    with (
        pytest.raises(LedgerUnavailable, match="events are never changed"),
        baseline.transaction() as transaction,
    ):
        transaction.core.execute(text(statement))


async def test_a_ledger_is_upgraded_to_a_later_revision_and_keeps_its_records(
    where: Path | str, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await Ledger.open(where, keys) as ledger:
        await ledger.append(confirmed().take())
        rows = await ledger.rows()
    newest = schema.VERSION
    add_revision(tmp_path, monkeypatch)
    with pytest.raises(SchemaOutdated, check=coded("schema_older")):
        await Ledger.open(where, keys)
    assert upgrade_tables(where) == (newest, "9000")
    assert upgrade_tables(where) == ("9000", "9000")
    async with await Ledger.open(where, keys) as ledger:
        assert await ledger.rows() == rows
        assert "note" in columns(ledger._database)
        await ledger.append(confirmed().take())


async def test_a_bridge_that_runs_goes_on_over_an_upgrade(
    emptied_url: str, keys: Keys, other_keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bridge at a time: the old version works on the new tables until it is restarted."""
    async with await Ledger.open(emptied_url, keys) as running:
        await running.append(confirmed().take())
        add_revision(tmp_path, monkeypatch)
        upgrade_tables(emptied_url)
        async with await Ledger.open(emptied_url, other_keys) as restarted:
            await running.append(confirmed("+14155550124").take())
            await restarted.append(confirmed("+14155550125").take())
            assert (await running.revoke(revocation())).consents == 1
            stored = [each.type for each in await restarted.events()]
            assert stored.count(State.CONFIRMED) == 3
        monkeypatch.setattr(schema, "VERSION", "0001")
        with pytest.raises(SchemaOutdated, check=coded("schema_newer")):
            await Ledger.open(emptied_url, keys)


@pytest.mark.parametrize("declared", ["", schema.VERSION, "9000"])
async def test_a_program_before_an_upgrade_starts_again_only_if_the_upgrade_allows_it(
    where: Path | str,
    keys: Keys,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    declared: str,
) -> None:
    await (await Ledger.open(where, keys)).close()
    with monkeypatch.context() as patched:
        add_revision(tmp_path, patched, oldest=declared)
        upgrade_tables(where)
        async with await Ledger.open(where, keys) as later:
            await later.append(confirmed().take())
    if declared != schema.VERSION:  # one that says nothing allows its own program alone
        with pytest.raises(SchemaOutdated, check=coded("schema_newer")):
            await Ledger.open(where, keys)
        return
    async with await Ledger.open(where, keys) as before:
        await before.append(confirmed("+14155550124").take())
        assert (await before.revoke(revocation())).consents == 1
    with pytest.raises(LedgerUnavailable, check=coded("schema_newer")):
        upgrade_tables(where)


def test_every_revision_since_the_baseline_only_adds(where: Path | str) -> None:
    """What an older program writes fits: no column was taken away, and new ones may be left out."""
    database = Database(where)
    database.prepare()
    with database.transaction() as transaction:
        run_migrations(transaction, "0001")
        before = described(transaction.core)
        run_migrations(transaction)
        after = described(transaction.core)
    database.close()
    for table, known in before.items():
        assert {name: after[table].get(name) for name in known} == known, table
        assert all(may_be_left_out for _, may_be_left_out in added(known, after[table])), table


def described(core: Connection) -> dict[str, dict[str, tuple[str, bool]]]:
    """The columns of each table: what they hold, and whether a row may go without."""
    there = inspect(core)
    return {
        table: {
            each["name"]: (str(each["type"]), each["nullable"] or each["default"] is not None)
            for each in there.get_columns(table)
        }
        for table in there.get_table_names()
    }


def added(
    known: dict[str, tuple[str, bool]], now: dict[str, tuple[str, bool]]
) -> list[tuple[str, bool]]:
    """The columns that a table has now and had not."""
    return [column for name, column in now.items() if name not in known]


def test_the_newest_revision_says_what_a_new_ledger_does(where: Path | str) -> None:
    database = Database(where)
    database.prepare()
    with database.transaction() as transaction:
        run_migrations(transaction)
        assert transaction.core.execute(text("SELECT oldest FROM compatibility")).all() == [
            (schema.OLDEST,)
        ]
    database.close()


async def test_an_upgrade_that_fails_leaves_the_ledger_unchanged(
    where: Path | str, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await Ledger.open(where, keys)).close()
    with monkeypatch.context() as patched:
        add_revision(tmp_path, patched, more="raise ValueError('it failed')")
        with pytest.raises(ValueError, match="it failed"):
            upgrade_tables(where)
    async with await Ledger.open(where, keys) as ledger:
        assert "note" not in columns(ledger._database)


def test_a_database_without_a_ledger_is_not_touched(where: Path | str, tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, check=coded("no_ledger")):
        upgrade_tables(where)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "schema_newer"),
        ("DROP TABLE alembic_version", "schema_unversioned"),
    ],
)
async def test_tables_that_no_upgrade_starts_from_are_refused(
    where: Path | str, keys: Keys, statement: str, code: str
) -> None:
    await (await Ledger.open(where, keys)).close()
    execute(where, statement)
    with pytest.raises(LedgerUnavailable, check=coded(code)):
        upgrade_tables(where)


def test_a_ledger_of_the_first_release_gets_every_revision_since(where: Path | str) -> None:
    database = Database(where)
    database.prepare()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.transaction() as transaction:
        config.attributes["connection"] = transaction.core
        command.upgrade(config, "0001")
    database.close()
    assert upgrade_tables(where) == ("0001", schema.VERSION)
    with database.transaction() as transaction:
        context = MigrationContext.configure(transaction.core)
        assert compare_metadata(context, schema.METADATA) == []
    database.close()
