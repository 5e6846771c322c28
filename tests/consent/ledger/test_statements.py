from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import StaticPool, create_engine, select

from agi_bridge.consent.ledger import schema
from agi_bridge.consent.ledger.schema import EVENT, PII
from agi_bridge.consent.ledger.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.consent.ledger.statement import Statement


def each(statements: Statements) -> Iterator[tuple[str, Statement]]:
    for field in fields(statements):
        yield field.name, getattr(statements, field.name)


def test_each_database_has_its_own_marks_as_many_as_there_are_names() -> None:
    for name, statement in each(Statements.for_sqlite()):
        assert statement.text.count("?") == len(statement.names), name
        assert "%s" not in statement.text
    for name, statement in each(Statements.for_postgresql()):
        marks = 1 if statement.takes_rows else len(statement.names)
        assert statement.text.count("%s") == marks, name
        assert "?" not in statement.text


def test_both_databases_take_the_same_arguments_in_the_same_order() -> None:
    sqlite = {name: statement.names for name, statement in each(Statements.for_sqlite())}
    postgresql = {name: statement.names for name, statement in each(Statements.for_postgresql())}
    assert sqlite == postgresql


def test_an_event_is_inserted_without_a_counter_of_ours() -> None:
    wanted = tuple(column.key for column in EVENT.columns if column.key != "id")
    assert Statements.for_sqlite().insert_event.names == wanted
    assert "RETURNING" not in Statements.for_postgresql().insert_event.text


def test_arguments_stand_in_the_statements_order_and_none_is_left_out() -> None:
    statement = Statements.for_sqlite().insert_pii
    values: dict[str, object] = {column.key: column.key.upper() for column in PII.columns}
    assert statement.arguments(**values) == tuple(name.upper() for name in statement.names)
    del values["sealed"]
    with pytest.raises(KeyError, match="sealed"):
        statement.arguments(**values)


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 12, 40])
def test_an_insert_of_several_rows_stores_each_once_and_in_order(count: int) -> None:
    rows = [("chain", seq, f"record {seq}", "type", "at", "[]", "{}", "h") for seq in range(count)]
    statement = Statements.for_sqlite().insert_event
    with closing(sqlite3.connect(":memory:")) as database:
        engine = create_engine("sqlite://", creator=lambda: database, poolclass=StaticPool)
        with engine.begin() as connection:
            schema.create(connection)
        for text, arguments in statement.grouped(rows):
            database.executemany(text, arguments)
        with engine.begin() as connection:
            stored = connection.execute(select(EVENT).order_by(EVENT.c.id)).all()
    assert [tuple(row)[1:] for row in stored] == rows


def test_what_is_not_an_insert_has_one_set_of_arguments_at_a_time() -> None:
    statement = Statements.for_sqlite().end_submission
    assert list(statement.grouped([("a",), ("b",)])) == [(statement.text, [("a",), ("b",)])]
    assert list(statement.grouped([])) == []


def test_a_row_that_is_to_be_changed_is_held_where_there_are_several_writers() -> None:
    assert "FOR UPDATE" in Statements.for_postgresql().sealed.text
    assert "FOR UPDATE" not in Statements.for_sqlite().sealed.text


def test_a_numbers_agreements_are_counted_without_going_through_the_lines() -> None:
    """SQLite would take either index: a busy line has a thousand rows a day, a number three."""
    with closing(sqlite3.connect(":memory:")) as database:
        engine = create_engine("sqlite://", creator=lambda: database, poolclass=StaticPool)
        with engine.begin() as connection:
            schema.create(connection)
        checks = Statements.for_sqlite().agreement_checks
        plan = database.execute(
            f"EXPLAIN QUERY PLAN {checks.text}", ["x"] * len(checks.names)
        ).fetchall()
    steps = " ".join(step[3] for step in plan)
    assert "pii_by_number (number_hmac=? AND at>? AND at<?)" in steps
    assert "pii_by_line" not in steps


def test_no_look_up_of_a_call_makes_a_table_of_its_own() -> None:
    """SQLite makes one of a list of constants, at each execution."""
    statements = Statements.for_sqlite()
    with closing(sqlite3.connect(":memory:")) as database:
        engine = create_engine("sqlite://", creator=lambda: database, poolclass=StaticPool)
        with engine.begin() as connection:
            schema.create(connection)
        for statement in (statements.last_state, statements.stored, statements.may_send):
            steps = database.execute(
                f"EXPLAIN {statement.text}", ["x"] * len(statement.names)
            ).fetchall()
            assert "OpenEphemeral" not in {step[1] for step in steps}
