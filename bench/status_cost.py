"""What metrics and status cost: a call its processor time, the event loop its turns.

    python -m bench.status_cost            # under load: calls per CPU second with and without
    python -m bench.status_cost --alone    # seconds: counting and a scrape by themselves

Under load, two servers take the bench's calls in turn, three times: `agi-bridge serve` as shipped,
with its status listener scraped every second, and one with neither listener nor counting. Figures
stand beside their limits: 3 % of calls per CPU second, 10 ms for a scrape with twenty lines, no
series more after 10,000 calls of strangers.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import httpx

from agi_bridge.observe import CallLogEntry, Metrics
from agi_bridge.status import Facts, Probes, ServiceState, Status
from bench.measure import Bench, Plan
from bench.programs import build
from bench.subjects import Launch, Product, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LINES: Final = 20
CALLS: Final = 20_000
SCRAPES: Final = 200
STRANGERS: Final = 10_000
RUNS: Final = 3
PAIRS: Final = 8
SECONDS: Final = 1.5
"""Of a round."""
MOST_TRIES: Final = 30
MOST_SHARE: Final = 0.03
MOST_MILLISECONDS: Final = 10.0
RESULTS: Final = Path(__file__).with_name("results.json")
STEPS: Final = ("disclosure", "number", "confirm", "agreed", "hook", "answer", "dial")
STATES: Final = ("disclosed", "confirmed", "accepted")


class Shipped(Product):
    """`agi-bridge serve` with its status listener on a port that the bench knows."""

    def launch(self, folder: Path, hook: str | None) -> Launch:
        """The command, and somebody who scrapes what it starts."""
        made = Product.launch(self, folder, hook)
        port = free_port()
        rewrite(folder, f"[status]\nport = {port}\n")
        threading.Thread(target=scrape_each_second, args=(port,), daemon=True).start()
        return made


class Uncounted(Product):
    """The same without listener and without counting."""

    def launch(self, folder: Path, hook: str | None) -> Launch:
        """The command."""
        made = Product.launch(self, folder, hook)
        rewrite(folder, "[status]\nenabled = false\n")
        program = [sys.executable, "-m", "bench.servers.uncounted"]
        return Launch([*program, *made.command[1:]], made.port)


def rewrite(folder: Path, status: str) -> None:
    """Put another `[status]` into the configuration."""
    file = folder / "agi-bridge.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("[status]\nport = 0\n", status), encoding="utf-8")


def scrape_each_second(port: int) -> None:
    """Scrape until nobody answers any more."""
    url, answered, tries = f"http://127.0.0.1:{port}/metrics", False, 0
    while answered or tries < MOST_TRIES:
        time.sleep(1)  # the interval that is measured, not a wait for something
        tries += 1
        try:
            httpx.get(url, trust_env=False).raise_for_status()
        except httpx.HTTPError:
            if answered:
                return
        else:
            answered = True


def under_load() -> float:
    """Measure calls per CPU second; return the share that metrics and status cost.

    Each run starts both servers and has them take calls in turn: what else the machine does falls
    on both alike, so the median of the pairs' ratios tells more than any single figure.
    """
    build()
    plan, ratios = Plan(), []
    for number in range(1, RUNS + 1):
        with (
            Bench(Shipped("shipped", "", with_hook=True), plan).serving(SECONDS) as shipped,
            Bench(Uncounted("uncounted", "", with_hook=True), plan).serving(SECONDS) as uncounted,
        ):
            pairs = [(shipped(), uncounted()) for _ in range(PAIRS)]
        run = [one / other for one, other in pairs]
        ratios += run
        print(
            f"run {number}   as shipped, scraped {median(one for one, _ in pairs):,.0f}"
            f"   without both {median(other for _, other in pairs):,.0f} calls per CPU second"
            f"   cost {1 - median(run):.1%}"
        )
    share = 1 - median(ratios)
    print(f"metrics and status   {share:5.2%} of calls per CPU second   (3 %)")
    print("load", *(f"{load:.1f}" for load in os.getloadavg()))
    return share


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and return 0 if all limits hold."""
    holds = alone()
    if "--alone" in arguments:
        return 0 if holds else 1
    return 0 if under_load() <= MOST_SHARE and holds else 1


def alone() -> bool:
    """Measure counting and a scrape by themselves; tell whether the limits hold."""
    lines = tuple(f"line_{number}" for number in range(LINES))
    metrics = Metrics(lines)
    probes = Probes(calls=lambda: 7, hook_open=lambda: False, ledger_open=lambda: False)
    state = ServiceState(listening=True, unsent=0, waiting={}, free_bytes=10**10)
    status = Status(state, metrics, probes, Facts(lines=lines))
    entries = [entry(lines[number % LINES]) for number in range(100)]
    counting = best(lambda: count(metrics, entries), CALLS // 100) / 100
    share = counting * calls_per_second()
    status.metrics_text()
    scrape = best(status.metrics_text, SCRAPES)
    samples = sum(not line.startswith("#") for line in status.metrics_text().splitlines())
    print(f"counting a call   {counting * 1e6:6.1f} µs   {share:5.2%} of a call   (3 %)")
    print(f"a scrape          {scrape * 1e3:6.2f} ms   {samples} samples       (10 ms)")
    for number in range(STRANGERS):
        count(metrics, [entry(f"stranger_{number}")])
        metrics.refusals.add("no_line")
    after = sum(not line.startswith("#") for line in status.metrics_text().splitlines())
    print(f"{STRANGERS:,} strangers  {after - samples:+} samples                (0)")
    print("load", *(f"{load:.1f}" for load in os.getloadavg()))
    return share <= MOST_SHARE and scrape * 1e3 <= MOST_MILLISECONDS and after == samples


def count(metrics: Metrics, entries: list[CallLogEntry]) -> None:
    """Everything that is counted of a call that is forwarded."""
    for each in entries:
        line = str(each.fields["line"])
        metrics.call_ended(each)
        metrics.hook_answered(line, "accepted", 200, "dial", 0.12)
        metrics.appended(0.004, stored=True)
        metrics.appended(0.004, stored=True)
        for reached in STATES:
            metrics.consents.add(line, reached)


def entry(line: str) -> CallLogEntry:
    """The log entry of a call that is forwarded."""
    made = CallLogEntry("1795413525.18")
    for step in STEPS:
        made.step(step)
    made.dialled("forward", "ANSWER")
    made.note(line=line, result="done")
    return made


def best(work: Callable[[], object], times: int) -> float:
    """The shortest processor time of one run: other programs can only add to it."""
    shortest = float("inf")
    for _ in range(times):
        began = time.process_time()
        work()
        shortest = min(shortest, time.process_time() - began)
    return shortest


def calls_per_second() -> float:
    """How many calls the product takes in a second of processor time, as last measured."""
    product = json.loads(RESULTS.read_text(encoding="utf-8"))["results"]["ours_product"]
    return float(product["with_hook"]["calls_per_cpu_s"])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
