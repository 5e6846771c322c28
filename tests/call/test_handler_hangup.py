"""Whole calls that end early: hangups at every step, and a bridge that is stopped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from agi_bridge.agi.testing import DialOutcome, FakeAsterisk
from tests.support.call_env import DID, CallEnv, shipped_milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence


NUMBER = "+14155550123"
AGREES = "4155550123,1"
FORWARD = "PJSIP/+14155550199@trunk"
DEFAULT = "PJSIP/100"
AGREEMENT = ["disclosed", "entered", "confirmed", "submitting"]


def dialled(call: Any) -> list[str]:
    return [dial.destination for dial in call.dialled]


# Hangups


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


async def test_a_bridge_that_is_stopped_in_mid_dialogue_leaves_its_line_and_no_consent(
    call_env: CallEnv,
) -> None:
    playing = asyncio.Event()

    def listen(event: Any) -> None:
        if event.kind == "playing":
            playing.set()

    handler = await call_env.handler()
    fake = FakeAsterisk(keys="", sounds=shipped_milliseconds, pace=1.0, on_event=listen)
    tasks: list[asyncio.Task[None]] = []

    async def watched(channel: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        await handler(channel)

    call = asyncio.create_task(fake.run(watched, f"x?to={DID}"))
    await playing.wait()
    with capture_logs() as logs:
        tasks[0].cancel()
        await asyncio.wait({call})
    assert [log["event"] for log in logs] == ["call", "agi.call_cancelled"]
    assert (await call_env.states()) == []


async def test_a_bridge_that_is_stopped_while_the_hook_thinks_leaves_it_to_the_next_start(
    call_env: CallEnv,
) -> None:
    call_env.fake_hook.scenario = "slow"
    handler = await call_env.handler()
    tasks: list[asyncio.Task[None]] = []

    async def watched(channel: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        await handler(channel)

    fake = FakeAsterisk(keys=AGREES, sounds=shipped_milliseconds)
    call = asyncio.create_task(fake.run(watched, f"x?to={DID}"))
    await call_env.fake_hook.received()
    tasks[0].cancel()
    await asyncio.wait({call})
    assert await call_env.states() == AGREEMENT
    await call_env.ledger.recover()
    assert (await call_env.states())[-1] == "unknown"
