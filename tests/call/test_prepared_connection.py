"""The connection to the hook is made while the number is read back, and never for nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.hook.testing import VendorResponse
from tests.support.hook_servers import Connection, Server, http, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agi_bridge.agi.testing import CallEvent
    from tests.support.call_env import CallEnv

DIAL = http("200 OK", VendorResponse.dial("+14155550199").encode())


@pytest.fixture
async def hook() -> AsyncIterator[Server]:
    async def script(connection: Connection) -> None:
        server.requests.append(await connection.request())
        await connection.send(DIAL)
        await connection.gone()

    async with serving(script) as server:
        yield server


async def connections_at(
    call_env: CallEnv, hook: Server, keys: str, **table: object
) -> tuple[dict[str, int], str]:
    """How many connections the hook had seen whenever a key was pressed, and the last state."""
    seen: dict[str, int] = {}

    def noted(event: CallEvent) -> None:
        if event.kind == "key":
            seen[f"{len(seen)}{event.text}"] = hook.connections

    tables = {"hook": {"url": hook.url, **table}}
    await call_env(keys, {"tables": tables}, on_event=noted)
    return seen, (await call_env.states())[-1]


async def test_the_connection_is_there_before_the_caller_agrees(
    call_env: CallEnv, hook: Server
) -> None:
    seen, state = await connections_at(call_env, hook, "4155550123,1")
    assert state == "accepted"
    assert (seen["93"], seen["101"]) == (0, 1)  # the number's last digit, then the 1
    assert (hook.connections, len(hook.requests)) == (1, 1)


async def test_a_caller_who_does_not_agree_leaves_none_open(
    call_env: CallEnv, hook: Server
) -> None:
    _, state = await connections_at(call_env, hook, "4155550123,*")
    assert state == "declined"
    await hook.left.wait()
    assert hook.requests == []


async def test_a_caller_who_gives_no_number_makes_none(call_env: CallEnv, hook: Server) -> None:
    _, state = await connections_at(call_env, hook, "*")
    assert (state, hook.connections) == ("declined", 0)


async def test_the_setting_turns_it_off(call_env: CallEnv, hook: Server) -> None:
    seen, state = await connections_at(call_env, hook, "4155550123,1", prepare_seconds=0)
    assert (state, seen["101"], hook.connections) == ("accepted", 0, 1)
