"""A real Chromium without a screen, and axe-core, which finds what keeps people out of a page."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from playwright.async_api import async_playwright, expect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from playwright.async_api import Browser, Page

_SCRIPT: Final = Path(__file__).with_name("provision-chromium.sh")
HOME: Final = _SCRIPT.parents[2] / ".chromium"
_AXE: Final = files("axe_playwright_python") / "axe.min.js"
SIZES: Final = ((320, 640), (1280, 800))
SCHEMES: Final[tuple[Literal["light"], Literal["dark"]]] = ("light", "dark")
PATIENCE_MS: Final = 60_000
"""How long a page may take to show something, on a machine that does a lot besides."""

expect.set_options(timeout=PATIENCE_MS)


@asynccontextmanager
async def chromium(arguments: Sequence[str] = ()) -> AsyncIterator[Browser]:
    """A browser. The sandbox of its own needs rights that containers do not give.

    Args:
        arguments: further ones of its command line.
    """
    process = await asyncio.create_subprocess_exec(str(_SCRIPT), str(HOME), stdout=DEVNULL)
    assert await process.wait() == 0  # fetched the first time
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=HOME / "bin" / "chromium",
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", *arguments],
        )
        try:
            yield browser
        finally:
            await browser.close()


async def faults(page: Page, *, colours: bool = False) -> list[str]:
    """What axe-core finds on a page, one line each. It is injected past the page's policy.

    With `colours` it looks at contrasts alone, which is all that a colour scheme changes.
    """
    if await page.evaluate("() => typeof axe") == "undefined":
        await page.evaluate(_AXE.read_text(encoding="utf-8"))
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if colours:
        options["runOnly"] = ["color-contrast"]
    found: dict[str, Any] = await page.evaluate("options => axe.run(options)", options)
    return [
        f"{page.url}: {each['id']}: {node['html'][:120]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


async def overflows(page: Page) -> bool:
    """Whether a page is wider than its window."""
    wider: bool = await page.evaluate(
        "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
    return wider


async def look(page: Page, folder: Path, name: str) -> None:
    """Look at a page in each size and scheme: axe finds nothing, and nothing is cut off.

    Its pictures, of the whole page, are in the folder afterwards.
    """
    before = page.viewport_size
    for scheme in SCHEMES:
        await page.emulate_media(color_scheme=scheme)
        for width, height in SIZES:
            await page.set_viewport_size({"width": width, "height": height})
            await page.screenshot(path=folder / f"{name}-{scheme}-{width}.png", full_page=True)
            assert await faults(page) == [], f"{name}, {scheme}, {width}"
            assert not await overflows(page), f"{name}, {scheme}, {width}"
    if before is not None:
        await page.set_viewport_size(before)
