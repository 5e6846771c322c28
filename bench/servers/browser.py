"""An open page of the console in Chromium that notes how late each step of a call is on it.

    python -m bench.servers.browser PORT

As `bench.servers.page`, but a delay ends when the row has changed in the page's document (DOM), and
the time between two events is not noted. The clock is the machine's, in the page too.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Final

from bench.servers.page import Page
from tests.support.browser import chromium

_TIMES: Final = 2
"""Of a row that is whole: when its step began, and when its call did."""
_NOTE: Final = """
const since = row => [...row.querySelectorAll("[data-since]")].map(each => each.dataset.since);
window.shown = [];
let last = "";
new MutationObserver(() => {
  const rows = [...document.querySelectorAll("tr[data-row]")];
  const now = JSON.stringify(rows.map(row => [row.dataset.row, since(row)]));
  if (now !== last) {
    last = now;
    window.shown.push([Date.now() / 1000, now]);
  }
}).observe(document, {subtree: true, childList: true, attributes: true});
"""


async def watch(port: int) -> Page:
    """Keep the page of calls in progress open until standard input closes."""
    async with chromium() as browser:
        tab = await browser.new_page()
        await tab.add_init_script(_NOTE)
        await tab.goto(f"http://127.0.0.1:{port}/", wait_until="domcontentloaded")
        print("open", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        noted: list[tuple[float, str]] = await tab.evaluate("() => window.shown")
    page = Page()
    for at, text in noted:
        rows = {key: since for key, since in json.loads(text) if len(since) == _TIMES}
        page.show(at, rows, [*rows])
    return page


def main(port: int) -> None:
    """Watch, and print the delays."""
    page = asyncio.run(watch(port))
    print(json.dumps({"delays": page.delays, "gaps": page.gaps}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
