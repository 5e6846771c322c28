"""What `agi-bridge check` found: its values, how they are shown, and looks at what many share."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rich.text import Text

from agi_bridge.net import bind
from agi_bridge.settings import fault_code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from agi_bridge.settings import Secret

EXIT_OK = 0
"""Exit status: the bridge can run."""

EXIT_FAULTS = 1
"""Exit status: at least one fault keeps it from running as configured."""


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    FAULT = "fault"


_STYLES = {Level.OK: "green", Level.NOTE: "yellow", Level.FAULT: "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: how much it matters.
        key: the setting's full name, or the file that is at fault.
        problem: what was found; at level "ok" what is right.
        fix: what to do about it; empty if nothing is.
        reason: a stable word for the kind of problem (docs/check.md); empty at level "ok".
    """

    level: Level
    key: str
    problem: str
    fix: str = ""
    reason: str = ""

    @property
    def code(self) -> str:
        """A stable name to test for, the same for every line: `line.dial_template.placeholder`."""
        return fault_code(self.key, self.reason or self.level)

    @property
    def text(self) -> str:
        """Problem and fix in one line, for people."""
        return f"{self.problem}; {self.fix}" if self.fix else self.problem


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found, in the order of looking."""

    findings: tuple[Finding, ...]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What keeps the bridge from running as configured."""
        return tuple(finding for finding in self.findings if finding.level is Level.FAULT)

    @property
    def exit_code(self) -> int:
        """`EXIT_OK` or `EXIT_FAULTS`."""
        return EXIT_FAULTS if self.faults else EXIT_OK


def document(report: Report) -> dict[str, Any]:
    """Return a report for programs (docs/check.md)."""
    levels = [finding.level for finding in report.findings]
    return {
        "ok": not report.faults,
        "faults": levels.count(Level.FAULT),
        "notes": levels.count(Level.NOTE),
        "findings": [
            {
                "level": finding.level.value,
                "code": finding.code,
                "key": finding.key,
                "problem": finding.problem,
                "fix": finding.fix,
            }
            for finding in report.findings
        ],
    }


def show(report: Report, console: Console) -> None:
    """Print a report, one line per finding, and the sum."""
    for finding in report.findings:
        line = Text()
        line.append(f"{finding.level:<6}", _STYLES[finding.level])
        line.append(finding.key, "bold")
        line.append(f": {finding.text}")
        console.print(line, soft_wrap=True)
    count = len(report.faults)
    console.print("no fault" if not count else "1 fault" if count == 1 else f"{count} faults")


def port(key: str, host: str, number: int, *, at_work: bool = False) -> Finding:
    """Tell whether a port can be listened on, as `serve` finds out; `at_work`: one is running."""
    where = f"{host} port {number}"
    try:
        bound = bind(host, number, key)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            text = f"cannot listen on {where} ({os.strerror(error.errno or 0)})"
            fix = "write an address of this machine, and a port above 1023"
            return Finding(Level.FAULT, key, text, fix, "unavailable")
        if at_work:
            text = f"{where} is in use: agi-bridge is at work here"
            return Finding(Level.NOTE, key, text, reason="in_use")
        fix = f"set another {key}, or end the program: ss -ltnp sport = :{number}"
        return Finding(Level.FAULT, key, f"{where} is in use by another program", fix, "in_use")
    for each in bound:
        each.close()
    return Finding(Level.OK, key, f"{where} is free")


def secret(key: str, place: Secret) -> Iterator[Finding]:
    """Tell where a secret is, how long it is, and whether it is open to others."""
    text = f"{len(place.reveal())} characters from {place.place}"
    yield Finding(Level.OK, key, text)
    if place.open_to_others():
        text = f"every account may read {place.place}"
        yield Finding(Level.NOTE, key, text, "chmod 600 it", "open")


def folder(key: str, path: Path) -> Finding:
    """Tell whether a folder can be written, or made where it is not there yet."""
    there = next(place for place in (path, *path.parents) if place.exists())
    if not there.is_dir():
        return Finding(Level.FAULT, key, f"{there} is no folder", reason="no_folder")
    if not os.access(there, os.W_OK | os.X_OK):
        fix = f"make {path} and give it to the account that runs agi-bridge, or run as that account"
        text = f"this account may not write to {there}"
        return Finding(Level.FAULT, key, text, fix, "not_writable")
    if there != path:
        return Finding(Level.OK, key, f"{path} will be made")
    return Finding(Level.OK, key, f"{path} can be written")
