"""Back and reload in a real Chromium: pages come again, and nothing is done twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from playwright.async_api import expect

from agi_bridge.app.ledger import open_ledger
from agi_bridge.settings import ConsoleSettings
from tests.support.browser import chromium, faults
from tests.support.consent_records import NUMBER
from tests.support.console_serving import PASSWORD, PEOPLE, FakeService, serving

if TYPE_CHECKING:
    from tests.support.sample_ledger import SampleLedger

pytestmark = pytest.mark.programs

FRESH: Final = "+14155550188"
"""A number without a record."""


@pytest.mark.timeout(300)  # it waits for many pages
async def test_back_and_reload_show_pages_and_repeat_no_act(sample: SampleLedger) -> None:
    settings = sample.settings.model_copy(
        update={"console": ConsoleSettings.model_validate(dict(PEOPLE))}
    )
    async with (
        await open_ledger(settings) as ledger,
        serving(FakeService(settings, kept=ledger)) as client,
        chromium() as browser,
    ):
        base = str(client.base_url).rstrip("/")
        page = await browser.new_page()
        addresses: list[str] = []
        page.on("framenavigated", lambda frame: addresses.append(frame.url))
        await page.goto(f"{base}/consents")
        await page.fill("#name", "alice")
        await page.fill("#password", PASSWORD)
        await page.click("main button")

        await page.fill("#number", NUMBER)
        await page.get_by_role("button", name="Find").click()
        found = page.get_by_text("The records of +1***")
        await expect(found).to_be_visible()
        await page.locator("tbody a").first.click()
        await page.wait_for_url(f"{base}/consents/*")
        await page.go_back()
        await expect(found).to_be_visible()

        await page.goto(f"{base}/consents/{sample.unknown}")
        await page.get_by_role("button", name="Show the numbers").click()
        shown = page.get_by_text("The numbers are shown in full")
        await expect(shown).to_be_visible()
        await page.reload()
        await expect(shown).to_be_visible()
        assert await faults(page) == []
        rows = await ledger.rows_of(sample.unknown)
        assert [row.type for row in rows].count("revealed") == 1

        await page.goto(f"{base}/consents")
        await page.fill("#number", FRESH)
        await page.get_by_role("button", name="Revoke …").click()
        await page.get_by_role("button", name="Revoke now").click()
        await page.wait_for_url(f"{base}/consents/*")
        record = page.url.rpartition("/")[2]
        await page.go_back()
        await page.get_by_label("knows already").check()
        await page.get_by_role("button", name="Revoke now").click()
        await expect(page.get_by_text("was stored before")).to_be_visible()
        assert await faults(page) == []
        rows = await ledger.rows_of(record)
        assert [row.type for row in rows] == ["revocation", "resolved"]

        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("heading", name="Sign in").wait_for()
        await page.go_back()
        await page.get_by_role("heading", name="Sign in").wait_for()
        assert not [each for each in addresses for number in (NUMBER, FRESH) if number[2:] in each]
