"""The figures as one table and one JSON file."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from bench import machine
    from bench.measure import Account, Latency, Parked, Throughput
    from bench.subjects import Subject

AGI_CALLS: Final = 7000
FULL_CALLS: Final = 2000
KIB_PER_CALL: Final = 10.0
TURN_MICROSECONDS: Final = 5000.0

HEADINGS: Final = (
    "server",
    "AGI only, calls/CPU-s",
    "with hook, calls/CPU-s",
    "KB per parked call",
    "p99 turn, ms",
    "p99 turn before Dial, ms",
    "failed calls",
)


@dataclass(slots=True)
class Result:
    """All that was measured of one server; a fault is why something could not be."""

    subject: Subject
    without_hook: Throughput | None = None
    with_hook: Throughput | None = None
    latency: Latency | None = None
    parked: Parked | None = None
    accounts: list[Account] = field(default_factory=list)
    fault: str | None = None

    @property
    def failed(self) -> int:
        """Calls that did not complete, in all measurements."""
        parts = (self.without_hook, self.with_hook, self.latency, self.parked)
        return sum(part.failed for part in parts if part is not None)

    def row(self) -> tuple[str, ...]:
        """Its row in the table."""
        return (
            self.subject.title,
            f"{self.without_hook.calls_per_cpu_s:,.0f}" if self.without_hook else "-",
            f"{self.with_hook.calls_per_cpu_s:,.0f}" if self.with_hook else "-",
            f"{self.parked.kib_per_call:.1f}" if self.parked else "-",
            f"{self.latency.bridge['p99'] / 1000:.1f}" if self.latency else "-",
            f"{self.latency.exec['p99'] / 1000:.1f}" if self.latency else "-",
            str(self.failed),
        )


def table(results: list[Result]) -> str:
    """The rows as a table that Markdown reads too."""
    rows = [HEADINGS, *(result.row() for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def verdicts(results: list[Result]) -> list[str]:
    """Our own targets, each with what was measured; then what does not add up."""
    named = {result.subject.name: result for result in results}
    lines = []
    agi, full = named.get("ours_agi"), named.get("ours_full")
    if agi and agi.without_hook:
        measured = agi.without_hook.calls_per_cpu_s
        lines.append(_verdict("AGI only, calls per CPU second", measured, AGI_CALLS, most=False))
    if full and full.with_hook:
        measured = full.with_hook.calls_per_cpu_s
        what = "hook, durable consent and log line, calls per CPU second"
        lines.append(_verdict(what, measured, FULL_CALLS, most=False))
    for result in (agi, full):
        if result and result.parked:
            what = f"{result.subject.name}: KB per parked call"
            lines.append(_verdict(what, result.parked.kib_per_call, KIB_PER_CALL, most=True))
        if result and result.latency:
            what = f"{result.subject.name}: p99 turn, microseconds"
            measured = result.latency.bridge["p99"]
            lines.append(_verdict(what, measured, TURN_MICROSECONDS, most=True))
    for result in results:
        lines += [
            f"does not add up: {result.subject.name}: {account.completed} calls, "
            f"{account.hook_requests} hook requests, {account.consents} consents"
            for account in result.accounts
            if not account.balanced
        ]
        if result.parked and result.parked.descriptors_left:
            left = result.parked.descriptors_left
            lines.append(f"left open: {result.subject.name}: {left} descriptors after the park")
        if result.fault:
            lines.append(f"not measured: {result.subject.name}: {result.fault}")
    return lines


def _verdict(what: str, measured: float, target: float, *, most: bool) -> str:
    reached = measured <= target if most else measured >= target
    word = "reached" if reached else "MISSED"
    bound = "at most" if most else "at least"
    return f"{word}: {what}: {measured:,.1f} ({bound} {target:,.0f})"


def write(path: Path, facts: machine.Facts, plan: dict[str, float], results: list[Result]) -> None:
    """Write everything as JSON."""
    document = {
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": facts,
        "plan": plan,
        "results": {result.subject.name: _figures(result) for result in results},
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _figures(result: Result) -> dict[str, object]:
    figures = asdict(result)
    figures["title"] = figures.pop("subject")["title"]
    return figures
