"""`backup` beside a `serve` that takes calls: nothing waits for it, and what it wrote verifies."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING

import pytest

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.hook.testing import FakeHook
from tests.support.backups import passphrase
from tests.support.call_env import AGREES, DEFAULT, FORWARD, shipped_milliseconds, toml
from tests.support.commands import DID, running
from tests.support.fault_calls import went_to
from tests.support.ledgers import emptied_database, emptied_url, file, where
from tests.support.listening_caller import Listening

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["emptied_database", "emptied_url", "file", "where"]

pytestmark = pytest.mark.programs

CALL = f"consent?to=%2B{DID[1:]}"
UNWITNESSED = 3


async def test_a_backup_is_made_while_a_caller_is_in_the_dialogue(
    where: Path | str, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir(exist_ok=True)
    config, path, word = tmp_path / "agi-bridge.toml", tmp_path / "a.backup", passphrase(tmp_path)
    given = ("--config", config, "--passphrase-file", word)
    ledger = {"ledger": {"url": where}} if isinstance(where, str) else {}
    async with FakeHook("dial") as hook:
        config.write_text(toml(tmp_path / "state", hook.url, ledger))
        async with running("serve", "--config", config) as bridge:
            port = (await bridge.logs("service.listening"))["port"]
            agreeing = FakeAsterisk(keys=AGREES, sounds=shipped_milliseconds)
            assert went_to(await agreeing.call("127.0.0.1", port, CALL)) == [FORWARD]
            caller = Listening()
            call = asyncio.create_task(caller.call("127.0.0.1", port, CALL))
            await caller.there.wait()
            async with running("backup", path, *given) as backup:
                assert await backup.ends() == 0
            assert not call.done()
            caller.press.set()
            assert went_to(await call) == [DEFAULT]
            async with running("restore", path, "--prove", "--json", *given) as restore:
                assert restore.process.stdout is not None
                proof = json.loads(await restore.process.stdout.read())
                assert await restore.ends() == UNWITNESSED
            bridge.process.send_signal(signal.SIGTERM)
            assert await bridge.ends() == 0
    verdicts = {proof[name]["value"] for name in ("integrity", "anchored", "completeness")}
    assert verdicts == {"holds"}
    [later] = proof["later"]
    assert (later["source"], later["types"]["declined"]) == ("ledger", 1)
