"""`agi-bridge check`: is the configuration right, and does this machine fit it?

It never sends a text: the hook is left alone, or, if asked, connected to without a request. It
writes nothing, neither on this machine nor in PostgreSQL. Numbers are masked and of secrets only
place and length are shown.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.console import Console

from agi_bridge.app import start_checks
from agi_bridge.app.descriptors import FIX, hard_limit, required_shares, shortage
from agi_bridge.app.findings import Finding, Level, Report, document, port, secret, show
from agi_bridge.app.ledger import service_is_running
from agi_bridge.app.speech import build_silent_library, line_libraries, outdated_prompts
from agi_bridge.cli.check import numbers as check_numbers
from agi_bridge.cli.check import speech, status, web
from agi_bridge.phone import mask
from agi_bridge.settings import (
    DialDefault,
    DialplanDefault,
    SayDefault,
    Settings,
    SettingsError,
)
from agi_bridge.speech import DIGIT_PROMPTS, REQUIRED_PROMPTS, SHIPPED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from agi_bridge.settings import Default, HookSettings, Line
    from agi_bridge.speech import Library

_NUMBER = re.compile(r"\+?[0-9]{7,}")


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
    return Report(tuple(_look(settings, environ, connect=connect)))


async def run(path: Path | None, *, connect: bool = False, as_json: bool = False) -> int:
    """Check, print, and return the exit status. What `agi-bridge check` does."""
    report = await asyncio.to_thread(check, path, connect=connect)
    if as_json:
        print(json.dumps(document(report), ensure_ascii=False, indent=2))  # noqa: T201 - the output
    else:
        show(report, Console())
    return report.exit_code


def _look(settings: Settings, environ: Mapping[str, str], *, connect: bool) -> Iterator[Finding]:
    yield from start_checks.check_ledger(settings, environ)
    yield from speech.look(settings, environ)
    at_work = service_is_running(settings)
    yield port("agi.port", settings.agi.host, settings.agi.port, at_work=at_work)
    yield _descriptors(settings)
    if settings.agi.token is not None:
        yield from secret("agi.token", settings.agi.token)
    elif any(network.prefixlen == 0 for network in settings.agi.allow):
        yield Finding(
            Level.NOTE,
            "agi.allow",
            "lets every machine connect, and no token is set",
            "name the PBX, or set agi.token",
            "open",
        )
    yield _hook(settings, connect=connect)
    yield _breaker(settings.hook)
    yield from web.look(settings, at_work=at_work)
    yield from status.look(settings, environ, at_work=at_work)
    prompts = line_libraries(settings, build_silent_library(settings))
    for line in settings.lines.values():
        yield from _line(line, prompts[line.name])
        if old := outdated_prompts(settings, line, prompts[line.name]):
            words = "other words than the texts in force"
            text = f"{', '.join(old)}: {words}"
            fix = f"run agi-bridge prompts check --line {line.name}"
            yield Finding(Level.FAULT, f"lines.{line.name}", text, fix, "stale_prompts")


def _descriptors(settings: Settings) -> Finding:
    limit = hard_limit()
    if (problem := shortage(settings, limit)) is not None:
        return Finding(Level.FAULT, "agi.max_calls", problem, FIX, "descriptors")
    text = f"{settings.agi.max_calls} calls need {required_shares(settings).total} file descriptors"
    return Finding(Level.OK, "agi.max_calls", f"{text}, which this account may have")


def _hook(settings: Settings, *, connect: bool) -> Finding:
    key = "hook.url"
    parts = urlsplit(settings.hook.url)
    host = parts.hostname or ""
    if not connect:
        text = f"{host}, not tried (--connect opens a connection and sends nothing)"
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
        fix = "correct the clock or the URL, or name its authority in hook.ca_file"
        return Finding(Level.FAULT, key, text, fix, "certificate")
    except OSError as error:
        why = error.strerror or "timed out"
        text = f"no connection to {host} port {number} ({why})"
        return Finding(
            Level.FAULT, key, text, "correct the URL, or open the firewall", "unreachable"
        )


def _breaker(hook: HookSettings) -> Finding:
    key = "hook.breaker_failures"
    if not hook.breaker_failures:
        text = f"off: while the hook is down every caller waits up to {hook.total_seconds:g} s"
        return Finding(Level.NOTE, key, text, reason="off")
    text = (
        f"after {hook.breaker_failures} failures in a row nobody waits for the hook, "
        f"which is tried every {hook.breaker_seconds:g} s"
    )
    return Finding(Level.OK, key, text)


def _line(line: Line, prompts: Library) -> Iterator[Finding]:
    key = f"lines.{line.name}"
    numbers = ", ".join(mask(did) for did in line.did)
    yield Finding(Level.OK, f"{key}.did", f"{numbers}; otherwise {_in_words(line.default)}")
    languages = ", ".join(line.languages)
    text = f"{languages}: all {len(REQUIRED_PROMPTS) + 1} prompts are there"
    yield Finding(Level.OK, f"{key}.languages", text)
    shipped = any(
        prompts.prompt(line.disclosure, language).wav.is_relative_to(SHIPPED)
        for language in line.languages
    )
    if line.disclosure == "disclosure" and shipped:
        text = "the shipped disclosure names neither brand nor policy address"
        fix = f"record your own, or run agi-bridge prompts render --line {line.name}"
        yield Finding(Level.NOTE, f"{key}.disclosure", text, fix, "shipped")
        if line.purpose == "marketing":
            text = "the shipped disclosure asks for texts about a request, not for advertising"
            fix = 'set disclosure = "disclosure-marketing" and render it'
            yield Finding(Level.NOTE, f"{key}.purpose", text, fix, "disclosure")
    yield from check_numbers.look(line, prompts)
    if line.digits == "own":
        yield from _digits(f"{key}.digits", line, prompts)
    yield from secret(f"{key}.hook_key", line.hook_key)


def _digits(key: str, line: Line, prompts: Library) -> Iterator[Finding]:
    for language in line.languages:
        if not all(prompts.has(name, language) for name in DIGIT_PROMPTS):
            missing = f"not all of {DIGIT_PROMPTS[0]} to {DIGIT_PROMPTS[-1]} are recorded"
            text = f"{language}: {missing}, so the PBX says its own"
            yield Finding(Level.NOTE, key, text, reason="missing")


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
