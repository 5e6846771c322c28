"""This machine in the doctor's report: what `check` finds, under the doctor's ids."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from agi_bridge.app.findings import Finding as CheckFinding
from agi_bridge.app.findings import Level as CheckLevel
from agi_bridge.cli.doctor.local import look
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys
from agi_bridge.doctor import Finding, Id, Level
from tests.support.call_env import KEY, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def hook() -> Iterator[str]:
    """A hook that can be connected to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1/ivr"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A folder with a ledger and its keys."""
    found, _ = Keys.load(tmp_path / "keys", create=True)

    async def begin() -> None:
        async with await Ledger.open(tmp_path / "consents.db", found):
            pass

    asyncio.run(begin())
    return tmp_path


def wrong(folder: Path, url: str, **tables: dict[str, object]) -> dict[Id, Level]:
    findings = looked(folder, url, **tables)
    return {each.id: each.level for each in findings if each.level is not Level.OK}


def looked(folder: Path, url: str, **tables: dict[str, object]) -> list[Finding]:
    return look(settings(folder, url, {"status": {"enabled": False}, **tables}), os.environ)


def test_a_sound_machine_has_one_ok_for_each_id(ledger: Path, hook: str) -> None:
    findings = looked(ledger, hook)
    assert {each.level for each in findings} == {Level.OK}
    assert [each.id for each in findings] == [
        Id.CONFIGURATION, Id.LEDGER, Id.KEYS, Id.DISK, Id.HOOK_TLS, Id.PROMPTS,
    ]  # fmt: skip
    assert KEY not in repr(findings)


def garbage(folder: Path) -> None:
    (folder / "consents.db").write_bytes(b"no database" * 1000)


def no_key(folder: Path) -> None:
    (folder / "keys" / "vault.key").unlink()


def other_keys(folder: Path) -> None:
    shutil.rmtree(folder / "keys")
    Keys.load(folder / "keys", create=True)


@pytest.mark.parametrize(
    ("seed", "which"), [(garbage, Id.LEDGER), (no_key, Id.KEYS), (other_keys, Id.KEYS)]
)
def test_a_broken_ledger_and_missing_keys_are_told_apart(
    ledger: Path, hook: str, seed: Callable[[Path], None], which: Id
) -> None:
    seed(ledger)
    assert wrong(ledger, hook) == {which: Level.FAULT}
    assert all(each.fix for each in looked(ledger, hook) if each.level is not Level.OK)


@pytest.mark.parametrize("level", [CheckLevel.FAULT, CheckLevel.NOTE])
@pytest.mark.parametrize(
    ("key", "reason", "which"),
    [
        ("ledger", "settings_dropped", Id.LEDGER),
        ("state_dir", "no_folder", Id.LEDGER),
        ("ledger", "keys", Id.KEYS),
        ("ledger", "little_space", Id.DISK),
        ("hook.url", "unreachable", Id.HOOK_TLS),
        ("lines.shop.disclosure", "stale_prompts", Id.PROMPTS),
        ("agi.port", "other", Id.CONFIGURATION),
    ],
)
def test_every_finding_has_a_fix_also_where_check_says_only_the_problem(
    monkeypatch: pytest.MonkeyPatch, key: str, reason: str, which: Id, level: CheckLevel
) -> None:
    problem = CheckFinding(level, key, "the problem", reason=reason)
    monkeypatch.setattr("agi_bridge.cli.doctor.local.check_all", lambda *_, **__: [problem])
    found = [each for each in look(settings(), {}) if each.level is not Level.OK]
    dropped = which is Id.CONFIGURATION and level is CheckLevel.NOTE  # left to check
    assert [each.id for each in found] == ([] if dropped else [which])
    assert all(each.fix for each in found)


def test_a_disk_that_is_nearly_full_is_found(
    ledger: Path, hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000_000))
    assert wrong(ledger, hook) == {Id.DISK: Level.NOTE}


def test_a_hook_that_does_not_answer_is_found(ledger: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/v1/ivr"
    assert wrong(ledger, url) == {Id.HOOK_TLS: Level.FAULT}


def test_a_hook_without_tls_on_its_port_is_found(ledger: Path, hook: str) -> None:
    secure = hook.replace("http:", "https:")
    table = {"url": secure, "connect_seconds": 0.2}
    assert wrong(ledger, secure, hook=table) == {Id.HOOK_TLS: Level.FAULT}


def test_a_fault_of_anything_else_is_the_configurations(ledger: Path, hook: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert wrong(ledger, hook, agi={"port": port}) == {Id.CONFIGURATION: Level.FAULT}


def test_advice_for_the_day_is_left_to_check(ledger: Path, hook: str) -> None:
    # The shipped disclosure, checkpoints on this machine and no time stamps are notes of `check`.
    assert wrong(ledger, hook, agi={"allow": ["0.0.0.0/0"]}) == {}
