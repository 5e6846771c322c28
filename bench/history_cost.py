"""What the call history costs a call: the processor time of noting, and of writing by its thread.

    python -m bench.history_cost            # under load: calls per CPU second with and without
    python -m bench.history_cost --alone    # seconds: noting and writing by themselves

Under load, two servers take the bench's calls in turn, as in `bench.status_cost`: one as shipped,
and one with `[history] days = 0`. Without days the events are still noted, so that `--alone`
measures noting and writing together. The limit is 2 % of a call's processor time.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from agi_bridge.history.history import History
from agi_bridge.history.writer import HistoryWriter
from agi_bridge.observe import CallLogEntry
from bench.measure import Bench, Plan
from bench.programs import build
from bench.status_cost import PAIRS, RUNS, SECONDS, calls_per_second
from bench.subjects import Product

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.subjects import Launch

MOST_SHARE: Final = 0.02
CALLS: Final = 400
"""Of a round by themselves: as many as wait for one transaction at 400 calls in a second."""
ROUNDS: Final = 15
KEYS: Final = 11
PROMPTS: Final = ("disclosure", "enter-number", "you-entered", "confirm-number", "accepted")


class WithoutHistory(Product):
    """`agi-bridge serve` that keeps no calls."""

    def launch(self, folder: Path, hook: str | None) -> Launch:
        """The command."""
        made = Product.launch(self, folder, hook)
        file = folder / "agi-bridge.toml"
        text = file.read_text(encoding="utf-8")
        file.write_text(f"{text}\n[history]\ndays = 0\n", encoding="utf-8")
        return made


def under_load() -> float:
    """Measure calls per CPU second; return the share that the history costs."""
    build()
    plan, ratios = Plan(), []
    for number in range(1, RUNS + 1):
        with (
            Bench(Product("with", "", with_hook=True), plan).serving(SECONDS) as kept,
            Bench(WithoutHistory("without", "", with_hook=True), plan).serving(SECONDS) as unkept,
        ):
            pairs = [(kept(), unkept()) for _ in range(PAIRS)]
        run = [one / other for one, other in pairs]
        ratios += run
        print(
            f"run {number}   as shipped {median(one for one, _ in pairs):,.0f}"
            f"   without {median(other for _, other in pairs):,.0f} calls per CPU second"
            f"   cost {1 - median(run):.1%}"
        )
    share = 1 - median(ratios)
    print(f"call history   {share:5.2%} of calls per CPU second   ({MOST_SHARE:.0%})")
    print("load", *(f"{load:.1f}" for load in os.getloadavg()))
    return share


def alone() -> float:
    """Measure noting and writing by themselves; return their share of a call."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        took = min(_round(place) for _ in range(ROUNDS))
    share = took / CALLS * calls_per_second()
    print(
        f"noting and writing a call {took / CALLS * 1e6:6.1f} µs   {share:5.2%} of a call   (2 %)"
    )
    print("load", *(f"{load:.1f}" for load in os.getloadavg()))
    return share


def _round(folder: Path) -> float:
    """Note and write a number of calls; return the processor time of both threads in seconds."""
    history = History()
    writer = HistoryWriter(folder, 14, max_queued=2 * CALLS)
    began = time.process_time()
    for _ in range(CALLS):
        entry = CallLogEntry("1795413525.18")
        call = history.begin(entry, "1795413525.18")
        call.caller, call.number, call.did = "+14155550100", "+14155550123", "+14155550111"
        note(entry)
        history.end(call)
        writer.put(call.draft(ended=True))
    writer.close()
    return time.process_time() - began


def note(entry: CallLogEntry) -> None:
    """The events and fields of a call that is forwarded."""
    entry.record("answered")
    entry.record("language", "en")
    for name in PROMPTS:
        entry.record("prompt", name, "en", 1900, 3200, "whole", at=entry.elapsed_ms)
    for _ in range(KEYS):
        entry.record("key")
    entry.record("number", "valid")
    for _ in range(4):
        entry.digits_said(3, entry.elapsed_ms)
    for kind in ("agreed", "stored", "asked"):
        entry.record(kind)
    entry.record("confirm", "yes")
    entry.record("hook", "accepted", 200, "dial", 210)
    entry.record("dial", "forward")
    entry.record("dialled", "forward", "ANSWER")
    entry.dialled("forward", "ANSWER")
    entry.note(line="main", language="en", consent="01a2175f-f135-737c-a412-0c8cd7030ff1")
    entry.note(hook="accepted", ended="far_end", result="done")


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and return 0 if the limit holds."""
    share = alone()
    if "--alone" not in arguments:
        share = max(share, under_load())
    return 0 if share <= MOST_SHARE else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
