from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
import structlog

from agi_bridge import __version__
from agi_bridge.consent import START, Act, LedgerUnavailable, leaf, link
from agi_bridge.consent.errors import KeyMismatch, KeyMissing, SchemaOutdated
from agi_bridge.consent.ledger import Ledger, schema
from agi_bridge.consent.signing import Keys, generate_keys
from tests.support.consent_builders import confirmed
from tests.support.error_codes import coded
from tests.support.external_db import execute


async def test_a_chain_begins_with_the_key_that_it_belongs_to(ledger: Ledger, keys: Keys) -> None:
    [row] = await ledger.rows()
    assert (row.ledger_id, row.seq, row.type) == (keys.ledger_id, 1, Act.OPENED)
    assert row.fields["public_key"] == base64.b64encode(keys.public_key).decode()
    assert row.fields["software"] == f"agi-bridge {__version__}"
    assert row.hash == link(START, leaf(row.tags, row.body)).hex()
    [chain] = await ledger.chains()
    assert (chain.ledger_id, chain.seq, chain.hash) == (keys.ledger_id, 1, row.hash)
    assert chain.public_key == row.fields["public_key"]


async def test_a_chain_goes_on_where_it_was_when_it_is_opened_again(
    where: Path | str, keys: Keys
) -> None:
    async with await Ledger.open(where, keys) as ledger:
        await ledger.append(confirmed().take())
    async with await Ledger.open(where, keys) as ledger:
        await ledger.append(confirmed().take())
        assert [row.seq for row in await ledger.rows()] == list(range(1, 8))
        assert [row.type for row in await ledger.rows()].count("opened") == 1


async def test_another_signing_key_is_another_chain_beside_the_first(
    ledger: Ledger, other: Ledger, other_keys: Keys
) -> None:
    with structlog.testing.capture_logs() as logs:
        third = Keys(other_keys.vault, other_keys.lookup, generate_keys().signing)
        async with await Ledger.open(ledger._database.where, third) as opened:
            chains = await opened.chains()
    assert {chain.ledger_id for chain in chains} == {
        ledger.ledger_id, other.ledger_id, third.ledger_id,
    }  # fmt: skip
    [log] = logs
    assert log["ledger"] == third.ledger_id
    on_sqlite = isinstance(ledger._database.where, Path)  # a file is one bridge's
    assert log["event"] == ("ledger.signing_key_replaced" if on_sqlite else "ledger.chain_begun")


async def test_another_look_up_key_is_refused_and_named(
    ledger: Ledger, where: Path | str, keys: Keys
) -> None:
    wrong = Keys(keys.vault, generate_keys().lookup, generate_keys().signing)
    with pytest.raises(KeyMismatch, check=coded("key_mismatch", "lookup.key")):
        await Ledger.open(where, wrong)
    assert len(await ledger.chains()) == 1


async def test_two_bridges_that_start_at_once_do_not_both_set_the_look_up_key(
    where: Path | str, keys: Keys
) -> None:
    wrong = Keys(keys.vault, generate_keys().lookup, generate_keys().signing)
    opened = await asyncio.gather(
        Ledger.open(where, keys), Ledger.open(where, wrong), return_exceptions=True
    )
    ledgers = [each for each in opened if isinstance(each, Ledger)]
    assert sum(isinstance(each, KeyMismatch) for each in opened) == 1
    for ledger in ledgers:
        await ledger.close()


async def test_a_lost_vault_key_is_noticed_at_the_start(
    ledger: Ledger, where: Path | str, keys: Keys
) -> None:
    lost = Keys(generate_keys().vault, keys.lookup, keys.signing)
    async with await Ledger.open(where, lost):
        pass  # nothing is sealed yet
    await ledger.append(confirmed().take())
    with pytest.raises(KeyMissing, check=coded("vault_key_missing")):
        await Ledger.open(where, lost)


async def test_a_damaged_row_does_not_keep_the_service_from_starting(
    ledger: Ledger, where: Path | str, keys: Keys
) -> None:
    record = confirmed()
    await ledger.append(record.take())
    execute(where, "update pii set sealed = substr(sealed, 1, 20)")
    async with await Ledger.open(where, keys) as again:
        assert len(await again.rows_of(record.id)) == 3


async def test_tables_of_an_older_version_are_refused_with_the_command_that_helps(
    ledger: Ledger, where: Path | str, keys: Keys
) -> None:
    execute(where, "update alembic_version set version_num = '0000'")
    with pytest.raises(
        SchemaOutdated, check=coded("schema_older", "0000", "agi-bridge consents upgrade")
    ):
        await Ledger.open(where, keys)
    assert len(await ledger.rows()) == 1


async def test_tables_of_a_newer_version_are_refused_with_what_helps(
    ledger: Ledger, where: Path | str, keys: Keys
) -> None:
    execute(where, "update alembic_version set version_num = '9999'")
    execute(where, "update compatibility set oldest = '9999'")
    with pytest.raises(SchemaOutdated, check=coded("schema_newer", "9999", schema.VERSION)):
        await Ledger.open(where, keys)
    assert len(await ledger.rows()) == 1


async def test_looking_at_an_empty_database_does_not_make_its_tables(
    emptied_url: str, keys: Keys
) -> None:
    with pytest.raises(LedgerUnavailable, check=coded("no_ledger")):
        await Ledger.open(emptied_url, keys, read_only=True)
    assert not await Ledger.exists(emptied_url)


async def test_a_ledger_exists_once_it_was_opened(where: Path | str, keys: Keys) -> None:
    assert not await Ledger.exists(where)
    assert not await Ledger.exists(where)  # asking makes nothing
    async with await Ledger.open(where, keys):
        pass
    assert await Ledger.exists(where)


async def test_tables_without_a_version_are_not_a_ledger(where: Path | str) -> None:
    if not isinstance(where, str):
        where.parent.mkdir()
    execute(where, "create table event (seq integer primary key)")
    assert not await Ledger.exists(where)


async def test_a_ledger_that_is_only_looked_at_begins_no_chain(
    ledger: Ledger, where: Path | str, other_keys: Keys
) -> None:
    async with await Ledger.open(where, other_keys, read_only=True) as looking:
        assert [chain.ledger_id for chain in await looking.chains()] == [ledger.ledger_id]


async def test_looking_at_a_file_that_is_not_there_does_not_make_it(file: Path, keys: Keys) -> None:
    with pytest.raises(LedgerUnavailable, check=coded("no_ledger")):
        await Ledger.open(file, keys, read_only=True)
    assert not file.exists()
