"""Commands on a ledger with another type in a column, as its owner can write it into SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest

from agi_bridge.consent.ledger.schema import METADATA

if TYPE_CHECKING:
    from tests.support.sample_ledger import SampleLedger

VALUES: Final = ("7", "x'ff00'", "CAST(x'ff' AS TEXT)", "'zzz'")
"""A number, bytes, a text that is not UTF-8, one that says nothing, as SQL."""
COLUMNS: Final = [
    (table.name, column.name) for table in METADATA.sorted_tables for column in table.columns
]


def change(sample: SampleLedger, statement: str) -> int:
    """Carry out a statement; how many rows it changed, none if SQLite refuses it."""
    with closing(sqlite3.connect(sample.folder / "state" / "consents.db")) as ledger:
        for (name,) in ledger.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            ledger.execute(f"DROP TRIGGER {name}")
        try:
            with ledger:
                return ledger.execute(statement).rowcount
        except sqlite3.Error:
            return 0


UNDER_WAY: Final = (
    (
        "INSERT INTO outbox (ledger_id, seq, endpoint, consent_id, subject, type, at)"
        " SELECT ledger_id, seq, 'crm', consent_id, consent_id, type, at FROM event WHERE seq = 2"
    ),
    (
        "INSERT INTO submission (consent_id, ledger_id, owner, deadline)"
        " SELECT consent_id, ledger_id, ledger_id, '2020-01-01T00:00:00.000Z'"
        " FROM event WHERE seq = 2"
    ),
)
"""A row in each table of what is under way that commands read."""


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_wrong_type_ends_no_command_in_a_traceback(
    sample: SampleLedger, table: str, column: str
) -> None:
    """`Shell` raises what a command does not catch."""
    assert [change(sample, statement) for statement in UNDER_WAY] == [1, 1]
    for value in VALUES:
        newest = f"rowid = (SELECT max(rowid) FROM {table})"  # noqa: S608 - of the schema
        change(sample, f"UPDATE OR IGNORE {table} SET {column} = {value} WHERE {newest}")  # noqa: S608 - the same
        for command in (
            ("list", "--json"),
            ("show", sample.revoked),
            ("show", sample.revocation, "--json"),
            ("revoke", "--number", "+14155550177"),
            ("resolve", sample.unknown, "--as", "texted"),
            (
                "export",
                "--consent",
                sample.revoked,
                "--out",
                sample.folder / f"{VALUES.index(value)}.zip",
            ),
        ):
            assert sample.shell(*command).status in range(5), (value, command)
