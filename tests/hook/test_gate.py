"""The last check before the first byte: when it is asked, and what its answer does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from agi_bridge.hook import HookClient, Outcome, transport
from tests.support.hook_servers import (
    DIAL,
    Connection,
    Deadline,
    answering,
    answers,
    serving,
    submit,
)

if TYPE_CHECKING:
    import pytest

    from agi_bridge.hook.connection import Connection as HookConnection


async def test_a_gate_that_refuses_gives_its_reason_and_nothing_is_tried_again() -> None:
    asked = 0

    async def gate() -> str | None:
        nonlocal asked
        asked += 1
        return "revoked"

    requests: list[bytes] = []
    async with serving(answering(requests, DIAL)) as server, HookClient(server.url) as client:
        result = await submit(client, gate)
    assert (result.outcome, result.reason) == (Outcome.NOT_SENT, "revoked")
    assert (result.held_back, result.attempts, asked, requests) == (True, 1, 1, [])


async def test_each_attempt_asks_the_gate_of_its_own_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = asyncio.Event()

    async def leaves_first(connection: Connection) -> None:
        if server.connections > 1:
            await answers(connection)
        else:
            connection.writer.close()
            gone.set()

    asked = 0
    opened: list[HookConnection] = []
    real = transport.HookTransport._connect

    async def noted(*arguments: Any) -> HookConnection:
        opened.append(await real(*arguments))
        return opened[-1]

    monkeypatch.setattr(transport.HookTransport, "_connect", noted)

    async def gate() -> str | None:
        nonlocal asked
        asked += 1
        if asked == 1:
            await gone.wait()
            while opened[0].usable:  # noqa: ASYNC110 - the end of a connection is not announced
                await asyncio.sleep(0)
        return None

    async with serving(leaves_first) as server, HookClient(server.url) as client:
        result = await submit(client, gate)
    # The first connection was closed while the gate looked: known, so nothing was risked.
    assert (result.outcome, result.attempts, asked) == (Outcome.ACCEPTED, 2, 2)


async def test_a_gate_that_fails_holds_the_request_back_and_is_asked_again() -> None:
    asked = 0

    async def gate() -> str | None:
        nonlocal asked
        asked += 1
        raise LookupError

    requests: list[bytes] = []
    async with serving(answering(requests, DIAL)) as server, HookClient(server.url) as client:
        result = await submit(client, gate)
    assert (result.outcome, result.reason, result.held_back) == (
        Outcome.NOT_SENT,
        "gate_failed",
        True,
    )
    assert requests == []


async def test_a_gate_that_hangs_ends_with_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[bytes] = []
    deadline = Deadline(monkeypatch)

    async def hangs() -> None:
        deadline.falls()
        await asyncio.Event().wait()

    async with (
        serving(answering(requests, DIAL)) as server,
        HookClient(server.url, total_seconds=60) as client,
    ):
        result = await submit(client, hangs)
    assert (result.outcome, result.reason, requests) == (Outcome.NOT_SENT, "gate_timeout", [])
