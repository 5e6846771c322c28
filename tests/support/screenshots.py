"""The pictures of the documentation: which there are, and how one is taken.

`python -m tests.docs.screenshots` writes them; the telephone's is taken by the test that calls
through a real Asterisk.
"""

from __future__ import annotations

import asyncio
import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playwright.async_api import Page

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docs" / "screenshots"
SHOTS: Final[Mapping[str, str]] = {
    "now": "console.md",
    "calls": "console.md",
    "call": "console.md",
    "day": "console.md",
    "consent": "console.md",
    "to-do": "console.md",
    "telephone": "demonstration.md",
}
"""Each picture, by the name of its file, and the page that shows it."""
WIDTH: Final = 1280
MAX_HEIGHT: Final = 1000
MAX_BYTES: Final = 90_000
QUALITY: Final = 70
"""Of WebP, of 100: letters are sharp, and a page is a few dozen KB."""
WANTED: Final = "AGI_BRIDGE_DOC_SCREENSHOTS"
"""The variable with which tests take the pictures that they can."""


async def take(page: Page, name: str) -> None:
    """Write the picture of a page: light, from its top."""
    assert name in SHOTS
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size({"width": WIDTH, "height": 400})
    height: int = await page.evaluate("() => document.documentElement.scrollHeight")
    await page.set_viewport_size({"width": WIDTH, "height": min(height, MAX_HEIGHT)})
    session = await page.context.new_cdp_session(page)
    shot = await session.send(  # playwright itself writes no WebP
        "Page.captureScreenshot", {"format": "webp", "quality": QUALITY}
    )
    await session.detach()
    FOLDER.mkdir(exist_ok=True)
    await asyncio.to_thread((FOLDER / f"{name}.webp").write_bytes, base64.b64decode(shot["data"]))


async def take_if_wanted(page: Page, name: str) -> None:
    """Write the picture if the pictures are being made."""
    if os.environ.get(WANTED):
        before = page.viewport_size
        await take(page, name)
        if before is not None:
            await page.set_viewport_size(before)
