"""The page in a real Chromium: how it follows the bridge's calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from agi_bridge.http_server import connections
from agi_bridge.lab.browser import server
from tests.lab.browser.test_server import ScriptedFeed, page_of
from tests.support.browser import chromium

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.programs


def call(id_: str) -> dict[str, Any]:
    return {
        "id": id_,
        "line": "shop",
        "ended": False,
        "sentence": None,
        "consent": None,
        "timeline": [{"milliseconds": 0, "event": "answered", "text": "the bridge answers"}],
    }


async def shows(page: Page, id_: str) -> None:
    await expect(page.locator("#call-id")).to_have_text(f"{id_}, in progress")


async def test_the_eighth_telephone_loads_and_follows_the_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Browsers have six connections to a host: the seventh page would wait for ever."""
    monkeypatch.setattr(server, "STREAM_SECONDS", 3600.0)
    monkeypatch.setattr(connections, "EXCHANGE_SECONDS", 3600.0)
    feed = ScriptedFeed()
    feed.call = call("1")
    async with page_of(feed) as served, chromium() as browser:
        context = await browser.new_context()
        pages = [await context.new_page() for _ in range(8)]
        for page in pages:
            await page.goto(served.url)
            await shows(page, "1")
        feed.call = call("2")
        for page in pages:
            await shows(page, "2")
