"""The work beside the calls: none of it may hold up the end forever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from agi_bridge.app import background, service
from tests.support.call_env import settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from agi_bridge.hook.testing import FakeHook
    from tests.support.captured_log import Log


async def test_a_last_checkpoint_that_hangs_does_not_keep_it_from_ending(
    monkeypatch: pytest.MonkeyPatch, written: Log
) -> None:
    class Hanging:
        async def finish(self) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(background, "ANCHOR_SECONDS", 0.0)
    async with background.anchored(cast("Any", Hanging())):
        pass
    assert (await written.line("service.last_checkpoint_timed_out"))["level"] == "error"


async def test_a_stop_that_is_forced_waits_for_nothing_sent_again(
    tmp_path: Path, fake_hook: FakeHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = asyncio.Event()

    class Stuck:
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        async def run(self) -> None:
            reached.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(background, "Resubmitter", Stuck)
    stop = background.Stop()
    async with service.running(settings(tmp_path, fake_hook.url), stop):
        await reached.wait()
        stop.forced.set()
