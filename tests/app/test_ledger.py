"""The ledger that a configuration names: begun by the service alone, under the right keys."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from agi_bridge.app.ledger import (
    checkpoint_publisher,
    load_keys,
    maintenance_schedule,
    open_ledger,
    service_lock,
    upgrade_ledger,
)
from agi_bridge.consent import KeyFault, LedgerUnavailable
from agi_bridge.consent.ledger import schema
from agi_bridge.consent.signing import CommandSink, FileSink, SyslogSink
from tests.support.call_env import settings
from tests.support.error_codes import coded
from tests.support.ledgers import older_ledger

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.settings import Settings


def configured(state: Path, **ledger: Any) -> Settings:
    return settings(state, tables={"ledger": ledger})


async def chain(known: Settings, *, create: bool = False) -> str:
    async with await open_ledger(known, create=create) as ledger:
        return ledger.ledger_id


async def test_the_service_makes_keys_and_ledger_and_says_where_the_keys_are(
    tmp_path: Path,
) -> None:
    known = configured(tmp_path / "state")
    with structlog.testing.capture_logs() as log:
        made = await chain(known, create=True)
        again = await chain(known, create=True)
    assert made == again
    assert [line["event"] for line in log].count("keys.created") == 1
    assert await chain(known) == made


async def test_a_command_begins_nothing(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, check=coded("no_ledger")):
        await chain(configured(tmp_path / "state"))
    assert not (tmp_path / "state").exists()


def upgraded(known: Settings) -> list[tuple[str, str]]:
    with structlog.testing.capture_logs() as log:
        upgrade_ledger(known)
    return [(line["before"], line["after"]) for line in log if line["event"] == "ledger.upgraded"]


async def test_an_upgrade_brings_an_older_ledger_to_this_version_and_says_so_once(
    tmp_path: Path,
) -> None:
    known = configured(tmp_path / "state")
    older_ledger(tmp_path / "state" / "consents.db")
    with pytest.raises(LedgerUnavailable, match="consents upgrade"):
        await chain(known, create=True)
    assert upgraded(known) == [("0001", schema.VERSION)]
    assert await chain(known, create=True)
    assert upgraded(known) == []


async def test_an_upgrade_leaves_to_the_start_what_the_start_judges(tmp_path: Path) -> None:
    known = configured(tmp_path / "state")
    assert upgraded(known) == []
    assert not (tmp_path / "state").exists()
    older_ledger(tmp_path / "state" / "consents.db")
    async with service_lock(known):
        assert upgraded(known) == []


async def test_keys_that_went_missing_are_not_replaced(tmp_path: Path) -> None:
    known = configured(tmp_path / "state")
    await chain(known, create=True)
    shutil.rmtree(known.keys_dir)
    for create in (False, True):
        with pytest.raises(KeyFault, match=r"vault\.key( is missing|: not there)"):
            await chain(known, create=create)
    assert not known.keys_dir.exists()


async def test_a_second_bridge_with_the_shared_keys_gets_a_signing_key_of_its_own(
    tmp_path: Path,
) -> None:
    first = configured(tmp_path / "state")
    chain_id = await chain(first, create=True)
    shared = {
        f"{name}_key": {"file": str(shutil.copy(first.keys_dir / f"{name}.key", tmp_path))}
        for name in ("vault", "lookup")
    }
    (first.keys_dir / "signing.key").unlink()
    second = configured(tmp_path / "state", **shared)
    other = await chain(second, create=True)
    assert other != chain_id
    assert await chain(second) == other


async def test_a_key_that_others_can_read_is_logged(tmp_path: Path) -> None:
    known = configured(tmp_path / "state")
    await chain(known, create=True)
    (known.keys_dir / "vault.key").chmod(0o644)
    with structlog.testing.capture_logs() as log:
        await chain(known)
    assert [line["file"] for line in log] == [str(known.keys_dir / "vault.key")]


async def test_the_keys_are_those_of_the_chain(tmp_path: Path) -> None:
    known = configured(tmp_path / "state")
    made = await chain(known, create=True)
    assert load_keys(known)[0].ledger_id == made


def test_checkpoints_go_where_the_configuration_says(tmp_path: Path) -> None:
    assert _sinks(configured(tmp_path)) == (FileSink(tmp_path / "checkpoints.jsonl"),)
    kept = tmp_path / "kept"
    asked = {"file": str(kept), "syslog": True, "command": ["send", "it"]}
    known = configured(tmp_path, checkpoints=asked)
    assert _sinks(known) == (FileSink(kept), SyslogSink(), CommandSink(("send", "it")))


def test_periods_are_those_of_the_configuration(tmp_path: Path) -> None:
    known = configured(
        tmp_path,
        retention_days=700,
        details_days=7,
        checkpoints={"every_events": 5, "every_seconds": 60},
    )
    found = maintenance_schedule(known)
    assert (found.events, found.seconds) == (5, 60.0)
    assert (found.personal_days, found.details_days) == (700, 7)
    assert found.personal_days_of_lines == {}


def test_a_line_may_keep_its_consents_for_another_time(tmp_path: Path) -> None:
    known = settings(tmp_path, retention_days=300)
    assert maintenance_schedule(known).personal_days_of_lines == {"shop": 300}


def _sinks(known: Settings) -> tuple[object, ...]:
    return checkpoint_publisher(known)._sinks
