"""`python -m bench.status_cost`: what counting costs a call, what a scrape costs the event loop.

Prints figures beside their limits: counting may cost 3 % of a call's processor time, and a scrape
with twenty lines may take 10 ms. The processor time of a call is taken from `bench/results.json`.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agi_bridge.observe import CallLogEntry, Metrics
from agi_bridge.status import Facts, Probes, ServiceState, Status

if TYPE_CHECKING:
    from collections.abc import Callable

LINES: Final = 20
CALLS: Final = 20_000
SCRAPES: Final = 200
MOST_SHARE: Final = 0.03
MOST_MILLISECONDS: Final = 10.0
RESULTS: Final = Path(__file__).with_name("results.json")
STEPS: Final = ("disclosure", "number", "confirm", "agreed", "hook", "answer", "dial")
STATES: Final = ("disclosed", "confirmed", "accepted")


def main() -> int:
    """Measure, print, and return 0 if both limits hold."""
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
    return 0 if share <= MOST_SHARE and scrape * 1e3 <= MOST_MILLISECONDS else 1


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
    raise SystemExit(main())
