"""A whole ledger copied: at one moment, beside writers, and into an empty database only."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import ChainEnded, LedgerLost, LedgerUnavailable
from agi_bridge.consent.ledger import Ledger, fill, is_empty, open_snapshot, schema
from tests.consent.ledger.test_upgrade import add_revision
from tests.support.consent_builders import confirmed
from tests.support.error_codes import coded
from tests.support.external_db import execute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi_bridge.consent.ledger import Snapshot, Value
    from agi_bridge.consent.signing import Keys

Piece = tuple[str, "Sequence[str]", "Sequence[tuple[Value, ...]]"]


def pieces(snapshot: Snapshot) -> list[Piece]:
    return [
        (table, columns, rows)
        for table, columns in snapshot.tables.items()
        for rows in snapshot.rows(table)
    ]


def copied(where: Path | str) -> tuple[str, list[Piece]]:
    with open_snapshot(where) as snapshot:
        return snapshot.revision, pieces(snapshot)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Where a copy goes."""
    return tmp_path / "copy" / "consents.db"


async def test_a_snapshot_is_of_one_moment_whatever_is_stored_meanwhile(
    ledger: Ledger, where: Path | str
) -> None:
    await ledger.append(confirmed().take())
    before = len(await ledger.rows())
    with open_snapshot(where) as snapshot:
        [chain] = snapshot.chains()
        await asyncio.gather(*(ledger.append(confirmed().take()) for _ in range(5)))
        rows = [row for some in snapshot.rows("event") for row in some]
        assert (chain.seq, len(rows)) == (before, before)
        assert snapshot.chains() == [chain]
    assert len(await ledger.rows()) > before


async def test_a_copy_goes_on_counting_where_the_original_was(
    ledger: Ledger,
    where: Path | str,
    other_keys: Keys,
    postgresql_url: str,
    empty: Path,
) -> None:
    await ledger.append(confirmed().take())
    rows = await ledger.rows()
    for place in (empty, postgresql_url):
        fill(place, *copied(where), end_chains=False)
        async with await Ledger.open(place, ledger._keys) as copy:
            assert await copy.rows() == rows
            await copy.append(confirmed().take())
            assert len(await copy.rows()) > len(rows)
            assert await copy.moved_events() == []
        async with await Ledger.open(place, other_keys) as beside:
            await beside.append(confirmed().take())


async def test_events_in_a_copy_are_guarded_too(
    ledger: Ledger, where: Path | str, postgresql_url: str
) -> None:
    await ledger.append(confirmed().take())
    fill(postgresql_url, *copied(where), end_chains=False)
    with pytest.raises(Exception, match="events are never changed"):
        execute(postgresql_url, "DELETE FROM event")


async def test_a_copy_to_be_used_ends_every_chain(
    ledger: Ledger, other: Ledger, where: Path | str, empty: Path
) -> None:
    await ledger.append(confirmed().take())
    await other.append(confirmed().take())
    fill(empty, *copied(where), end_chains=True)
    for each in (ledger._keys, other._keys):
        with pytest.raises(ChainEnded, check=coded("chain_ended", each.ledger_id[:8])):
            await Ledger.open(empty, each)
    async with await Ledger.open(empty, ledger._keys, read_only=True) as reader:
        assert len(await reader.chains()) == 2


async def test_later_heads_of_an_ended_chain_are_known_to_be_missing(
    ledger: Ledger, where: Path | str, other_keys: Keys, empty: Path
) -> None:
    await ledger.append(confirmed().take())
    fill(empty, *copied(where), end_chains=True)
    await ledger.append(confirmed().take())
    later = await ledger.checkpoint()
    assert later is not None
    async with await Ledger.open(empty, other_keys) as restored:
        await restored.expect([later])
        await restored.append(confirmed().take())
    fresh = empty.with_name("other.db")
    fill(fresh, *copied(empty), end_chains=False)
    execute(fresh, "DELETE FROM ended_chain")  # an older copy that nobody restored by the command
    async with await Ledger.open(fresh, other_keys) as put_back:
        with pytest.raises(LedgerLost, check=coded("events_lost")):
            await put_back.expect([later])


async def test_a_bridge_stops_when_its_chain_was_ended(ledger: Ledger, where: Path | str) -> None:
    """Another bridge restored the database that they share."""
    await ledger.append(confirmed().take())
    execute(where, "INSERT INTO ended_chain SELECT ledger_id, 1, 'x', at FROM ledger")
    with pytest.raises(LedgerLost, check=coded("events_lost")):
        await ledger.checkpoint()


async def test_a_ledger_of_an_older_version_is_copied_and_upgraded(
    where: Path | str, keys: Keys, empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await Ledger.open(where, keys) as ledger:
        await ledger.append(confirmed().take())
        rows = await ledger.rows()
    old = schema.VERSION
    add_revision(tmp_path, monkeypatch)
    revision, tables = copied(where)
    assert revision == old
    fill(empty, revision, tables, end_chains=False)
    async with await Ledger.open(empty, keys) as copy:
        assert await copy.rows() == rows
    assert execute(empty, "SELECT version_num FROM alembic_version") == [(schema.VERSION,)]


async def test_only_an_empty_database_is_filled(
    ledger: Ledger, where: Path | str, empty: Path
) -> None:
    await ledger.append(confirmed().take())
    tables = copied(where)
    assert not is_empty(where)
    assert is_empty(empty)
    with pytest.raises(LedgerUnavailable, check=coded("not_empty")):
        fill(where, *tables, end_chains=False)


async def test_a_copy_that_fails_leaves_the_database_empty(
    ledger: Ledger, where: Path | str, postgresql_url: str
) -> None:
    await ledger.append(confirmed().take())
    revision, tables = copied(where)
    broken = [*tables, ("event", ("no_such_column",), [(1,)])]
    with pytest.raises(LedgerUnavailable):
        fill(postgresql_url, revision, broken, end_chains=False)
    assert is_empty(postgresql_url)
    with pytest.raises(LedgerUnavailable, check=coded("schema_newer", "9999")):
        fill(postgresql_url, "9999", tables, end_chains=False)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "schema_newer"),
        ("DROP TABLE alembic_version", "schema_unversioned"),
    ],
)
async def test_a_ledger_that_this_version_cannot_read_is_not_copied(
    where: Path | str, keys: Keys, statement: str, code: str
) -> None:
    await (await Ledger.open(where, keys)).close()
    execute(where, statement)
    with pytest.raises(LedgerUnavailable, check=coded(code)), open_snapshot(where):
        pass


def test_where_no_ledger_is_nothing_is_made(where: Path | str, tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, check=coded("no_ledger")), open_snapshot(where):
        pass
    assert list(tmp_path.iterdir()) == []


async def test_a_text_that_something_else_wrote_is_refused_by_its_table(
    file: Path, keys: Keys
) -> None:
    async with await Ledger.open(file, keys) as ledger:
        await ledger.register_disclosure("en", "Hello.", "a" * 64, b"RIFF")
    execute(file, "UPDATE disclosure SET text = CAST(x'ff' AS TEXT)")
    with (
        open_snapshot(file) as snapshot,
        pytest.raises(LedgerUnavailable, check=coded("text_invalid", "disclosure")),
    ):
        list(snapshot.rows("disclosure"))
    assert isinstance(file, Path)
