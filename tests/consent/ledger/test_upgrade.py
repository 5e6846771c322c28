"""An older ledger becomes one of this version, and loses nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from agi_bridge.consent import (
    START,
    Filter,
    LedgerUnavailable,
    State,
    canonical,
    commitment,
    leaf,
    link,
    text_sha256,
)
from agi_bridge.consent.errors import SchemaOutdated
from agi_bridge.consent.ledger import Ledger, schema, upgrade
from agi_bridge.consent.ledger.database import Database
from agi_bridge.consent.signing import generate_keys
from tests.support.consent_builders import FACTS, HEARD, NUMBER

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

SALT = bytes(range(32))
DIGITS = "4155550123"
AT = "2026-01-02T03:04:05.678Z"
SOFTWARE = "agi-bridge 9"
INSERT_EVENT = (
    "INSERT INTO event (event_id, consent_id, type, at, body) VALUES (:e, :c, :t, :a, :b)"
)


def old_tables(where: Path | str) -> Database:
    """A database with the first tables, and no version, as the first release left it."""
    database = Database(where)
    database.prepare()
    config = Config()
    config.set_main_option("script_location", "agi_bridge.consent.ledger:migrations")
    with database.transaction() as transaction:
        config.attributes["connection"] = transaction.core
        command.upgrade(config, "0001")
        transaction.core.execute(text("DROP TABLE alembic_version"))
    return database


def old_consent(connection: Connection, id_: str, *states: State) -> None:
    """A consent as the first release stored it."""
    bodies: dict[State, dict[str, Any]] = {
        State.DISCLOSED: {
            "line_id": FACTS.line_id, "brand": FACTS.brand, "lang": "en", "complete": True,
            "samples": 8000, "endpos": 8000, "disclosure_sha256": text_sha256(HEARD.text),
        },
        State.ENTERED: {"region": "US"},
        State.CONFIRMED: {"number_c": commitment(SALT, "number", NUMBER)},
    }  # fmt: skip
    for number, state in enumerate(states):
        connection.execute(
            text(INSERT_EVENT),
            {
                "e": f"{id_}-{number}", "c": id_, "t": state.value, "a": AT,
                "b": canonical({"schema": 1, **bodies.get(state, {})}),
            },
        )  # fmt: skip
    if State.CONFIRMED in states:
        connection.execute(
            text("INSERT INTO pii VALUES (:c, :s, :n, NULL, :d, :h)"),
            {"c": id_, "s": SALT, "n": NUMBER, "d": DIGITS, "h": text_sha256(HEARD.text)},
        )


@pytest.fixture
def old(where: Path | str) -> Path | str:
    database = old_tables(where)
    with database.transaction() as transaction:
        transaction.core.execute(
            text("INSERT INTO disclosure (sha256, lang, text) VALUES (:h, 'en', :t)"),
            {"h": text_sha256(HEARD.text), "t": HEARD.text},
        )
        given = (State.DISCLOSED, State.ENTERED, State.CONFIRMED, State.SUBMITTING)
        old_consent(transaction.core, "agreed", *given, State.ACCEPTED)
        old_consent(transaction.core, "declined", State.DISCLOSED, State.DECLINED)
        old_consent(transaction.core, "open", *given)
    database.close()
    return where


async def test_a_ledger_of_the_first_release_is_refused_until_it_is_upgraded(
    old: Path | str,
) -> None:
    with pytest.raises(SchemaOutdated, match="run `agi-bridge consents upgrade`"):
        await Ledger.open(old, generate_keys())


async def test_everything_that_was_there_is_there_afterwards(old: Path | str) -> None:
    keys = generate_keys()
    assert upgrade(old, keys, software=SOFTWARE) == ("0001", "0002")
    async with await Ledger.open(old, keys) as ledger:
        assert [event.type for event in await ledger.events("agreed")] == [
            "disclosed", "entered", "confirmed", "submitting", "accepted",
        ]  # fmt: skip
        assert {event.at for event in await ledger.events()} == {AT}
        personal = await ledger.personal_data("agreed")
        assert personal == {"salt": SALT.hex(), "number": NUMBER, "digits": DIGITS}
        assert await ledger.personal_data("declined") is None
        found = await ledger.summaries(Filter(number=NUMBER))
        assert {summary.consent_id for summary in found} == {"agreed", "open"}
        kept = await ledger.disclosure(text_sha256(HEARD.text))
        assert (kept.text, kept.version) == (HEARD.text, 1) if kept else False
        assert await ledger.recover() == 1
        assert (await ledger.events("open"))[-1].type is State.UNKNOWN


async def test_the_old_events_are_the_beginning_of_the_chain(old: Path | str) -> None:
    keys = generate_keys()
    upgrade(old, keys, software=SOFTWARE)
    async with await Ledger.open(old, keys) as ledger:
        rows = await ledger.rows()
        assert rows[0].type == "opened"
        assert rows[0].fields["migrated_events"] == 11
        assert rows[0].fields["software"] == SOFTWARE
        head = START
        for row in rows:
            head = link(head, leaf(row.body))
            assert row.hash == head.hex()
            assert json.loads(row.body)["seq"] == row.seq
        assert len(rows) == 12


def test_the_number_is_nowhere_in_the_file_any_more(tmp_path: Path) -> None:
    where = tmp_path / "consents.db"
    database = old_tables(where)
    with database.transaction() as transaction:
        transaction.core.execute(
            text("INSERT INTO disclosure (sha256, lang, text) VALUES (:h, 'en', 'x')"),
            {"h": text_sha256(HEARD.text)},
        )
        old_consent(transaction.core, "one", State.DISCLOSED, State.ENTERED, State.CONFIRMED)
    database.vacuum_deleted()
    database.close()
    assert DIGITS.encode() in where.read_bytes()
    upgrade(where, generate_keys(), software=SOFTWARE)
    for file in tmp_path.iterdir():
        assert DIGITS.encode() not in file.read_bytes(), file.name


def test_both_ways_end_at_the_same_tables(old: Path | str) -> None:
    upgrade(old, generate_keys(), software=SOFTWARE)
    database = Database(old)
    with database.transaction() as transaction:
        context = MigrationContext.configure(transaction.core)
        assert compare_metadata(context, schema.METADATA) == []
        there = inspect(transaction.core)
        for table in schema.METADATA.tables.values():
            found = {index["name"] for index in there.get_indexes(table.name)}
            assert {index.name for index in table.indexes} <= found, table.name
    database.close()


def test_events_are_guarded_after_the_upgrade(old: Path | str) -> None:
    upgrade(old, generate_keys(), software=SOFTWARE)
    for statement in ("UPDATE event SET at = ''", "DELETE FROM event"):
        database = Database(old)
        with (
            pytest.raises(LedgerUnavailable, match="events are never changed"),
            database.transaction() as transaction,
        ):
            transaction.core.execute(text(statement))
        database.close()


def test_a_second_upgrade_changes_nothing(old: Path | str) -> None:
    keys = generate_keys()
    upgrade(old, keys, software=SOFTWARE)
    assert upgrade(old, keys, software=SOFTWARE) == ("0002", "0002")


def test_one_that_fails_leaves_the_ledger_as_it_was(old: Path | str) -> None:
    database = Database(old)
    with database.transaction() as transaction:
        transaction.core.execute(text("INSERT INTO event (event_id, consent_id, type, at, body)"
                                      " VALUES ('x', 'x', 'nonsense', '', '{}')"))  # fmt: skip
    database.close()
    with pytest.raises(ValueError, match="nonsense"):
        upgrade(old, generate_keys(), software=SOFTWARE)
    with database.transaction() as transaction:
        assert schema.version(transaction.core) == "0001"
        count = transaction.core.execute(text("SELECT count(*) FROM event")).scalar()
        assert count == 12
    database.close()


def test_where_no_ledger_is_nothing_is_made(where: Path | str, tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="no ledger is there"):
        upgrade(where, generate_keys(), software=SOFTWARE)
    assert list(tmp_path.iterdir()) == []


async def test_a_newer_one_is_left_alone(where: Path | str) -> None:
    keys = generate_keys()
    await (await Ledger.open(where, keys)).close()
    database = Database(where)
    with database.transaction() as transaction:
        transaction.core.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(LedgerUnavailable, match="newer"):
        upgrade(where, keys, software=SOFTWARE)
