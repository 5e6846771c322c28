"""`agi-bridge check`: is the configuration right, and does this machine fit it?

It never sends a text: the hook is left alone, or, if asked, connected to without a request. It
writes nothing. Numbers are masked and of secrets only place and length are shown.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import socket
import ssl
import stat
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.console import Console
from rich.text import Text

from agi_bridge.phone import mask
from agi_bridge.settings import (
    DialDefault,
    DialplanDefault,
    SayDefault,
    Settings,
    SettingsError,
)
from agi_bridge.speech import NEEDED, SHIPPED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from agi_bridge.settings import AgiSettings, Default, Line
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


_NUMBER = re.compile(r"\+?[0-9]{7,}")

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


def check(
    path: Path | None, environ: Mapping[str, str] = os.environ, *, connect: bool = False
) -> Report:
    """Check the configuration and this machine.

    `path` as for `Settings.load`. With `connect` a TCP connection (and TLS) to the hook is opened
    and closed; no request is sent.
    """
    try:
        settings = Settings.load(path, environ)
    except SettingsError as error:
        return Report(
            tuple(Finding(Level.FAULT, f.key, f"{f.what}; {f.fix}") for f in error.faults)
        )
    return Report(tuple(_look(settings, environ, connect=connect)))


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


async def run(path: Path | None, *, connect: bool = False) -> int:
    """Check, print, and return the exit status. What `agi-bridge check` does."""
    report = await asyncio.to_thread(check, path, connect=connect)
    show(report, Console())
    return report.exit_code


def _look(settings: Settings, environ: Mapping[str, str], *, connect: bool) -> Iterator[Finding]:
    yield _state_dir(settings.state_dir)
    yield from _speech(settings, environ)
    yield _port(settings.agi)
    if settings.agi.token is not None:
        yield from _secret("agi.token", settings.agi.token)
    elif any(network.prefixlen == 0 for network in settings.agi.allow):
        yield Finding(Level.NOTE, "agi.allow", "lets every machine connect, and no token is set")
    yield _hook(settings, connect=connect)
    for line in settings.lines.values():
        yield from _line(line)


def _state_dir(folder: Path) -> Finding:
    key = "state_dir"
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        return Finding(Level.FAULT, key, f"{there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        owner = f"make {folder} and give it to the account that runs agi-bridge"
        return Finding(Level.FAULT, key, f"this account may not write to {there}; {owner}")
    if there != folder:
        return Finding(Level.OK, key, f"{folder} will be made")
    return Finding(Level.OK, key, f"{folder} can be written")


def _speech(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    speech = settings.speech
    folder = speech.prompts or SHIPPED
    if speech.pbx_prompts:
        text = f"{folder}, which the PBX must see as {speech.pbx_prompts}"
        yield Finding(Level.OK, "speech.prompts", text)
    else:
        files = [*folder.glob("*/*.wav")]
        yield _open_to_pbx("speech.prompts", folder, [*files, *{file.parent for file in files}])
    if not speech.engine:
        text = "none: texts other than the documented ones are skipped"
        yield Finding(Level.OK, "speech.engine", text)
        return
    program = shutil.which(speech.engine[0], path=environ.get("PATH", os.defpath))
    if program is None:
        text = f"the program {speech.engine[0]!r} is not found; install it or name its full path"
        yield Finding(Level.FAULT, "speech.engine", text)
    else:
        yield Finding(Level.OK, "speech.engine", program)
    if not speech.pbx_cache:
        yield _open_to_pbx("speech.pbx_cache", settings.speech_cache, ())


def _open_to_pbx(key: str, folder: Path, files: Iterable[Path]) -> Finding:
    """Tell whether another account, as the PBX's is, can read a folder's files."""
    way = [place for place in (folder, *folder.parents) if place.exists()]
    shut = [place for place in way if not place.stat().st_mode & stat.S_IXOTH]
    shut += [file for file in files if not file.stat().st_mode & stat.S_IROTH]
    if shut:
        text = f"{shut[-1]} is closed to other accounts: can the one that runs Asterisk read it?"
        return Finding(Level.NOTE, key, text)
    return Finding(Level.OK, key, f"{folder} is open to the account that runs Asterisk")


def _port(agi: AgiSettings) -> Finding:
    where = f"{agi.host} port {agi.port}"
    family, kind, protocol, _, address = socket.getaddrinfo(
        agi.host, agi.port, type=socket.SOCK_STREAM
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        # As the server does it: connections of a server just ended do not count as in use.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                text = f"{where} is in use: by agi-bridge already, or by FreePBX?"
                return Finding(Level.NOTE, "agi.port", text)
            text = f"cannot listen on {where} ({error.strerror})"
            return Finding(Level.FAULT, "agi.port", text)
    return Finding(Level.OK, "agi.port", f"{where} is free")


def _secret(key: str, secret: Secret) -> Iterator[Finding]:
    text = f"{len(secret.reveal())} characters from {secret.place}"
    yield Finding(Level.OK, key, text)
    if secret.open_to_others():
        yield Finding(Level.NOTE, key, f"every account may read {secret.place}; chmod 600 it")


def _hook(settings: Settings, *, connect: bool) -> Finding:
    key = "hook.url"
    parts = urlsplit(settings.hook.url)
    host = parts.hostname or ""
    if not connect:
        text = f"{host}, not tried (--connect opens a connection and sends nothing)"
        return Finding(Level.OK, key, text)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    try:
        with socket.create_connection((host, port), settings.hook.connect_seconds) as plain:
            if not secure:
                return Finding(Level.OK, key, f"{host} port {port} answers")
            trust = ssl.create_default_context(cafile=settings.hook.ca_file)
            with trust.wrap_socket(plain, server_hostname=host) as wrapped:
                return Finding(Level.OK, key, f"{host} port {port} answers, {wrapped.version()}")
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate of {host} is not trusted ({error.verify_message})"
    except OSError as error:
        reason = error.strerror or "timed out"
        text = f"no connection to {host} port {port} ({reason})"
    return Finding(Level.FAULT, key, text)


def _line(line: Line) -> Iterator[Finding]:
    key = f"lines.{line.name}"
    numbers = ", ".join(mask(did) for did in line.did)
    yield Finding(Level.OK, f"{key}.did", f"{numbers}; otherwise {_in_words(line.default)}")
    languages = ", ".join(line.languages)
    text = f"{languages}: all {len(NEEDED) + 1} prompts are there"
    yield Finding(Level.OK, f"{key}.languages", text)
    if line.disclosure == "disclosure":
        text = "the shipped disclosure names neither brand nor policy address: record your own"
        yield Finding(Level.NOTE, f"{key}.disclosure", text)
    yield from _secret(f"{key}.hook_key", line.hook_key)


def _in_words(default: Default) -> str:
    match default:
        case DialDefault():
            return f"dials {_NUMBER.sub(lambda found: mask(found[0]), default.destination)}"
        case DialplanDefault():
            return f"goes to {default.context},{default.extension},{default.priority}"
        case SayDefault():
            return f"says {default.prompt!r}"
        case _:
            return "hangs up"
