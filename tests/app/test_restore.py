"""A restore that is cut off, and what it leaves to the start of the service."""

from __future__ import annotations

import asyncio
import os
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.app import restore
from agi_bridge.app.ledger import open_ledger
from agi_bridge.app.service import running, settle_open
from agi_bridge.consent import State
from agi_bridge.consent.ledger import Ledger
from agi_bridge.settings import Settings
from tests.support import consent_records
from tests.support.backups import cheap_tries, elsewhere, passphrase, run
from tests.support.call_env import KEY
from tests.support.call_env import settings as service_settings
from tests.support.consents_commands import configured
from tests.support.external_db import execute
from tests.support.sample_ledger import SampleLedger, original, sample, synchronised

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.hook.testing import FakeHook

__all__ = ["cheap_tries", "original", "sample", "synchronised"]


def settings_of(folder: Path) -> Settings:
    return Settings.load(folder / "agi-bridge.toml", {"SHOP_KEY": KEY})


@pytest.fixture
def waiting(sample: SampleLedger) -> str:
    """A consent that waits to be sent again."""

    async def wait() -> str:
        async with await open_ledger(sample.settings) as ledger:
            return await store_unsent(ledger, sample.folder)

    return asyncio.run(wait())


async def store_unsent(ledger: Ledger, folder: Path) -> str:
    played = consent_records.heard(folder / "state")
    record = consent_records.agreed(played, "+14155550188")
    await ledger.append(record.take())
    record.submission_ended(State.NOT_SENT, reason="refused", status=None, attempts=1, answer=None)
    await ledger.append(record.take())
    return record.id


@pytest.fixture
def given(sample: SampleLedger, waiting: str, tmp_path: Path) -> tuple[object, ...]:
    """The arguments that restore a backup of the sample with what waits in it."""
    assert waiting
    word = passphrase(tmp_path)
    made = run(sample.folder, "backup", tmp_path / "b", "--passphrase-file", word)
    assert made.status == 0, made
    return "restore", tmp_path / "b", "--passphrase-file", word, "--json"


def state(folder: Path, consent: str) -> str:
    return str(configured(folder)("show", consent, "--json").json["state"])


def test_a_restore_that_ends_before_the_ledger_is_there_can_be_repeated(
    given: tuple[object, ...], waiting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(*_: Any) -> None:
        raise OSError("the disk is full")

    there = elsewhere(tmp_path / "there")
    with monkeypatch.context() as patched:
        patched.setattr(restore, "_link", ends)
        assert run(there, *given).status == 1
    (there / "state" / ".restore-killed").mkdir()
    again = run(there, *given)
    assert again.status == 0, again
    assert again.json["expired"] == 1
    assert state(there, waiting) == "expired"
    assert [each.name for each in (there / "state").iterdir() if "restore" in each.name] == []
    verified = configured(there)("verify", "--json")
    assert verified.json["integrity"]["value"] == "holds"


def test_a_start_expires_what_a_restore_had_no_time_to(
    given: tuple[object, ...], waiting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ends(_: Ledger) -> int:
        raise OSError("killed")

    there = elsewhere(tmp_path / "there")
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "expire_restored", ends)
        assert run(there, *given).status == 1
    assert state(there, waiting) == "not_sent"

    async def start() -> str:
        async with await open_ledger(settings_of(there), create=True) as ledger:
            await settle_open(ledger)
            later = await store_unsent(ledger, tmp_path)  # of the new chain: it may be sent
            assert await ledger.expire_restored() == 0
            return later

    later = asyncio.run(start())
    assert state(there, waiting) == "expired"
    assert state(there, later) == "not_sent"


def test_what_root_restores_belongs_to_the_account_of_the_service(
    given: tuple[object, ...], sample: SampleLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sample.revoked
    there = elsewhere(tmp_path / "there")
    kept = tmp_path / "kept" / "checkpoints.jsonl"
    configured(there, {"ledger": {"checkpoints": {"file": str(kept)}}})
    changed: set[str] = set()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    monkeypatch.setattr(os, "chown", lambda path, *_, **__: changed.add(str(path)))
    assert run(there, *given).status == 0
    wanted = ("consents.db", "chain", "serve.lock", "keys", "keys/vault.key", "keys/signing.key")
    assert {str(kept), *(str(there / "state" / name) for name in wanted)} <= changed


def test_messages_to_other_systems_that_may_be_sent_again_are_counted(
    sample: SampleLedger, tmp_path: Path
) -> None:
    execute(
        sample.folder / "state" / "consents.db",
        "INSERT INTO outbox (ledger_id, seq, endpoint, consent_id, subject, type, at)"
        " SELECT ledger_id, seq, 'crm', consent_id, consent_id, type, at FROM event WHERE seq = 2",
    )
    word = passphrase(tmp_path)
    assert run(sample.folder, "backup", tmp_path / "b", "--passphrase-file", word).status == 0
    there = elsewhere(tmp_path / "there")
    restored = run(there, "restore", tmp_path / "b", "--passphrase-file", word, "--json")
    assert restored.json["push_pending"] == 1


async def test_the_service_deletes_what_killed_processes_left(
    tmp_path: Path, fake_hook: FakeHook
) -> None:
    chosen = service_settings(tmp_path, fake_hook.url)
    assert not chosen.console.enabled
    state = chosen.state_dir
    for left in (".restore-abc/consents.db", "exports/abc/export.zip"):
        (state / left).parent.mkdir(parents=True)
        (state / left).write_bytes(b"personal")
    async with running(chosen):
        assert not (state / ".restore-abc").exists()
        assert not (state / "exports").exists()


def test_the_next_proof_deletes_the_copy_of_one_that_was_killed(
    sample: SampleLedger, given: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    copy = tmp_path / "temporary" / "agi-bridge-prove-abc" / "consents.db"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b"personal")
    run(sample.folder, *given, "--prove")
    assert list((tmp_path / "temporary").iterdir()) == []
