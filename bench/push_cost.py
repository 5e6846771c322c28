"""What telling other systems costs a call: the outbox's row in the transaction of the consent.

    python -m bench.push_cost                           # SQLite
    python -m bench.push_cost --url postgresql://...    # an empty database on a server that runs

The same ledger stores consents in pages, in turn without and with one receiver of all events; a
page's processor time is compared with its neighbour's, so what else the machine does falls on both
alike. The sender is not measured: it runs when calls leave it time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

import uvloop

from agi_bridge.consent import PUSHED
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import generate_keys
from bench.ledger import HEARD, Store

PAGE: Final = 400
"""Consents in a page."""
PAIRS: Final = 12
MOST_SHARE: Final = 0.05
"""Of a consent's processor time."""


async def measure(where: Path | str) -> tuple[float, float]:
    """Return the milliseconds of processor time of a consent, and what a receiver adds to them."""
    async with await Ledger.open(where, generate_keys()) as ledger:
        await ledger.register_disclosure(HEARD.language, HEARD.text, HEARD.audio_sha256, b"")
        store = Store(ledger)
        await store.many(PAGE)  # warm
        without, added = [], []
        for number in range(PAIRS):
            took = {}
            for told in (False, True) if number % 2 else (True, False):
                ledger.push_to(dict.fromkeys(PUSHED, ("crm",)) if told else {})
                began = time.process_time()
                await store.many(PAGE)
                took[told] = (time.process_time() - began) / PAGE * 1e3
            without.append(took[False])
            added.append(took[True] - took[False])
    return median(without), median(added)


def main() -> int:
    """Measure, print, and return 0 if the limit holds."""
    parser = argparse.ArgumentParser(description="What telling other systems costs a call.")
    parser.add_argument("--url", help="an empty PostgreSQL database")
    url = parser.parse_args().url
    with tempfile.TemporaryDirectory() as folder:
        alone, added = uvloop.run(measure(url or Path(folder) / "consents.db"))
    print(
        f"a consent   {alone:.3f} ms   a receiver   {added:+.3f} ms   {added / alone:+.1%}   (5 %)"
    )
    print("load", *(f"{load:.1f}" for load in os.getloadavg()))
    return 0 if added <= MOST_SHARE * alone else 1


if __name__ == "__main__":
    raise SystemExit(main())
