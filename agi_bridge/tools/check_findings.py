"""What `agi-bridge check` found: its values, how they are shown, and looks at what many share."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from agi_bridge.settings.secret import Secret

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
    """One thing that was looked at: the setting's full name and what was found."""

    level: Level
    key: str
    text: str


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


def port(key: str, host: str, number: int) -> Finding:
    """Tell whether a port can be listened on."""
    where = f"{host} port {number}"
    family, kind, protocol, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[
        0
    ]
    with socket.socket(family, kind, protocol) as probe:
        # As the server does it: connections of a server just ended do not count as in use.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                text = f"{where} is in use: by agi-bridge already, or by another program?"
                return Finding(Level.NOTE, key, text)
            text = f"cannot listen on {where} ({error.strerror})"
            return Finding(Level.FAULT, key, text)
    return Finding(Level.OK, key, f"{where} is free")


def secret(key: str, place: Secret) -> Iterator[Finding]:
    """Tell where a secret is, how long it is, and whether it is open to others."""
    text = f"{len(place.reveal())} characters from {place.place}"
    yield Finding(Level.OK, key, text)
    if place.open_to_others():
        yield Finding(Level.NOTE, key, f"every account may read {place.place}; chmod 600 it")


def folder(key: str, path: Path) -> Finding:
    """Tell whether a folder can be written, or made where it is not there yet."""
    there = next(place for place in (path, *path.parents) if place.exists())
    if not there.is_dir():
        return Finding(Level.FAULT, key, f"{there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        owner = f"make {path} and give it to the account that runs agi-bridge"
        return Finding(Level.FAULT, key, f"this account may not write to {there}; {owner}")
    if there != path:
        return Finding(Level.OK, key, f"{path} will be made")
    return Finding(Level.OK, key, f"{path} can be written")
