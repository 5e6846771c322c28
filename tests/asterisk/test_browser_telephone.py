"""The telephone in the browser: a whole call from a real Chromium through the real Asterisk.

What is recognised as heard is what the browser's own decoder gave out, after DTLS-SRTP and its
jitter buffer; and at the far end, the sound that went into the browser's microphone.
"""

from __future__ import annotations

import asyncio
import base64
import wave
from array import array
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
import soxr
from playwright.async_api import expect

from agi_bridge.lab.asterisk import default_tree
from agi_bridge.lab.browser import SIP_JS, CallFeed, PhonePage
from agi_bridge.lab.demo.recognizer import hears_tone, is_tone, tone
from tests.asterisk.conftest import BROWSER, DID
from tests.support.bridge_fixture import AGREEMENT, DIGITS, BridgeFixture
from tests.support.browser import PATIENCE_MS, chromium, look
from tests.support.heard import share_heard
from tests.support.screenshots import take_if_wanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

    from agi_bridge.lab.sip.phone import SipPhone
    from tests.asterisk.conftest import Pbx

pytestmark = pytest.mark.asterisk

ECHO: Final = "600"
LEAST_HEARD: Final = 0.6
"""Share of a prompt's sound that must be recognised: on a busy machine, some of it is stretched."""
MICROPHONE_HERTZ: Final = 440.0
FAR_HERTZ: Final = 620.0
_TONE_SAMPLES: Final = 2000

_EARS: Final = (Path(__file__).parent.parent / "support" / "browser_ears.js").read_text()
"""Keeps what each remote track of the page sounds like, and the keys that were sent by RTP."""


@asynccontextmanager
async def telephone(pbx: Pbx, bridge: BridgeFixture, microphone: Path) -> AsyncIterator[Page]:
    """The page of a telephone in a browser that is ready to call."""
    web = pbx.asterisk.web
    assert web is not None
    page_server = PhonePage(
        websocket=web.url,
        account=(BROWSER.name, pbx.asterisk.accounts[BROWSER.name]),
        destinations=[(DID, "the shop"), (ECHO, "an echo")],
        answers={DIGITS: "the far end's number"},
        sip_js=await SIP_JS.fetch(default_tree().parent),
        feed=CallFeed(bridge.state_dir / "consents.db"),
        uniqueid_of=pbx.asterisk.uniqueid_of,
    )
    devices = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
    )
    async with page_server, chromium(devices) as browser:
        page = await browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        problems: list[str] = []
        page.on("console", lambda said: problems.append(said.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        await page.add_init_script(_EARS)
        await page.goto(page_server.url)
        await expect(page.get_by_role("status")).to_have_text("Ready.")
        yield page
        assert problems == []


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    """A file that Chromium plays in place of a microphone, over and over."""
    path = tmp_path / "microphone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(tone(MICROPHONE_HERTZ, 2.0).tobytes())
    return path


async def sound_until_tone(page: Page, hertz: float) -> array[int]:
    """Wait until the page hears a tone; return what it has heard since the call began, at 8 kHz."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while True:
            raw, rate = await page.evaluate("browserEars.heard()")
            samples = np.frombuffer(base64.b64decode(raw), np.float32).astype(np.float64)
            heard = array("h", (soxr.resample(samples, rate, 8000) * 32767).astype(np.int16))
            if is_tone(heard[-_TONE_SAMPLES:], hertz):
                return heard


async def test_a_tester_calls_hears_keys_agrees_and_talks_in_the_browser(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, microphone: Path, tmp_path: Path
) -> None:
    await bridge.open()
    async with telephone(pbx, bridge, microphone) as page:
        await page.get_by_role("button", name="Call").click()
        row = page.locator("#timeline tr")
        await expect(row.filter(has_text="enter-number")).to_be_visible()
        await page.keyboard.type(DIGITS[:5])
        for digit in DIGITS[5:]:
            await page.get_by_role("button", name=digit, exact=True).click()
        await expect(row.filter(has_text="confirm-number")).to_be_visible()
        await page.keyboard.press("1")
        there = await far_end.next_call(within=20)
        await there.answered()
        there.play(tone(FAR_HERTZ, 60.0))
        await hears_tone(there.media, MICROPHONE_HERTZ, 20.0)
        heard = await sound_until_tone(page, FAR_HERTZ)
        await expect(page.locator("#timeline [data-event=dial]")).to_be_visible()
        await look(page, tmp_path, "call")
        await page.get_by_role("button", name="Hang up").click()
        await there.ended()
        await expect(page.locator("#sentence")).to_contain_text("connected")
        await look(page, tmp_path, "ended")
        for kind in ("stored", "hook", "dial", "dialled"):
            await expect(page.locator(f"#timeline [data-event={kind}]")).to_have_count(1)
        await expect(page.locator("#record")).to_have_text(" > ".join([*AGREEMENT, "accepted"]))
        await take_if_wanted(page, "telephone")
        assert await page.evaluate("browserEars.keys") == [*DIGITS, "1"]
        await page.select_option("#destination", ECHO)
        await page.get_by_role("button", name="Call").click()
        await expect(page.get_by_role("status")).to_have_text("Connected.")
        await expect(page.locator("#no-call")).to_be_visible()  # it is none of the bridge's
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.get_by_role("status")).to_have_text("The call has ended.")
    await bridge.stored(*AGREEMENT, "accepted")
    for name in ("disclosure", "enter-number", "confirm-number", "accepted"):
        share = share_heard(heard, bridge.prompts / "en" / f"{name}.wav")
        assert share >= LEAST_HEARD, f"{name}: {share}"
    assert share_heard(heard, bridge.prompts / "en" / "goodbye.wav") < LEAST_HEARD
