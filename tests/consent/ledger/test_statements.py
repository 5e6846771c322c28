from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import StaticPool, create_engine

from agi_bridge.consent.ledger import schema
from agi_bridge.consent.ledger.schema import EVENT, PII
from agi_bridge.consent.ledger.statements import Statement, Statements

if TYPE_CHECKING:
    from collections.abc import Iterator


def each(statements: Statements) -> Iterator[tuple[str, Statement]]:
    for field in fields(statements):
        yield field.name, getattr(statements, field.name)


def test_each_database_has_its_own_marks_as_many_as_there_are_names() -> None:
    for name, statement in each(Statements.for_sqlite()):
        assert statement.text.count("?") == len(statement.names), name
        assert "%s" not in statement.text
    for name, statement in each(Statements.for_postgresql()):
        assert statement.text.count("%s") == len(statement.names), name
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
    assert steps.count("pii_by_line") == 1
