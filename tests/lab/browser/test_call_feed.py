"""What the page is told of a call: as it goes on, and when it has ended."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.app import service
from agi_bridge.control_client import ControlError
from agi_bridge.history.writer import HistoryWriter
from agi_bridge.hook.testing import FakeHook
from agi_bridge.lab.browser import CallFeed
from agi_bridge.lab.browser import call_feed as feed_module
from tests.support.call_env import DID, settings, shipped_milliseconds
from tests.support.consent_builders import NUMBER
from tests.support.history_calls import drafted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LEDGER = "consents.db"
STORED = ["disclosed", "entered", "confirmed", "submitting"]


def kinds(call: dict[str, Any] | None) -> list[str]:
    return [] if call is None else [event["event"] for event in call["timeline"]]


async def until(feed: CallFeed, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Look until the call is as wanted; a look takes long enough to be no busy loop."""
    async with asyncio.timeout(60):
        while (call := await feed.look()) is None or not wanted(call):
            pass
    return call


@pytest.mark.programs
async def test_a_call_is_seen_while_the_hook_is_asked_and_to_its_end(tmp_path: Path) -> None:
    async with FakeHook("slow") as hook:
        configured = settings(tmp_path, hook.url)
        async with service.running(configured) as bridge:
            feed = CallFeed(tmp_path / LEDGER)
            assert await feed.look() is None
            caller = FakeAsterisk(keys="4155550123,1", sounds=shipped_milliseconds)
            calling = asyncio.create_task(
                caller.call("127.0.0.1", bridge.port, f"consent?to={DID}")
            )
            await hook.received()
            live = await until(feed, lambda call: "asked" in kinds(call))
            assert (live["ended"], live["sentence"]) == (False, None)
            assert live["consent"]["states"] == STORED
            assert await feed.look() == live
            hook.hold.set()
            await calling
            ended = await until(
                feed, lambda call: call["ended"] and call["consent"]["states"] != STORED
            )
    assert ended["id"] == live["id"]
    assert ended["consent"] == {"id": live["consent"]["id"], "states": [*STORED, "accepted"]}
    assert {"stored", "hook", "dial", "dialled"} <= set(kinds(ended))
    assert ended["sentence"]
    assert NUMBER[-10:-2] not in str(ended)


def test_a_call_that_has_ended_stays_until_a_newer_one_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file has a call up to a second after the socket has it no more."""
    feed = CallFeed(tmp_path / LEDGER)
    older, newer = (
        {**drafted_call(), "id": f"{number:014x}", "line": line}
        for number, line in ((1, "older"), (2, "newer"))
    )
    found: dict[str, Any] = {}
    monkeypatch.setattr(feed, "_found", lambda _: dict(found))

    def look(call: dict[str, Any]) -> str:
        found.clear()
        found.update(call)
        shown = asyncio.run(feed.look())
        assert shown is not None
        return str(shown["line"])

    assert look(newer) == "newer"
    assert look(older) == "newer"


async def test_a_page_that_has_called_follows_its_own_call_and_no_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "ask", not_running)
    now = time.time_ns() // 1_000_000
    writer = HistoryWriter(tmp_path, 14)
    feed = CallFeed(tmp_path / LEDGER)
    for number, line in enumerate(("own", "other")):
        writer.put(drafted(begun=now - 2000 + number, line=line, uniqueid=f"17.{number}"))
    assert writer.close(60)
    assert (await feed.look("17.0") or {})["line"] == "own"
    assert (await feed.look() or {})["line"] == "other"
    assert await feed.look("17.2") is None


def drafted_call() -> dict[str, Any]:
    return {"line": "shop", "consent": None, "ended": True, "sentence": "", "timeline": []}


async def test_a_call_that_a_killed_bridge_left_open_is_not_shown_as_going_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = HistoryWriter(tmp_path, 14, owner=True)
    writer.put(drafted(begun=time.time_ns() // 1_000_000 - 5000))
    writer.put(drafted(lasts=True))
    writer.close()
    monkeypatch.setattr(feed_module, "ask", not_running)
    assert await CallFeed(tmp_path / LEDGER).look() is None


def not_running(*_: object, **__: object) -> dict[str, Any]:
    raise ControlError("not_running", "no service runs")


async def test_a_ledger_that_cannot_be_read_leaves_the_consent_out(tmp_path: Path) -> None:
    feed = CallFeed(tmp_path / LEDGER)
    assert await feed._consent("01a206fc-0000-7000-8000-000000000000") is None
