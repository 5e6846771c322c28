"""Writes that PostgreSQL goes to work on while the next are made."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from agi_bridge.consent import LedgerUnavailable
from agi_bridge.consent.ledger import Ledger, append, links
from agi_bridge.consent.ledger.database import Database
from agi_bridge.consent.ledger.statement import Statement
from agi_bridge.consent.ledger.transaction import array
from agi_bridge.evidence.verify import Verifier
from tests.support.consent_builders import HEARD, submitting
from tests.support.external_db import execute

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agi_bridge.consent.ledger.statement import Row
    from agi_bridge.consent.signing import Keys

PUT: Final = Statement(
    "insert into word select word from json_to_recordset(%s) as given(word text)",
    ("word",),
    takes_rows=True,
)
DONE: Final = (
    "select count(*) from pg_stat_activity where state = 'idle in transaction' "
    "and query like 'insert into word%' and datname = current_database()"
)
"""How many connections have done an insert, and are waited for: their locks end in time."""
WORDS: Final = "select word from word order by word"


class Broken(Exception):  # noqa: N818 - no error of anybody's
    """Something went wrong while rows were made."""


@pytest.fixture
def database(emptied_url: str) -> Iterator[Database]:
    execute(emptied_url, "create table word (word text unique)")
    opened = Database(emptied_url)
    yield opened
    opened.close()


def test_what_was_sent_is_done_while_the_next_is_made(database: Database, emptied_url: str) -> None:
    def made() -> Iterator[tuple[Statement, list[Row]]]:
        yield PUT, [("one",), ("two",)]
        while execute(emptied_url, DONE) != [(1,)]:
            pass
        yield PUT, [("three",)]

    with database.transaction() as transaction:
        transaction.write(made())
    assert execute(emptied_url, WORDS) == [("one",), ("three",), ("two",)]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_of_several_that_fails_undoes_all_and_says_why(
    database: Database, emptied_url: str, place: int
) -> None:
    words = ["a", "b", "c"]
    execute(emptied_url, f"insert into word values ('{words[place]}')")  # noqa: S608 - ours
    with (
        pytest.raises(LedgerUnavailable, match="duplicate key"),
        database.transaction() as transaction,
    ):
        transaction.write((PUT, [(word,)]) for word in words)
    assert execute(emptied_url, WORDS) == [(words[place],)]
    with database.transaction() as transaction:  # on the same connection
        assert transaction.connection == 1
        transaction.write([(PUT, [("later",)])])


def test_rows_that_cannot_be_made_undo_those_that_were_sent(
    database: Database, emptied_url: str
) -> None:
    def made() -> Iterator[tuple[Statement, list[Row]]]:
        yield PUT, [("one",)]
        raise Broken

    with pytest.raises(Broken), database.transaction() as transaction:
        transaction.write(made())
    assert execute(emptied_url, WORDS) == []
    with database.transaction() as transaction:
        assert transaction.connection == 1
        transaction.write([(PUT, [("later",)])])


TEXTS: Final = ("", "NULL", "null", "a,b", "{}", '"', "\\", '\\"', " x ", "é☎", "'", "%s", "a\nb")


@pytest.mark.parametrize("cursor", [psycopg.Cursor, psycopg.ClientCursor])
def test_postgresql_reads_our_arrays_as_they_were(
    emptied_url: str, cursor: type[psycopg.Cursor[Any]]
) -> None:
    given: tuple[tuple[str, list[object]], ...] = (
        ("text", [*TEXTS, None]),
        ("bytea", [b"", b"\\x00\x00\xff", None]),
        ("bigint", [-(2**63), 0, 2**63 - 1]),
        ("boolean", [True, False]),
        ("text", []),
    )
    with psycopg.connect(emptied_url) as connection, cursor(connection) as opened:
        for kind, values in given:
            opened.execute(f"select %s::{kind}[]".encode(), (array(values),))
            assert opened.fetchone() == (values,)


async def test_a_group_in_portions_is_one_chain(
    where: Path | str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "AT_ONCE", 3)
    monkeypatch.setattr(append, "SEALED_AT_ONCE", 2)
    async with await Ledger.open(where, keys) as ledger:
        await ledger.register_disclosure(HEARD.language, HEARD.text, HEARD.audio_sha256, b"wav")
        batches = [submitting(f"+1415555{200 + n:04}").take() for n in range(5)]
        await asyncio.gather(*(ledger.append(batch) for batch in batches))
        [chain] = await ledger.chains()
        verifier = Verifier(await ledger.checkpoints())
        verifier.read(await ledger.rows(first=1, last=chain.seq))
        verifier.finish()
        assert verifier.report("the chain").integrity.ok
        verifier.close()
        assert chain.seq > 5 * links.AT_ONCE  # portions, and not the last alone
        numbers = [await ledger.number(batch.consent_id) for batch in batches]
    assert numbers == [f"+1415555{200 + n:04}" for n in range(5)]
