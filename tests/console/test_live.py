"""Open pages: what is new reaches them all, once; nothing looks while none is open."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.console import live
from agi_bridge.console.live import MOST_LOOK_SECONDS, NOW, LivePages, Pace
from tests.support.console_serving import (
    LIVE_ID,
    PEOPLE,
    FakeService,
    live_call,
    serving,
    settings,
    sign_in,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection
    from pathlib import Path

    from agi_bridge.console import Live


class Stream:
    """The events of a stream, one by one."""

    def __init__(self, pages: LivePages, topic: str = NOW) -> None:
        self._body: Any = pages.stream(topic).body_iterator

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while True:
                text = bytes(await anext(self._body)).decode()
                if text.startswith("data: "):
                    found: dict[str, Any] = json.loads(text.removeprefix("data: "))
                    return found

    async def close(self) -> None:
        await self._body.aclose()


@asynccontextmanager
async def pages(service: FakeService) -> AsyncIterator[LivePages]:
    made = LivePages(service, look_seconds=0.001)
    try:
        yield made
    finally:
        await made.close()


async def test_a_page_gets_everything_first_and_then_what_is_new(tmp_path: Path) -> None:
    service = FakeService(settings(tmp_path), calls=[live_call(id="a"), live_call(id="b")])
    async with pages(service) as made:
        stream = Stream(made)
        first = await stream.next()
        assert (first["order"], set(first["rows"]), set(first["parts"])) == (
            ["a", "b"], {"a", "b"}, {"state", "problems"},
        )  # fmt: skip
        service.calls = [live_call(id="c"), live_call(id="b", step="number")]
        news = await stream.next()
        assert (news["order"], set(news["rows"]), news["parts"]) == (["c", "b"], {"b", "c"}, {})
        assert "number" in news["rows"]["b"]
        await stream.close()


async def test_the_seconds_of_a_call_are_no_news(tmp_path: Path) -> None:
    service = FakeService(settings(tmp_path), calls=[live_call()])
    async with pages(service) as made:
        stream = Stream(made)
        await stream.next()
        service.calls = [live_call(seconds=60.0, step_seconds=59.0)]
        service.calls = [live_call(seconds=61.0, step_seconds=60.0)]
        service.calls.append(live_call(id="later"))
        assert set((await stream.next())["rows"]) == {"later"}
        await stream.close()


async def test_pages_that_are_as_far_share_one_look_and_one_message(tmp_path: Path) -> None:
    service = FakeService(settings(tmp_path), calls=[live_call()])
    looks = 0
    look = service.live

    async def counted(calls: Collection[str] = ()) -> Live:
        nonlocal looks
        looks += 1
        return await look(calls)

    service.live = counted  # type: ignore[method-assign]  # counts what the pages ask
    async with pages(service) as made:
        assert looks == 0
        streams = [Stream(made) for _ in range(50)]
        messages = await asyncio.gather(*(each.next() for each in streams))
        assert all(each == messages[0] for each in messages)
        for each in streams:
            await each.close()
        before = looks
        assert made._looking is not None
        await made._looking
        assert looks <= before + 1
        assert not made._topics


async def test_a_call_that_ends_ends_its_stream(tmp_path: Path) -> None:
    service = FakeService(settings(tmp_path), calls=[live_call()])
    service.timelines[LIVE_ID] = [{"milliseconds": 1, "event": "answered", "text": "answers"}]
    async with pages(service) as made:
        stream = Stream(made, LIVE_ID)
        assert "answers" in (await stream.next())["parts"]["timeline"]
        service.timelines[LIVE_ID].append({"milliseconds": 9, "event": "key", "text": "a key"})
        assert "a key" in (await stream.next())["parts"]["timeline"]
        service.calls = []
        assert (await stream.next())["over"] is True
        assert [event async for event in stream._body] == []


async def test_a_look_that_fails_is_logged_and_the_next_one_shows(tmp_path: Path) -> None:
    service = FakeService(settings(tmp_path), calls=[live_call()])
    look, failed = service.live, asyncio.Event()

    async def once_broken(calls: Collection[str] = ()) -> Live:
        if not failed.is_set():
            failed.set()
            raise RuntimeError
        return await look(calls)

    service.live = once_broken  # type: ignore[method-assign]  # fails as a service may
    async with pages(service) as made:
        stream = Stream(made)
        assert set((await stream.next())["rows"]) == {LIVE_ID}
        assert failed.is_set()
        await stream.close()


async def test_a_stream_ends_by_itself_and_at_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = FakeService(settings(tmp_path))
    async with pages(service) as made:
        stopped = Stream(made)
        await stopped.next()
        monkeypatch.setattr(live, "STREAM_SECONDS", 0.0)
        ended = Stream(made)
        async with asyncio.timeout(20):
            events = [event async for event in ended._body]
            assert events[0].startswith(b"retry")
            assert len(events) <= 2  # what was known already
    async with asyncio.timeout(20):
        assert [event async for event in stopped._body] == []


async def test_too_many_calls_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_TOPICS", 1)
    async with pages(FakeService(settings(tmp_path))) as made:
        kept = Stream(made)
        await kept.next()
        assert [event async for event in Stream(made, LIVE_ID)._body] == [b"retry: 20000\n\n"]
        await kept.close()


async def test_the_stream_is_for_those_who_signed_in(tmp_path: Path) -> None:
    service = FakeService(settings(tmp_path, PEOPLE), calls=[live_call()])
    async with serving(service) as client:
        assert (await client.get("/live")).status_code == 303
        await sign_in(client, "bob")
        async with client.stream("GET", "/live") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    assert LIVE_ID in json.loads(line.removeprefix("data: "))["rows"]
                    break


async def test_a_page_that_is_opened_during_a_look_is_not_told_that_its_call_is_over(
    tmp_path: Path,
) -> None:
    service = FakeService(settings(tmp_path), calls=[live_call()])
    look, looking, go_on = service.live, asyncio.Event(), asyncio.Event()

    async def slow(calls: Collection[str] = ()) -> Live:
        seen = await look(calls)
        looking.set()
        await go_on.wait()
        return seen

    service.live = slow  # type: ignore[method-assign]  # is in the middle of a look
    async with pages(service) as made:
        now, call = Stream(made), Stream(made, LIVE_ID)
        first = asyncio.create_task(now.next())
        await looking.wait()
        second = asyncio.create_task(call.next())
        while LIVE_ID not in made._topics:  # noqa: ASYNC110 - a page that begins says nothing
            await asyncio.sleep(0)
        go_on.set()
        assert (await second)["over"] is False
        await first
        await now.close()
        await call.close()


async def test_a_stream_ends_with_its_session(tmp_path: Path) -> None:
    service = FakeService(settings(tmp_path, PEOPLE), calls=[live_call()])
    async with serving(service) as client:
        await sign_in(client, "bob")
        async with client.stream("GET", "/live") as answer:
            lines = answer.aiter_lines()
            async for line in lines:
                if line.startswith("data: "):
                    break
            await client.post("/sign-out")
            service.calls = [live_call(id="later")]
            assert not [line async for line in lines if "later" in line]


async def test_a_stream_ends_with_the_settings_that_let_it_in(tmp_path: Path) -> None:
    service = FakeService(settings(tmp_path), calls=[live_call()])
    async with serving(service) as client, client.stream("GET", "/live") as answer:
        lines = answer.aiter_lines()
        async for line in lines:
            if line.startswith("data: "):
                break
        service.settings = settings(tmp_path, PEOPLE)  # a reload: now people sign in
        service.calls = [live_call(id="later")]
        assert not [line async for line in lines if "later" in line]


async def test_a_cure_is_shown_with_its_command_and_where_the_console_has_it(
    tmp_path: Path,
) -> None:
    service = FakeService(settings(tmp_path))
    service.pretended.state.waiting = {"message": 1}
    async with serving(service) as client:
        text = (await client.get("/")).text
    assert "<code>agi-bridge consents list --open</code>" in text
    assert text.count('<a href="/to-do">To do</a>') > 2


def test_looks_that_cost_more_are_further_apart_up_to_a_limit() -> None:
    """Milliseconds of processor time of each look and its events, and the pause after it."""
    looks = [(1, 0.1), (4, 0.1), (8, 0.2), (12, 0.3), (200, MOST_LOOK_SECONDS), (1, 0.1)]
    spent = [0.0]
    pace = Pace(0.1, lambda: spent[-1])
    assert pace.seconds == 0.1
    for milliseconds, pause in looks:
        spent.append(spent[-1] + milliseconds / 1000)
        pace.adapt()
        assert pace.seconds == pytest.approx(pause)
