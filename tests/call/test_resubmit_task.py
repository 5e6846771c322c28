"""The task that sends again: its pauses, and what a cancellation leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.call.resubmit import Resubmitter
from agi_bridge.consent import State, Unsent
from tests.support.resubmit_bench import ResubmitBench, unsent

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.hook import Submission


class Pauses:
    """Lets the task's pauses end when the test says so."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[bool, float]] = asyncio.Queue()
        self.go = asyncio.Semaphore(0)

    async def __call__(self, news: asyncio.Event, seconds: float) -> None:
        self.asked.put_nowait((news.is_set(), seconds))
        await self.go.acquire()


async def running(bench: ResubmitBench, pause: Callable[..., Any]) -> asyncio.Task[None]:
    bench.resubmission = bench.new_resubmission(pause=pause)
    return asyncio.create_task(bench.resubmission.run())


async def ends(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_task_sleeps_until_the_next_attempt_is_due() -> None:
    bench, pauses = ResubmitBench(unsent("a")), Pauses()
    task = await running(bench, pauses)
    assert await pauses.asked.get() == (False, 15.0)
    bench.clock = 15.0
    pauses.go.release()
    assert await pauses.asked.get() == (False, 60.0)
    assert len(bench.submitted) == 1
    await ends(task)


async def test_news_that_comes_during_a_round_is_not_slept_over() -> None:
    bench, pauses = ResubmitBench(unsent("a")), Pauses()
    bench.clock = 15.0
    submit = bench.submit

    async def and_news(**fields: Any) -> Submission:
        bench.services.resubmission_due.set()
        return await submit(**fields)

    bench.submit = and_news  # type: ignore[method-assign]  # stands in for this test
    task = await running(bench, pauses)
    assert await pauses.asked.get() == (True, 60.0)
    await ends(task)


async def test_the_real_pause_ends_with_the_news() -> None:
    bench = ResubmitBench()
    looked: asyncio.Queue[None] = asyncio.Queue()
    empty = bench.unsent

    async def unsent_() -> list[Unsent]:
        looked.put_nowait(None)
        return await empty()

    bench.unsent = unsent_  # type: ignore[method-assign]  # stands in for this test
    task = asyncio.create_task(Resubmitter(bench.services).run())
    await looked.get()
    bench.services.resubmission_due.set()
    await asyncio.wait_for(looked.get(), 10)  # far less than it would have slept
    await ends(task)


@pytest.mark.parametrize("where", ["unsent", "load_for_retry", "append", "submit"])
async def test_cancelled_anywhere_it_ends_and_has_sent_at_most_once(where: str) -> None:
    bench = ResubmitBench(unsent("a"))
    bench.clock = 15.0
    reached = asyncio.Event()

    async def stuck(*_: Any, **__: Any) -> Any:
        reached.set()
        await asyncio.Event().wait()

    setattr(bench, where, stuck)
    task = asyncio.create_task(bench.resubmission.run())
    await reached.wait()
    await ends(task)
    stored = [event[1] for event in bench.events]
    assert stored == ([State.SUBMITTING] if where == "submit" else [])
    assert bench.submitted == []


async def test_a_stop_lets_the_submission_under_way_end_and_begins_none() -> None:
    bench = ResubmitBench(unsent("a"), unsent("b"))
    bench.clock = 15.0
    stopping, reached, go = asyncio.Event(), asyncio.Event(), asyncio.Event()
    bench.resubmission = bench.new_resubmission(stopping=stopping)
    submit = bench.submit

    async def slow(**fields: Any) -> Submission:
        reached.set()
        await go.wait()
        return await submit(**fields)

    bench.submit = slow  # type: ignore[method-assign]  # stands in for this test
    task = asyncio.create_task(bench.resubmission.run())
    await reached.wait()
    stopping.set()
    go.set()
    await task  # by itself, without having been cancelled
    assert [event[:2] for event in bench.events] == [
        ("a", State.SUBMITTING),
        ("a", State.ACCEPTED),
    ]
    assert len(bench.submitted) == 1


async def test_a_stop_ends_the_pause() -> None:
    bench, stopping = ResubmitBench(), asyncio.Event()
    looked = asyncio.Event()
    empty = bench.unsent

    async def unsent_() -> list[Unsent]:
        looked.set()
        return await empty()

    bench.unsent = unsent_  # type: ignore[method-assign]  # stands in for this test
    task = asyncio.create_task(bench.new_resubmission(stopping=stopping).run())
    await looked.wait()
    stopping.set()
    await asyncio.wait_for(task, 10)  # it would have slept for a minute


@pytest.mark.parametrize("where", ["unsent", "load_for_retry"])
async def test_a_stop_before_the_first_byte_sends_nothing(where: str) -> None:
    bench = ResubmitBench(unsent("a"))
    bench.clock = 15.0
    stopping = asyncio.Event()
    bench.resubmission = bench.new_resubmission(stopping=stopping)
    asked = getattr(bench, where)

    async def and_stop(*arguments: Any) -> Any:
        stopping.set()
        return await asked(*arguments)

    setattr(bench, where, and_stop)
    await bench.resubmission.run()
    assert bench.events == []
    assert bench.submitted == []
