from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import inspect

from agi_bridge.consent import LedgerUnavailable
from agi_bridge.consent.ledger import schema
from agi_bridge.consent.ledger.database import Database
from agi_bridge.consent.ledger.migrations import versions
from tests.support.consent_builders import confirmed
from tests.support.external_db import execute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.consent.ledger import Ledger


@pytest.fixture
def database(where: Path | str) -> Iterator[Database]:
    opened = Database(where)
    opened.prepare()
    yield opened
    opened.close()


def test_an_empty_database_has_no_version_and_a_made_one_the_newest(database: Database) -> None:
    with database.transaction() as transaction:
        assert schema.version(transaction.core) is None
        schema.create(transaction.core)
    with database.transaction() as transaction:
        assert schema.version(transaction.core) == schema.VERSION
        tables = set(inspect(transaction.core).get_table_names())
    assert tables == {*schema.METADATA.tables, "alembic_version"}


def test_the_revisions_are_one_line() -> None:
    """Two revisions of one number are no conflict to git: their files differ in name."""
    files = sorted(Path(versions.__path__[0]).glob("v*.py"))
    modules = [importlib.import_module(f"{versions.__name__}.{file.stem}") for file in files]
    numbers = [module.revision for module in modules]
    assert numbers == [f"{number:04}" for number in range(1, len(files) + 1)]
    assert numbers[-1] == schema.VERSION
    assert [module.down_revision for module in modules] == [None, *numbers[:-1]]
    assert all(file.stem.startswith(f"v{each}_") for file, each in zip(files, numbers, strict=True))


def test_tables_without_a_version_are_known_as_such(database: Database) -> None:
    with database.transaction() as transaction:
        transaction.core.exec_driver_sql("create table event (seq integer primary key)")
        assert schema.version(transaction.core) == schema.UNVERSIONED


def test_tables_are_made_whole_or_not_at_all(database: Database) -> None:
    def create_twice() -> None:
        with database.transaction() as transaction:
            schema.create(transaction.core)
            schema.create(transaction.core)

    with pytest.raises(LedgerUnavailable, match=r"exist"):
        create_twice()
    with database.transaction() as transaction:
        assert schema.version(transaction.core) is None


def test_there_is_one_event_of_a_number_in_a_chain(database: Database) -> None:
    insert = (
        "insert into event (ledger_id, seq, consent_id, type, at, tags, body, hash) "
        "values ('one', 1, 'c', 'disclosed', '', '', '', '')"
    )
    with database.transaction() as transaction:
        schema.create(transaction.core)
        transaction.core.exec_driver_sql(insert)
    with pytest.raises(LedgerUnavailable, match=r"(?i)unique"), database.transaction() as again:
        again.core.exec_driver_sql(insert)


@pytest.mark.parametrize("statement", ["update event set type = 'accepted'", "delete from event"])
async def test_events_are_never_changed(ledger: Ledger, where: Path | str, statement: str) -> None:
    await ledger.append(confirmed().take())
    before = await ledger.rows()
    with pytest.raises(Exception, match="events are never changed"):
        execute(where, statement)
    assert await ledger.rows() == before


async def test_postgresql_does_not_empty_the_table_of_events_either(
    ledger: Ledger, where: Path | str
) -> None:
    if isinstance(where, str):  # SQLite's DELETE is all it has
        with pytest.raises(Exception, match="events are never changed"):
            execute(where, "truncate event")
    assert len(await ledger.rows()) == 1


async def test_what_people_look_for_has_an_index_of_its_own(
    ledger: Ledger, where: Path | str
) -> None:
    [(made,)] = execute(
        where,
        "select indexdef from pg_indexes where indexname = 'event_rare'"
        if isinstance(where, str)
        else "select sql from sqlite_master where name = 'event_rare'",
    )
    assert "not_sent" in made
    assert await ledger.events() == []


@pytest.mark.parametrize(
    ("one", "another", "same"),
    [
        ("Example Store", " EXAMPLE store ", True),
        ("Straße", "STRASSE", True),
        ("Example Store", "ExampleStore", False),
    ],
)
def test_brands_are_the_same_whatever_their_case(one: str, another: str, *, same: bool) -> None:
    assert (schema.brand_key(one) == schema.brand_key(another)) is same
