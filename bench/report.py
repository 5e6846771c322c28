"""The figures as one table and one JSON file."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench import machine
    from bench.measure import Account, Latency, Parked, Throughput
    from bench.program import ProgramFigures
    from bench.subjects import Subject


@dataclass(frozen=True, slots=True)
class Target:
    """What one figure of one of our servers should be."""

    server: str
    what: str
    figure: Callable[[Result], float | None]
    bound: float
    most: bool = False


PROGRAM_TARGETS: Final = (
    ("start", "start to listening, s", 0.8),
    ("help", "agi-bridge --help, s", 0.1),
    ("consents_per_second", "PostgreSQL, consents a second, 100 waiting", 2500.0),
)
"""Figure, what it is, its bound: at least for consents, at most for seconds."""

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


def _alone(result: Result) -> float | None:
    return result.without_hook.calls_per_cpu_s if result.without_hook else None


def _hooked(result: Result) -> float | None:
    return result.with_hook.calls_per_cpu_s if result.with_hook else None


def _parked(result: Result) -> float | None:
    return result.parked.kib_per_call if result.parked else None


def _before_dial(result: Result) -> float | None:
    return result.latency.exec["p99"] / 1000 if result.latency else None


TARGETS: Final = (
    Target("ours_agi", "AGI only, calls per CPU second", _alone, 9500),
    Target("ours_full", "hook, consent, log line, calls per CPU second", _hooked, 1800),
    Target("ours_full_keepalive", "the same, kept connections", _hooked, 2300),
    Target("ours_full_tls", "the same over TLS, fresh connections", _hooked, 950),
    Target("ours_full_tls_keepalive", "the same over TLS, kept connections", _hooked, 2000),
    Target("ours_product", "serve, whole dialogue, calls per CPU second", _hooked, 1300),
    Target("ours_agi", "KB per parked call, engine", _parked, 5.5, most=True),
    Target("ours_product", "KB per parked call, whole dialogue", _parked, 8.0, most=True),
    Target("ours_full", "p99 of the turn before Dial, ms", _before_dial, 8.0, most=True),
)
"""For a machine whose `bare_protocol` does `_BARE_CALLS`; a run on a slower one tells both."""

_BARE_CALLS: Final = 14_363


def verdicts(results: list[Result]) -> list[str]:
    """Our targets, each with what was measured; then what does not add up."""
    named = {result.subject.name: result for result in results}
    bare = _alone(named["bare_protocol"]) if "bare_protocol" in named else None
    lines = []
    if bare:
        lines.append(f"this run: bare_protocol {bare:,.0f}, {bare / _BARE_CALLS:.0%} of targets'")
    for target in TARGETS:
        result = named.get(target.server)
        measured = result and target.figure(result)
        if measured:
            lines.append(_verdict(target, measured, bare))
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


def program_verdicts(figures: ProgramFigures) -> list[str]:
    """The targets of the program's own figures, each with what was measured."""
    lines = []
    for name, what, bound in PROGRAM_TARGETS:
        figure = getattr(figures, name)
        if figure is None:
            lines.append(f"not measured: {what}: .postgresql is not there; `make test` brings it")
            continue
        most = name != "consents_per_second"
        reached = figure <= bound if most else figure >= bound
        line = f"{'reached' if reached else 'MISSED'}: {what}: {figure:,.2f}"
        cpu = getattr(figures, f"{name}_cpu", None)
        of_it = "" if cpu is None else f"; {cpu:,.2f} of processor time"
        lines.append(f"{line} (at {'most' if most else 'least'} {bound:,g}{of_it})")
    return lines


def _verdict(target: Target, measured: float, bare: float | None) -> str:
    reached = measured <= target.bound if target.most else measured >= target.bound
    word = "reached" if reached else "MISSED"
    bound = "at most" if target.most else "at least"
    line = f"{word}: {target.what}: {measured:,.1f} ({bound} {target.bound:,.1f}"
    if bare and not target.most:  # what it would have been on the targets' machine
        line += f"; {measured * _BARE_CALLS / bare:,.0f} at the targets' speed"
    return f"{line})"


def write(
    path: Path,
    facts: machine.Facts,
    plan: dict[str, float],
    results: list[Result],
    program: ProgramFigures | None,
) -> None:
    """Write everything as JSON."""
    document = {
        "program": asdict(program) if program else None,
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
