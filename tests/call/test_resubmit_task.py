"""The task that sends again: its pauses, and what a cancellation leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.call.resubmit import Resubmitter
from agi_bridge.consent import State, Unsent
from tests.support.resubmit_env import ResubmitEnv, unsent

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.hook import Submission, SubmissionRequest


class Pauses:
    """Lets the task's pauses end when the test says so."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[bool, float]] = asyncio.Queue()
        self.go = asyncio.Semaphore(0)

    async def __call__(self, news: asyncio.Event, seconds: float) -> None:
        self.asked.put_nowait((news.is_set(), seconds))
        await self.go.acquire()


async def running(env: ResubmitEnv, pause: Callable[..., Any]) -> asyncio.Task[None]:
    env.resubmission = env.new_resubmission(pause=pause)
    return asyncio.create_task(env.resubmission.run())


async def ends(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_task_sleeps_until_the_next_attempt_is_due() -> None:
    env, pauses = ResubmitEnv(unsent("a")), Pauses()
    task = await running(env, pauses)
    assert await pauses.asked.get() == (False, 15.0)
    env.clock = 15.0
    pauses.go.release()
    assert await pauses.asked.get() == (False, 60.0)
    assert len(env.submitted) == 1
    await ends(task)


async def test_work_that_arrives_during_a_round_is_handled_without_a_pause() -> None:
    env, pauses = ResubmitEnv(unsent("a")), Pauses()
    env.clock = 15.0
    submit = env.submit

    async def and_news(request: SubmissionRequest) -> Submission:
        env.services.resubmission_due.set()
        return await submit(request)

    env.submit = and_news  # type: ignore[method-assign]  # stands in for this test
    task = await running(env, pauses)
    assert await pauses.asked.get() == (True, 60.0)
    await ends(task)


async def test_the_real_pause_ends_with_the_news() -> None:
    env = ResubmitEnv()
    looked: asyncio.Queue[None] = asyncio.Queue()
    empty = env.unsent

    async def unsent_(unknown_since: str | None = None) -> list[Unsent]:
        looked.put_nowait(None)
        return await empty(unknown_since)

    env.unsent = unsent_  # type: ignore[method-assign]  # stands in for this test
    task = asyncio.create_task(Resubmitter(env.services).run())
    await looked.get()
    env.services.resubmission_due.set()
    await asyncio.wait_for(looked.get(), 10)  # far less than it would have slept
    await ends(task)


@pytest.mark.parametrize("where", ["unsent", "load_for_retry", "append", "submit"])
async def test_cancelled_anywhere_it_ends_and_has_sent_at_most_once(where: str) -> None:
    env = ResubmitEnv(unsent("a"))
    env.clock = 15.0
    reached = asyncio.Event()

    async def stuck(*_: Any, **__: Any) -> Any:
        reached.set()
        await asyncio.Event().wait()

    setattr(env, where, stuck)
    task = asyncio.create_task(env.resubmission.run())
    await reached.wait()
    await ends(task)
    stored = [event[1] for event in env.events]
    assert stored == ([State.SUBMITTING] if where == "submit" else [])
    assert env.submitted == []


async def test_a_stop_lets_the_submission_under_way_end_and_begins_none() -> None:
    env = ResubmitEnv(unsent("a"), unsent("b"))
    env.clock = 15.0
    stopping, reached, go = asyncio.Event(), asyncio.Event(), asyncio.Event()
    env.resubmission = env.new_resubmission(stopping=stopping)
    submit = env.submit

    async def slow(request: SubmissionRequest) -> Submission:
        reached.set()
        await go.wait()
        return await submit(request)

    env.submit = slow  # type: ignore[method-assign]  # stands in for this test
    task = asyncio.create_task(env.resubmission.run())
    await reached.wait()
    stopping.set()
    go.set()
    await task  # by itself, without having been cancelled
    assert [event[:2] for event in env.events] == [
        ("a", State.SUBMITTING),
        ("a", State.ACCEPTED),
    ]
    assert len(env.submitted) == 1


async def test_a_stop_ends_the_pause() -> None:
    env, stopping = ResubmitEnv(), asyncio.Event()
    looked = asyncio.Event()
    empty = env.unsent

    async def unsent_(unknown_since: str | None = None) -> list[Unsent]:
        looked.set()
        return await empty(unknown_since)

    env.unsent = unsent_  # type: ignore[method-assign]  # stands in for this test
    task = asyncio.create_task(env.new_resubmission(stopping=stopping).run())
    await looked.wait()
    stopping.set()
    await asyncio.wait_for(task, 10)  # it would have slept for a minute


@pytest.mark.parametrize("where", ["unsent", "load_for_retry"])
async def test_a_stop_before_the_first_byte_sends_nothing(where: str) -> None:
    env = ResubmitEnv(unsent("a"))
    env.clock = 15.0
    stopping = asyncio.Event()
    env.resubmission = env.new_resubmission(stopping=stopping)
    asked = getattr(env, where)

    async def and_stop(*arguments: Any) -> Any:
        stopping.set()
        return await asked(*arguments)

    setattr(env, where, and_stop)
    await env.resubmission.run()
    assert env.events == []
    assert env.submitted == []
