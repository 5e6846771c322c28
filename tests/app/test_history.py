"""The history of the whole service: what a call, a reload and a stop leave in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.app import service
from agi_bridge.app.history import calls_of, erase_calls, reading_calls
from agi_bridge.history import CallFilter, database
from tests.support.call_env import DID, NUMBER, settings, shipped_milliseconds

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.hook.testing import FakeHook
    from agi_bridge.settings import Settings


async def placed(configured: Settings) -> None:
    async with service.running(configured) as bridge:
        fake = FakeAsterisk(keys="4155550123,1", sounds=shipped_milliseconds)
        await fake.call("127.0.0.1", bridge.port, f"consent?to={DID}")


async def test_a_stop_leaves_every_call_in_the_history(tmp_path: Path, fake_hook: FakeHook) -> None:
    configured = settings(tmp_path, fake_hook.url)
    await placed(configured)
    with reading_calls(configured) as reader:
        (call,) = reader.find(CallFilter())
    assert (call.why, call.line, call.uniqueid) == ("accepted.forward", "shop", "fake.1")
    assert calls_of(configured, NUMBER) == 1
    assert erase_calls(configured, NUMBER, []) == 1
    assert calls_of(configured, NUMBER) == 0


async def test_without_days_there_is_no_history_and_nothing_to_erase(
    tmp_path: Path, fake_hook: FakeHook
) -> None:
    configured = settings(tmp_path, fake_hook.url, {"history": {"days": 0}})
    await placed(configured)
    assert not (tmp_path / database.FILE).exists()
    assert not (tmp_path / database.KEY_FILE).exists()
    assert calls_of(configured, NUMBER) == 0
    assert erase_calls(configured, NUMBER, ["any"]) == 0


async def test_a_reload_that_sets_days_to_0_deletes_what_is_there(
    tmp_path: Path, fake_hook: FakeHook
) -> None:
    configured = settings(tmp_path, fake_hook.url)
    off = settings(tmp_path, fake_hook.url, {"history": {"days": 0}})
    async with service.running(configured, load=lambda: off) as bridge:
        fake = FakeAsterisk(keys="*", sounds=shipped_milliseconds)
        await fake.call("127.0.0.1", bridge.port, f"consent?to={DID}")
        assert (await bridge.reloader.reload()).document()["outcome"] == "applied"
        assert not (tmp_path / database.FILE).exists()
