"""The pages in a real Chromium: without a finding, at every size and scheme, by keyboard alone."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.app.ledger import open_ledger
from agi_bridge.console import live
from agi_bridge.history import CallFilter, open_history
from agi_bridge.history.writer import HistoryWriter
from agi_bridge.http_server import connections
from agi_bridge.settings import ConsoleSettings
from tests.support.browser import PATIENCE_MS, SCHEMES, SIZES, chromium, faults, overflows
from tests.support.console_serving import (
    LIVE_ID,
    PASSWORD,
    PEOPLE,
    FakeService,
    live_call,
    serving,
    settings,
)
from tests.support.history_calls import NUMBER, drafted

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import Page

    from tests.support.sample_ledger import SampleLedger

pytestmark = pytest.mark.programs

SHOTS = os.environ.get("AGI_BRIDGE_SCREENSHOTS")
"""A folder for pictures of the pages, to look at."""
NOON = 1_795_780_800_000
AGREED = {"begun": NOON, "number": NUMBER, "declined": None, "hook": "accepted",
          "result": "done", "ended": "far_end", "dials": [("forward", "ANSWER")],
          "consent": "01a2175f-f135-737c-a412-0c8cd7030ff1"}  # fmt: skip


def busy(folder: Path) -> FakeService:
    """A service with a call in progress, and with something wrong."""
    service = FakeService(settings(folder, PEOPLE), calls=[live_call()])
    service.timelines[LIVE_ID] = [
        {"milliseconds": 0, "event": "answered", "text": "the bridge answers"}
    ]
    service.pretended.hook_open = True
    service.pretended.calls = 1
    return service


async def sign_in(page: Page, base: str, name: str = "alice") -> None:
    await page.goto(f"{base}/sign-in")
    await page.fill("#name", name)
    await page.fill("#password", PASSWORD)
    await page.click("main button")
    await page.wait_for_url(f"{base}/")


async def looked_at(page: Page, name: str) -> list[str]:
    """What is wrong with a page, at every size and in both schemes."""
    wrong: list[str] = []
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            wrong += [
                f"{width} {scheme}: {each}"
                for each in await faults(page, colours=scheme != SCHEMES[0])
            ]
            if await overflows(page):
                wrong.append(f"{width} {scheme}: {page.url} is too wide")
            if SHOTS:
                Path(SHOTS).mkdir(parents=True, exist_ok=True)
                await page.screenshot(
                    path=Path(SHOTS) / f"{name}-{width}-{scheme}.png", full_page=True
                )
    return wrong


def filled(folder: Path) -> str:
    """A history with two calls; the id of the newer one."""
    writer = HistoryWriter(folder, 7000)
    for call in ({"begun": NOON - 60_000}, AGREED):
        writer.put(drafted(**call))
    assert writer.close(60)
    with open_history(folder, running=True) as reader:
        return reader.find(CallFilter())[0].id


@pytest.mark.timeout(300)  # it looks at every page four times
async def test_every_page_is_for_everybody(sample: SampleLedger) -> None:
    settings = sample.settings.model_copy(
        update={"console": ConsoleSettings.model_validate(dict(PEOPLE))}
    )
    call = filled(settings.state_dir)
    async with (
        await open_ledger(settings) as ledger,
        serving(replace(busy(sample.folder), settings=settings, kept=ledger)) as client,
        chromium() as browser,
    ):
        base = str(client.base_url).rstrip("/")
        page = await browser.new_page()
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        await page.goto(f"{base}/")
        wrong = await looked_at(page, "sign-in")
        await sign_in(page, base)
        for name, path in {
            "now": "/",
            "calls": "/calls",
            "call": f"/calls/{call}",
            "call-live": f"/calls/{LIVE_ID}",
            "day": "/calls/day?day=2026-11-27",
            "consents": "/consents",
            "consent": f"/consents/{sample.unknown}",
            "hostile": f"/consents/{sample.other}",
            "to-do": "/to-do",
            "prompts": "/prompts",
            "settings": "/settings",
            "refused": "/nothing",
        }.items():
            answer = await page.goto(f"{base}{path}", wait_until="domcontentloaded")
            assert answer is not None
            assert answer.status == (404 if name == "refused" else 200), path
            wrong += await looked_at(page, name)
            assert await page.title() != ""
        await page.goto(f"{base}/consents/{sample.unknown}")
        await page.get_by_role("button", name="Revoke …").click()
        await page.wait_for_url(f"{base}/revoke/*")
        wrong += await looked_at(page, "revoke")
        assert wrong == []
        assert [each for each in problems if "404" not in each] == []


async def test_a_call_appears_and_goes_without_a_reload_and_keeps_the_focus(
    tmp_path: Path,
) -> None:
    service = busy(tmp_path)
    async with serving(service) as client, chromium() as browser:
        base = str(client.base_url).rstrip("/")
        page = await browser.new_page()
        await sign_in(page, base)
        row = page.locator(f'[data-row="{LIVE_ID}"]')
        await row.get_by_role("link").focus()
        service.calls = [live_call(id="fedcba98765432", step="arrived"), live_call(step="number")]
        await page.locator('[data-row="fedcba98765432"]').wait_for()
        await row.get_by_text("number", exact=True).wait_for()
        focused = await page.evaluate("() => document.activeElement.getAttribute('href')")
        assert focused == f"/calls/{LIVE_ID}"
        service.calls = []
        await page.get_by_text("No call is in progress").wait_for()
        assert await row.count() == 0


async def test_a_page_that_is_hidden_leaves_its_connection_to_others(tmp_path: Path) -> None:
    """Browsers have six to a host: the seventh page would wait for ever."""
    service = busy(tmp_path)
    async with serving(service) as client, chromium() as browser:
        base = str(client.base_url).rstrip("/")
        context = await browser.new_context()
        hidden = []
        for number in range(7):
            page = await context.new_page()
            if number:
                await page.goto(f"{base}/")
            else:
                await sign_in(page, base)
            await page.locator(f'[data-row="{LIVE_ID}"]').wait_for()
            await see(page, hidden=True)
            hidden.append(page)
        service.calls = [live_call(id="fedcba98765432", step="arrived")]
        shown = await context.new_page()
        await shown.goto(f"{base}/")
        service.calls = [live_call(id="00000098765432", step="arrived")]
        await shown.locator('[data-row="00000098765432"]').wait_for()
        assert await hidden[0].locator('[data-row="00000098765432"]').count() == 0
        await see(hidden[0], hidden=False)
        await hidden[0].locator('[data-row="00000098765432"]').wait_for()


async def test_windows_that_are_all_in_sight_leave_connections_to_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "STREAM_SECONDS", 3600.0)  # no page gets one because another ends
    monkeypatch.setattr(connections, "EXCHANGE_SECONDS", 3600.0)
    service = busy(tmp_path)
    async with serving(service) as client, chromium() as browser:
        base = str(client.base_url).rstrip("/")
        context = await browser.new_context()
        windows = [await context.new_page() for _ in range(8)]
        await sign_in(windows[0], base)
        for window in windows:
            await window.goto(f"{base}/")
        service.calls = [live_call(id="fedcba98765432", step="arrived")]
        for window in windows:
            await window.locator('[data-row="fedcba98765432"]').wait_for(timeout=PATIENCE_MS)
        for window in windows[:6]:
            await window.close()  # and the others take over what it had
        service.calls = [live_call(id="00000098765432", step="arrived")]
        for window in windows[6:]:
            await window.locator('[data-row="00000098765432"]').wait_for(timeout=PATIENCE_MS)
            await window.get_by_role("link", name="Calls").click()
            await window.get_by_role("heading", name="Calls").wait_for()


async def see(page: Page, *, hidden: bool) -> None:
    """Let a page be hidden, or shown, which a browser without a screen does not by itself."""
    await page.evaluate(
        "(hidden) => { Object.defineProperty(document, 'hidden', {value: hidden, "
        "configurable: true}); document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


async def test_a_link_from_another_site_opens_the_page_of_who_is_signed_in(
    tmp_path: Path,
) -> None:
    async with serving(busy(tmp_path)) as client, chromium() as browser:
        base = str(client.base_url).rstrip("/")
        context = await browser.new_context()
        await context.route(
            "http://chat.example/**",
            lambda route: route.fulfill(
                content_type="text/html", body=f'<a href="{base}/calls?line=shop">the calls</a>'
            ),
        )
        page = await context.new_page()

        async def follow_link() -> None:
            await page.goto("http://chat.example/")
            await page.get_by_role("link", name="the calls").click()

        await follow_link()
        await page.wait_for_url(f"{base}/sign-in?next=*")
        await sign_in(page, base)
        await follow_link()
        await page.wait_for_url(f"{base}/calls?line=shop")
        await page.get_by_role("heading", name="Calls").wait_for()


async def test_a_whole_job_by_keyboard_and_without_scripts(
    tmp_path: Path, write: Callable[..., None]
) -> None:
    write({"begun": NOON - 60_000}, AGREED, days=7000)
    async with serving(busy(tmp_path)) as client, chromium() as browser:
        base = str(client.base_url).rstrip("/")
        context = await browser.new_context(java_script_enabled=False)
        page = await context.new_page()
        await page.goto(f"{base}/calls")
        assert "/sign-in" in page.url
        await page.locator("#name:focus").wait_for()
        keys = page.keyboard
        await keys.type("alice")
        await keys.press("Tab")
        await page.locator("#password:focus").wait_for()
        await keys.type(PASSWORD)
        await keys.press("Enter")
        await page.get_by_role("heading", name="Calls").wait_for()
        assert page.url == f"{base}/calls"
        await keys.press("Tab")
        assert await page.locator(":focus").inner_text() == "Skip to the content"
        await keys.press("Enter")
        for _ in range(5):  # day (month, day, year, picker), line
            await keys.press("Tab")
        while await page.locator(":focus").get_attribute("id") != "number":
            await keys.press("Tab")
        await keys.type(NUMBER)
        await keys.press("Enter")
        await page.get_by_text("The calls of +1***23").wait_for()
        assert NUMBER[1:] not in page.url
        link = page.locator("tbody a")
        await link.focus()
        await keys.press("Enter")
        await page.wait_for_url(f"{base}/calls/*")
        assert "The caller agreed" in await page.locator(".lead").inner_text()
