"""`agi-bridge calls --follow`: what is seen of a history that another process writes."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge import control_client
from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.app import ledger, service
from agi_bridge.cli.calls import follow
from agi_bridge.cli.calls.follow import CallWatch, Followed, follow_call, follow_calls
from agi_bridge.history import CallFilter, database
from agi_bridge.hook.testing import FakeHook
from tests.support.call_env import DID, settings, shipped_milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.settings import Settings


@pytest.fixture(autouse=True)
def _runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service is running, as far as the history is concerned."""
    monkeypatch.setattr(follow, "service_is_running", lambda _: True)
    monkeypatch.setattr("agi_bridge.app.history.service_is_running", lambda _: True)


def test_a_watch_sees_calls_begin_and_end_once(
    configured: Settings, write: Callable[..., None]
) -> None:
    with CallWatch(configured, CallFilter()) as watch:
        assert watch.skip() == []
        assert watch.look() == []
        write({"language": "fr"})
        assert [call.language for call in watch.look()] == ["fr"]
        assert watch.look() == []
        write({}, {"language": "de", "lasts": True, "begun": 1_795_413_999_000})
        assert [(call.language, call.in_progress) for call in watch.look()] == [("de", True)]


def test_a_watch_passes_over_what_had_ended_and_goes_on_in_a_new_file(
    configured: Settings, write: Callable[..., None], state: Path
) -> None:
    write({"language": "fr"})
    with CallWatch(configured, CallFilter()) as watch:
        assert watch.skip() == []
        for file in state.glob("calls.db*"):
            file.unlink()
        assert watch.look() == []
        write({"language": "de", "begun": 1_795_413_999_000})
        assert [call.language for call in watch.look()] == ["de"]


async def test_following_ends_with_success_when_it_is_interrupted(
    configured: Settings, write: Callable[..., None]
) -> None:
    write({})
    task = asyncio.create_task(follow_calls(configured, CallFilter(), as_json=False))
    await asyncio.sleep(0)
    task.cancel()
    assert await task == Followed()


async def test_a_call_that_has_ended_is_shown_at_once(
    configured: Settings, write: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    write({"uniqueid": "pbx-1.1"})
    await follow_call(configured, "pbx-1.1", as_json=True)
    assert json.loads(capsys.readouterr().out)["why"] == "star.dialplan_default"


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The documents on standard output, where the log is too."""
    lines = capsys.readouterr().out.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.fixture
async def fake_hook() -> Any:
    async with FakeHook() as running:
        yield running


async def test_a_real_call_is_live_is_followed_and_then_in_the_history(
    tmp_path: Path,
    fake_hook: FakeHook,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(follow, "LOOK_SECONDS", 0.01)
    fake_hook.scenario = "slow"
    settings_ = settings(tmp_path / "live", fake_hook.url)
    async with service.running(settings_) as bridge:

        async def ask(request: str, **arguments: Any) -> dict[str, Any]:
            return await asyncio.to_thread(
                control_client.ask, settings_.state_dir, request, **arguments
            )

        fake = FakeAsterisk(keys="4155550123,1", sounds=shipped_milliseconds)
        calling = asyncio.create_task(fake.call("127.0.0.1", bridge.port, f"consent?to={DID}"))
        await fake_hook.received()
        (live,) = (await ask("calls"))["calls"]
        assert (live["line"], live["step"]) == ("shop", "hook")
        assert [each["id"] for each in (await ask("status"))["in_progress"]] == [live["id"]]
        assert (await ask("calls", id="nobody"))["call"] is None
        following = asyncio.create_task(follow_call(settings_, live["id"], as_json=True))
        seen: list[str] = []
        while "asked" not in seen:
            await asyncio.sleep(0.01)  # until it has been printed
            seen += [each["event"] for each in printed(capsys)]
        fake_hook.hold.set()
        await calling
        await following
        last = printed(capsys)
    seen += [each["event"] for each in last[:-1]]
    assert seen.count("hook") == 1
    assert seen[-1] == "dialled"
    assert last[-1]["why"] == "accepted.forward"
    assert ledger.service_is_running(settings_) is False
    assert (tmp_path / "live" / database.FILE).exists()
