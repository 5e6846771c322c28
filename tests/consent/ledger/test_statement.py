"""Statements that PostgreSQL is given all rows of at once."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.ledger.statements import Statements
from agi_bridge.consent.ledger.transaction import _LOCK_BY_INDEX

if TYPE_CHECKING:
    from agi_bridge.consent.signing import Keys

ROWS: Final = ("stored", "agreement_checks", "line_counts", "reseal", "end_submission")


def test_a_document_has_the_rows_with_their_places_and_bytes_as_postgresql_reads_them() -> None:
    statement = Statements.for_postgresql().insert_person
    [(text, [(document,)])] = statement.grouped([('é"\\', b"\x00\xff"), ("b", b"")])
    assert text == statement.text
    assert document == (
        '[{"person_id":"é\\"\\\\","sealed":"\\\\x00ff","place":0},'
        '{"person_id":"b","sealed":"\\\\x","place":1}]'
    )
    assert list(statement.grouped([])) == []


def test_what_a_document_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        list(Statements.for_postgresql().insert_person.grouped([("a", object())]))


def test_every_statement_of_a_group_takes_all_of_its_rows() -> None:
    postgresql = Statements.for_postgresql()
    taking = {each.name for each in fields(postgresql) if getattr(postgresql, each.name).takes_rows}
    inserts = {"insert_event", "insert_pii", "insert_person", "insert_submission"}
    assert taking == {*ROWS, *inserts}


async def test_a_group_finds_its_rows_by_index_also_with_a_plan_that_was_made_for_an_empty_ledger(
    emptied_url: str, keys: Keys
) -> None:
    await (await Ledger.open(emptied_url, keys)).close()
    statements = Statements.for_postgresql()
    with psycopg.connect(emptied_url, autocommit=True) as connection:
        connection.execute("SET plan_cache_mode = force_generic_plan")
        for name in ROWS:
            text = getattr(statements, name).text.replace("%s", "$1")
            with connection.transaction():
                connection.execute(_LOCK_BY_INDEX.encode(), (None, "1000", [1]))
                connection.execute(f"PREPARE {name}(text) AS {text}".encode())
                plan = connection.execute(f"EXPLAIN EXECUTE {name}('[]')".encode()).fetchall()
            assert "Seq Scan" not in str(plan), name
