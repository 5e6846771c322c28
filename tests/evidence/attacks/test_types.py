"""A column that holds another type, as the owner of the database can write it into SQLite."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

import pytest

from agi_bridge.consent import ConsentError
from agi_bridge.consent.ledger.schema import METADATA

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.forgery import Judgement, Place

VALUES: Final = ("7", "1.5", "'x'", "x'ff00'", "CAST(x'ff' AS TEXT)", "4611686018427387904", "NULL")
"""One of each type, as SQL; a text that is not UTF-8, and a number beyond any, too."""
EMPTY: Final = frozenset(
    {
        *("chain_lease", "checkpoint_request", "delivery", "ended_chain", "failing_endpoint"),
        *("gone_endpoint", "outbox", "submission"),
    }
)
"""Tables of what is under way: nothing of it is evidence, and verification reads none of them."""
UNBOUND: Final = {
    "checkpoint.ledger_id": "what a checkpoint is filed under: its line says what it is of",
    "checkpoint.seq": "what a checkpoint is filed under: its line says what it is of",
    "compatibility.oldest": "which programs may use the ledger",
    "disclosure.lang": "what a wording is filed under",
    "disclosure.sha256": "its text is in `content` too",
    "disclosure.version": "what a wording is filed under",
    "event.id": "the order in the table, where it stays what it was",
    "ledger.at": "when the chain was begun here: its first event says so",
    "pii.at": "when the row was stored, by which limits count",
    "pii.restricted_until": "NULL is what it was",
    "witness.ledger_id": "what a stamp is filed under: it says what it is of",
    "witness.seq": "what a stamp is filed under: it says what it is of",
    "witness.sha256": "what a stamp is filed under: it says what it is of",
}
"""Columns that no event and no signature binds ("What cannot be caught", docs/evidence.md)."""
ROWS: Final = {"content": "sha256 NOT IN (SELECT sha256 FROM disclosure)"}
"""Which rows of a table to change one of; else the newest one."""
COLUMNS: Final = [
    (table.name, column.name)
    for table in METADATA.sorted_tables
    for column in table.columns
    if table.name not in EMPTY
]


def judged(place: Place) -> Judgement | None:
    """What a verification says; None if the ledger cannot be opened, which is said in one line."""
    try:
        return place.verify()
    except ConsentError:
        return None


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_another_type_in_a_column_is_found_and_never_a_crash(
    honest: Place, tmp_path: Path, table: str, column: str
) -> None:
    bound = f"{table}.{column}" not in UNBOUND
    for number, value in enumerate(VALUES):
        place = honest.copy(tmp_path / f"{number}")
        rows = f"SELECT max(rowid) FROM {table} WHERE {ROWS.get(table, 'true')}"  # noqa: S608 - ours
        try:
            [changed] = place.sql(
                f"UPDATE {table} SET {column} = {value} WHERE rowid = ({rows}) RETURNING 1"  # noqa: S608 - ours
            )
        except sqlite3.Error:
            continue  # SQLite refuses it
        assert changed == (1,)
        found = judged(place)
        assert found is None or not bound or found.status == 1, (value, found)


def test_tables_that_are_left_out_are_those_of_what_is_under_way(honest: Place) -> None:
    counts = {
        table.name: honest.sql(f"SELECT count(*) FROM {table.name}")[0][0]  # noqa: S608 - ours
        for table in METADATA.sorted_tables
    }
    assert {name for name, count in counts.items() if not count} == EMPTY
