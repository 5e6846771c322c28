"""Checks `[status]`, `[console]` and `[alerts]`: who can read what, and the alerted program."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from agi_bridge.app.findings import Finding, Level, port, secret
from agi_bridge.net import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agi_bridge.settings import Settings


def look(
    settings: Settings, environ: Mapping[str, str], *, running: bool = False
) -> Iterator[Finding]:
    """Yield the findings. `running`: a service is running with this configuration.

    A status port that is not available is a note, because calls work without it.
    """
    status = settings.status
    if status.enabled:
        found = port("status.port", status.host, status.port, running=running)
        yield replace(found, level=Level.NOTE) if found.level is Level.FAULT else found
        if status.token is not None:
            yield from secret("status.token", status.token)
        elif not is_loopback(status.host):
            text = "other machines can read /metrics without a token"
            yield Finding(Level.NOTE, "status.host", text, "set status.token", "open")
    yield from _console(settings, running=running)
    if command := settings.alerts.command:
        name = command[0]
        program = shutil.which(name, path=environ.get("PATH", os.defpath))
        if program is None:
            text, fix = f"program {name!r} not found", "install it, or write its full path"
            yield Finding(Level.FAULT, "alerts.command", text, fix, "not_found")
        else:
            yield Finding(Level.OK, "alerts.command", program)


def _console(settings: Settings, *, running: bool) -> Iterator[Finding]:
    """Yield the findings about a console that is enabled; calls work without its port, too."""
    console = settings.console
    if not console.enabled:
        return
    found = port("console.port", console.host, console.port, running=running)
    yield replace(found, level=Level.NOTE) if found.level is Level.FAULT else found
    if console.sign_in == "none":
        text = f"everybody on this machine may open the console and {console.role}"
        fix = 'set it to "password" where others have accounts here'
        yield Finding(Level.NOTE, "console.sign_in", text, fix, "open")
    elif console.by_password and not is_loopback(console.host):
        text = "passwords and pages cross the network unencrypted, unless a proxy adds TLS"
        fix = "listen on 127.0.0.1, and put a reverse proxy with TLS before it"
        yield Finding(Level.NOTE, "console.host", text, fix, "unencrypted")
