"""Whole calls that end early: hangups at every step, and a bridge that is stopped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from agi_bridge.agi.testing import DialOutcome, FakeAsterisk
from tests.support.call_env import (
    AGREEMENT,
    AGREES,
    DID,
    FORWARD,
    CallEnv,
    dialled,
    shipped_milliseconds,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi_bridge.agi import Channel
    from agi_bridge.call import CallHandler


class CancellableHandler:
    """Runs a handler whose call can be cancelled, as a forced stop does."""

    def __init__(self, handler: CallHandler) -> None:
        self._handler = handler
        self._task: asyncio.Task[Any] | None = None

    async def __call__(self, channel: Channel) -> None:
        self._task = asyncio.current_task()
        await self._handler(channel)

    def cancel(self) -> None:
        assert self._task is not None
        self._task.cancel()


def hangs_up_at(*words: str) -> Any:
    def wanted(command: Sequence[str]) -> bool:
        return list(command[: len(words)]) == list(words)

    return wanted


@pytest.mark.parametrize("mode", ["line", "silent", "eof"])
@pytest.mark.parametrize(
    ("keys", "hangup_at", "states"),
    [
        ("", hangs_up_at("ANSWER"), []),
        ("", hangs_up_at("STREAM", "FILE"), ["disclosed", "abandoned"]),
        ("415!", None, ["disclosed", "abandoned"]),
        ("4155550123,!", None, ["disclosed", "entered", "abandoned"]),
        ("4155550123", hangs_up_at("SAY", "DIGITS"), ["disclosed", "entered", "abandoned"]),
        (AGREES, hangs_up_at("EXEC", "Dial"), [*AGREEMENT, "accepted"]),
    ],
    ids=["answer", "disclosure", "keying", "confirm", "read-back", "dialled"],
)
async def test_a_hangup_ends_the_call_and_is_on_record(
    call_env: CallEnv, keys: str, hangup_at: Any, states: list[str], mode: str
) -> None:
    call = await call_env(keys, hangup_at=hangup_at, hangup_mode=mode)
    assert await call_env.states() == states
    assert call.hung_up
    if mode != "eof":
        assert call.variables["AGI_BRIDGE_RESULT"] == "hangup"
    if states and states[-1] == "abandoned":
        assert call_env.fake_hook.requests == []
        assert await call_env.ledger.number((await call_env.events())[0].consent_id) is None


async def test_a_hangup_after_1_still_submits_once_and_connects_nobody(call_env: CallEnv) -> None:
    call_env.fake_hook.scenario = "slow"
    fake = FakeAsterisk(keys=AGREES, sounds=shipped_milliseconds)
    call = asyncio.create_task(fake.run(await call_env.handler(), f"x?to={DID}"))
    await call_env.fake_hook.received()
    fake.hang_up()
    call_env.fake_hook.hold.set()
    record = await call
    assert len(call_env.fake_hook.requests) == 1
    assert await call_env.states() == [*AGREEMENT, "accepted"]
    assert record.dialled == []
    assert record.variables["AGI_BRIDGE_RESULT"] == "hangup"
    assert "AGI_BRIDGE_CONSENT" in record.variables


async def test_a_caller_who_leaves_the_dialled_call_is_not_dialled_again(call_env: CallEnv) -> None:
    with capture_logs() as logs:
        call = await call_env(AGREES, dial=DialOutcome("ANSWER", caller_hangs_up=True))
    assert dialled(call) == [FORWARD]
    assert logs[-1]["dial"] == "ANSWER"
    assert logs[-1]["result"] == "hangup"


async def test_a_dialogue_cancelled_by_a_stop_writes_its_log_line_and_no_consent(
    call_env: CallEnv,
) -> None:
    playing = asyncio.Event()

    def listen(event: Any) -> None:
        if event.kind == "playing":
            playing.set()

    handler = CancellableHandler(await call_env.handler())
    fake = FakeAsterisk(keys="", sounds=shipped_milliseconds, pace=1.0, on_event=listen)
    call = asyncio.create_task(fake.run(handler, f"x?to={DID}"))
    await playing.wait()
    with capture_logs() as logs:
        handler.cancel()
        await asyncio.wait({call})
    assert [log["event"] for log in logs] == ["call", "agi.call_cancelled"]
    assert (await call_env.states()) == []


async def test_a_submission_cancelled_by_a_stop_is_settled_at_the_next_start(
    call_env: CallEnv,
) -> None:
    call_env.fake_hook.scenario = "slow"
    handler = CancellableHandler(await call_env.handler())
    fake = FakeAsterisk(keys=AGREES, sounds=shipped_milliseconds)
    call = asyncio.create_task(fake.run(handler, f"x?to={DID}"))
    await call_env.fake_hook.received()
    handler.cancel()
    await asyncio.wait({call})
    assert await call_env.states() == AGREEMENT
    await call_env.ledger.recover()
    assert (await call_env.states())[-1] == "unknown"
