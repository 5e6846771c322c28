"""Findings of `agi-bridge check`: their values, and checks that rooms share."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from agi_bridge.net import bind
from agi_bridge.settings import fault_code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agi_bridge.settings import Secret

EXIT_OK = 0
"""Exit status: the bridge can run."""

EXIT_FAULTS = 1
"""Exit status: at least one fault keeps it from running as configured."""


class Level(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        level: severity.
        key: the full name of the setting, or the file with the problem.
        problem: what was found; at level "ok", the confirmed state.
        fix: how to solve it; empty if nothing has to be done.
        reason: a stable word for the kind of problem (docs/check.md); empty at level "ok".
    """

    level: Level
    key: str
    problem: str
    fix: str = ""
    reason: str = ""

    @property
    def code(self) -> str:
        """Stable code, the same for every line; for example `line.dial_template.placeholder`."""
        return fault_code(self.key, self.reason or self.level)

    @property
    def text(self) -> str:
        """Problem and fix in one line of text."""
        return f"{self.problem}; {self.fix}" if self.fix else self.problem


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, in the order of the checks."""

    findings: tuple[Finding, ...]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The faults: they keep the bridge from running as configured."""
        return tuple(finding for finding in self.findings if finding.level is Level.FAULT)

    @property
    def exit_code(self) -> int:
        """`EXIT_OK` or `EXIT_FAULTS`."""
        return EXIT_FAULTS if self.faults else EXIT_OK


def document(report: Report) -> dict[str, Any]:
    """Return the report as JSON values (docs/check.md)."""
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


def port(key: str, host: str, number: int, *, running: bool = False) -> Finding:
    """Check that a port can be bound, as `serve` does; `running`: agi-bridge is running here."""
    where = f"{host} port {number}"
    try:
        bound = bind(host, number, key)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            text = f"cannot listen on {where} ({os.strerror(error.errno or 0)})"
            fix = "write an address of this machine, and a port above 1023"
            return Finding(Level.FAULT, key, text, fix, "unavailable")
        if running:
            text = f"{where} is in use by agi-bridge, which is running"
            return Finding(Level.NOTE, key, text, reason="in_use")
        fix = f"set another {key}, or stop the program (find it: ss -ltnp sport = :{number})"
        return Finding(Level.FAULT, key, f"{where} is in use by another program", fix, "in_use")
    for each in bound:
        each.close()
    return Finding(Level.OK, key, f"{where} is free")


def secret(key: str, place: Secret) -> Iterator[Finding]:
    """Report where a secret is, its length, and whether other accounts can read it."""
    text = f"{len(place.reveal())} characters from {place.place}"
    yield Finding(Level.OK, key, text)
    if place.open_to_others():
        text = f"every account can read {place.place}"
        yield Finding(Level.NOTE, key, text, "run chmod 600 on it", "open")


def _is_kernels(path: Path) -> bool:
    """Return whether a path is in /proc or /sys: root may write there but cannot create files."""
    device = path.stat().st_dev
    return any(os.path.ismount(top) and os.stat(top).st_dev == device for top in ("/proc", "/sys"))  # noqa: PTH116 - plain strings


def unseen(key: str, path: Path, error: OSError) -> Finding:
    """Return the fault of a path that this account cannot examine."""
    text = f"{path} cannot be examined ({error.strerror})"
    return Finding(Level.FAULT, key, text, "run as the account that runs agi-bridge", "unreadable")


def folder(key: str, path: Path) -> Finding:
    """Check that a folder is writable, or can be created."""
    there = next(place for place in (path, *path.parents) if place.exists())
    if not there.is_dir():
        return Finding(Level.FAULT, key, f"{there} is not a folder", reason="no_folder")
    if not os.access(there, os.W_OK | os.X_OK) or _is_kernels(there):
        fix = f"create {path} for the account that runs agi-bridge, or run as that account"
        text = f"this account cannot write to {there}"
        return Finding(Level.FAULT, key, text, fix, "not_writable")
    if there != path:
        return Finding(Level.OK, key, f"{path} will be created")
    return Finding(Level.OK, key, f"{path} is writable")
