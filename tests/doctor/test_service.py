"""The bridge is asked where the dialplan looks for it: it is well, hangs, is elsewhere, refuses."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agi_bridge.agi import Server
from agi_bridge.app.control import ControlSocket
from agi_bridge.doctor import Level, judge_service
from agi_bridge.net import bind
from tests.support.call_env import settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.agi import Channel

EVERYWHERE = "0.0.0.0"  # noqa: S104 - for a moment, and only for the peers that a test allows
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


@pytest.mark.parametrize(
    ("says", "level"),
    [
        ("ready", Level.OK),
        ("degraded", Level.NOTE),
        ("not_ready", Level.FAULT),
        ("well", Level.FAULT),
        (None, Level.NOT_LOOKED_AT),
    ],
)
async def test_a_bridge_that_lets_in_the_pbx_alone_is_asked_through_its_socket(
    tmp_path: Path, says: str | None, level: Level
) -> None:
    closes = Server(_never, host=EVERYWHERE, port=0, allow=["192.0.2.9/32"])
    handlers = {"status": lambda _: {"level": says}}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(closes)
        if says is not None:
            await stack.enter_async_context(ControlSocket(tmp_path, handlers))
        agi = {"host": EVERYWHERE, "port": server.port, "allow": ["192.0.2.9/32"]}
        found = await judge_service(settings(tmp_path, tables={"agi": agi}), running=True)
    assert found.level is level
    assert found.fix or level is Level.OK


async def test_what_closes_the_connection_is_a_fault_where_the_bridge_would_let_us_in(
    tmp_path: Path,
) -> None:
    async with bridge("") as port:
        agi = {"host": EVERYWHERE, "port": port, "allow": ["127.0.0.0/8"]}
        found = await judge_service(settings(tmp_path, tables={"agi": agi}), running=True)
    assert found.level is Level.FAULT


async def _never(_channel: Channel) -> None:
    raise AssertionError


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
