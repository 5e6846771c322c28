"""The bridge is asked where the dialplan looks for it: it is well, hangs, is elsewhere, refuses."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agi_bridge.agi import Server
from agi_bridge.doctor import Level, judge_service
from agi_bridge.net import bind
from tests.support.call_env import settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.agi import Channel

TOKEN = "4c1ff8d9bdcb4d0f9e8a7b6c5d4e3f2a"


@asynccontextmanager
async def bridge(health: str, token: str | None = None) -> AsyncIterator[int]:
    async def answer(channel: Channel) -> None:
        assert (channel.environment.script or "").partition("?")[0] == "health"
        if health:
            await channel.set_variable("AGI_BRIDGE_HEALTH", health)

    async with Server(answer, host="127.0.0.1", port=0, token=token) as server:
        yield server.port


@pytest.mark.parametrize(
    ("health", "level"),
    [
        ("ready", Level.OK),
        ("degraded", Level.NOTE),
        ("not_ready", Level.FAULT),
        ("", Level.FAULT),
        ("4155550111", Level.FAULT),
    ],
)
async def test_the_bridge_says_how_it_is(health: str, level: Level) -> None:
    async with bridge(health) as port:
        found = await judge_service(settings(tables={"agi": {"port": port}}), running=True)
    assert found.level is level
    assert "4155550111" not in repr(found)


@pytest.mark.parametrize("given", [TOKEN, f"{TOKEN}x"])
async def test_the_token_is_given_as_the_dialplan_gives_it(tmp_path: Path, given: str) -> None:
    (tmp_path / "token").write_text(given)
    async with bridge("ready", TOKEN) as port:
        agi = {"port": port, "token": {"file": str(tmp_path / "token")}}
        found = await judge_service(settings(tables={"agi": agi}), running=True)
    assert found.level is (Level.OK if given == TOKEN else Level.FAULT)
    assert TOKEN not in repr(found)


async def test_a_bridge_that_hangs_is_a_fault_though_its_lock_is_held() -> None:
    (hangs,) = bind("127.0.0.1", 0, "test")  # the kernel takes the connection, nobody reads
    with hangs:
        hangs.listen()
        agi = {"port": hangs.getsockname()[1]}
        found = await judge_service(settings(tables={"agi": agi}), running=True, seconds=0.1)
    assert found.level is Level.FAULT
    assert "hangs" in found.what


async def test_a_bridge_that_is_elsewhere_or_not_there_is_a_fault() -> None:
    (taken,) = bind("127.0.0.1", 0, "test")  # bound, and nobody listens
    with taken:
        given = settings(tables={"agi": {"port": taken.getsockname()[1]}})
        assert (await judge_service(given, running=True)).level is Level.FAULT
        assert (await judge_service(given, running=False)).level is Level.FAULT
