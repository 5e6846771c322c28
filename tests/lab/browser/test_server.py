"""The page's server: what it serves to whom, and under which rules."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from agi_bridge.lab.browser import CallFeed, PhonePage
from agi_bridge.lab.browser import server as page_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WEBSOCKET = "ws://127.0.0.1:8088/ws"
PASSWORD = "not for others"


class ScriptedFeed:
    """A feed whose call a test sets."""

    call: dict[str, Any] | None = None

    def __init__(self) -> None:
        self.uniqueids: dict[str, str] = {}

    async def look(self, uniqueid: str = "") -> dict[str, Any] | None:
        return None if self.call is None else {**self.call, "uniqueid": uniqueid}

    async def uniqueid_of(self, call_id: str) -> str | None:
        return self.uniqueids.get(call_id)


def page_of(feed: ScriptedFeed) -> PhonePage:
    return PhonePage(
        websocket=WEBSOCKET,
        account=("browser", PASSWORD),
        destinations=[("+14155550111", "the shop")],
        answers={"4155550123": "a number"},
        sip_js={"lib/index.js": b"export {};", "package.json": b"{}"},
        feed=cast("CallFeed", feed),
        uniqueid_of=feed.uniqueid_of,
    )


@asynccontextmanager
async def served(feed: ScriptedFeed | None = None) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        page_of(feed or ScriptedFeed()) as page,
        httpx.AsyncClient(base_url=page.url, trust_env=False, timeout=60) as client,
    ):
        yield client


async def test_the_page_and_the_modules_of_its_library_are_served() -> None:
    async with served() as client:
        page = await client.get("/")
        module = await client.get("/sip.js/lib/index.js")
        scripts = [await client.get(path) for path in ("/phone.js", "/call.js", "/following.js")]
    assert "<title>Telephone" in page.text
    assert (module.text, module.headers["content-type"]) == (
        "export {};",
        "text/javascript; charset=utf-8",
    )
    assert [each.status_code for each in scripts] == [200, 200, 200]


async def test_the_page_is_told_where_and_as_whom_it_calls() -> None:
    async with served() as client:
        told = (await client.get("/phone.json")).json()
    assert (told["websocket"], told["user"], told["password"]) == (WEBSOCKET, "browser", PASSWORD)
    assert told["destinations"] == [{"number": "+14155550111", "text": "the shop"}]
    assert told["answers"] == [{"digits": "4155550123", "text": "a number"}]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.0.2.1", "[::1]"])
@pytest.mark.parametrize("path", ["/", "/phone.json", "/events", "/sip.js/lib/index.js"])
async def test_a_name_that_another_site_may_own_is_refused(host: str, path: str) -> None:
    async with served() as client:
        response = await client.get(path, headers={"Host": host})
    assert response.status_code == 400
    assert PASSWORD not in response.text


@pytest.mark.parametrize(
    "path", ["/", "/phone.json", "/sip.js/lib/index.js", "/sip.js/package.json", "/nothing"]
)
async def test_every_answer_loads_only_from_here_and_is_for_this_page_only(path: str) -> None:
    async with served() as client:
        headers = (await client.get(path)).headers
    policy = dict(
        each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == f"'self' {WEBSOCKET}"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "path", ["/sip.js/package.json", "/sip.js/lib/other.js", "/sip.js/../server.py", "/page/"]
)
async def test_nothing_else_is_served(path: str) -> None:
    async with served() as client:
        assert (await client.get(path)).status_code == 404


async def test_the_call_is_sent_each_time_it_has_changed() -> None:
    feed = ScriptedFeed()
    feed.call = {"id": "1"}
    async with served(feed) as client, client.stream("GET", "/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        assert await next_call(lines) == {"id": "1", "uniqueid": ""}
        feed.call = {"id": "2"}
        assert await next_call(lines) == {"id": "2", "uniqueid": ""}


async def test_a_page_that_has_called_is_told_of_its_own_call_alone() -> None:
    feed = ScriptedFeed()
    feed.call = {"id": "1"}
    async with (
        served(feed) as client,
        client.stream("GET", "/events", params={"call": "sip-1"}) as stream,
    ):
        lines = stream.aiter_lines()
        assert await next_call(lines) is None  # the PBX does not have it yet
        feed.uniqueids["sip-1"] = "17.5"
        assert await next_call(lines) == {"id": "1", "uniqueid": "17.5"}


async def next_call(lines: AsyncIterator[str]) -> Any:
    async for line in lines:
        if line.startswith("data: "):
            return json.loads(line.removeprefix("data: "))
    raise AssertionError("the stream has ended")


async def test_a_stream_ends_in_time_and_the_browser_asks_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page_server, "STREAM_SECONDS", 0.0)
    async with served() as client:
        assert (await client.get("/events")).text == "retry: 250\n\n"


async def test_the_end_of_the_demonstration_does_not_wait_for_open_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page_server, "STREAM_SECONDS", 3600.0)
    feed = ScriptedFeed()
    feed.call = {"id": "1"}
    page = await page_of(feed).__aenter__()
    async with httpx.AsyncClient(base_url=page.url, trust_env=False, timeout=60) as client:
        async with client.stream("GET", "/events") as stream:
            lines = stream.aiter_lines()
            await next_call(lines)
            closing = asyncio.create_task(page.__aexit__(None, None, None))
            assert [line async for line in lines if line.startswith("data: ")] == []
        await closing
