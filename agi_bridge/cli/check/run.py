"""Runs the checks of `agi-bridge check`: the configuration, and whether this machine can run it.

A check changes nothing, on this machine or in PostgreSQL, and never sends a text: it contacts the
hook only with `--connect`, and then without a request. Findings mask phone numbers and show only
the place and the length of a secret.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.console import Console
from rich.text import Text

from agi_bridge.app import start_checks
from agi_bridge.app.descriptors import FIX, hard_limit, required_shares, shortage
from agi_bridge.app.findings import Finding, Level, Report, document, port, secret
from agi_bridge.app.ledger import service_is_running
from agi_bridge.cli.check import lines, push, speech, status, web
from agi_bridge.settings import (
    Settings,
    SettingsError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from agi_bridge.settings import HookSettings


_STYLES = {Level.OK: "green", Level.NOTE: "yellow", Level.FAULT: "bold red"}


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
            tuple(Finding(Level.FAULT, f.key, f.what, f.fix, f.reason) for f in error.faults)
        )
    return Report(tuple(look(settings, environ, connect=connect)))


async def run(path: Path | None, *, connect: bool = False, as_json: bool = False) -> int:
    """Check, print the findings, and return the exit code."""
    report = await asyncio.to_thread(check, path, connect=connect)
    if as_json:
        print(json.dumps(document(report), ensure_ascii=False, indent=2))  # noqa: T201 - the output
    else:
        show(report, Console())
    return report.exit_code


def show(report: Report, console: Console) -> None:
    """Print a report, one line per finding, and the number of faults."""
    for finding in report.findings:
        line = Text()
        line.append(f"{finding.level:<6}", _STYLES[finding.level])
        line.append(finding.key, "bold")
        line.append(f": {finding.text}")
        console.print(line, soft_wrap=True)
    count = len(report.faults)
    console.print("no fault" if not count else "1 fault" if count == 1 else f"{count} faults")


def look(settings: Settings, environ: Mapping[str, str], *, connect: bool) -> Iterator[Finding]:
    """Yield the findings about a valid configuration and this machine. Blocks."""
    yield from start_checks.check_ledger(settings, environ)
    yield from speech.look(settings, environ)
    running = service_is_running(settings)
    yield port("agi.port", settings.agi.host, settings.agi.port, running=running)
    yield _descriptors(settings)
    if field := settings.agi.cdr_field:
        test = "asterisk -rx 'module show like func_cdr'"
        text = f"{field}; to see whether the PBX has func_cdr: {test}"
        yield Finding(Level.OK, "agi.cdr_field", text)
    if settings.agi.token is not None:
        yield from secret("agi.token", settings.agi.token)
    elif any(network.prefixlen == 0 for network in settings.agi.allow):
        yield Finding(
            Level.NOTE,
            "agi.allow",
            "lets every machine connect without a token",
            "write the address of the PBX, or set agi.token",
            "open",
        )
    yield _hook(settings, connect=connect)
    yield _breaker(settings.hook)
    yield from web.look(settings, running=running)
    yield from push.look(settings)
    yield from status.look(settings, environ, running=running)
    yield from lines.look(settings)


def _descriptors(settings: Settings) -> Finding:
    limit = hard_limit()
    if (problem := shortage(settings, limit)) is not None:
        return Finding(Level.FAULT, "agi.max_calls", problem, FIX, "descriptors")
    text = f"{settings.agi.max_calls} calls need {required_shares(settings).total} file descriptors"
    return Finding(Level.OK, "agi.max_calls", f"{text}, within this account's limit")


def _hook(settings: Settings, *, connect: bool) -> Finding:
    key = "hook.url"
    parts = urlsplit(settings.hook.url)
    host = parts.hostname or ""
    if not connect:
        text = f"{host}, not contacted (--connect opens a connection and sends nothing)"
        return Finding(Level.OK, key, text)
    secure = parts.scheme == "https"
    number = parts.port or (443 if secure else 80)
    try:
        with socket.create_connection((host, number), settings.hook.connect_seconds) as plain:
            if not secure:
                return Finding(Level.OK, key, f"{host} port {number} answers")
            trust = ssl.create_default_context(cafile=settings.hook.ca_file)
            with trust.wrap_socket(plain, server_hostname=host) as wrapped:
                return Finding(Level.OK, key, f"{host} port {number} answers, {wrapped.version()}")
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate of {host} is not trusted ({error.verify_message})"
        fix = "correct the clock or the URL, or set hook.ca_file to its certificate authority"
        return Finding(Level.FAULT, key, text, fix, "certificate")
    except OSError as error:
        why = error.strerror or "timed out"
        text = f"cannot connect to {host} port {number} ({why})"
        return Finding(
            Level.FAULT, key, text, "correct the URL, or open the firewall", "unreachable"
        )


def _breaker(hook: HookSettings) -> Finding:
    key = "hook.breaker_failures"
    if not hook.breaker_failures:
        text = (
            "the circuit breaker is off: while the hook is down, each caller waits up to"
            f" {hook.total_seconds:g} s"
        )
        return Finding(Level.NOTE, key, text, reason="off")
    text = (
        f"opens after {hook.breaker_failures} failures in a row, then retries every"
        f" {hook.breaker_seconds:g} s"
    )
    return Finding(Level.OK, key, text)
