"""Notifications to systemd by the protocol of sd_notify(3), one datagram each."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def notify(**states: str | int) -> None:
    """Send notifications, for example `notify(READY=1, STATUS="12 calls")`.

    Never blocks and never raises. Without a `NOTIFY_SOCKET` nobody wants to know.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    lines = "\n".join(f"{name}={' '.join(str(value).split())}" for name, value in states.items())
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    with socket.socket(socket.AF_UNIX, kind) as out, suppress(OSError):
        out.sendto(lines.encode(), address.replace("@", "\0", 1))


def watchdog_seconds() -> float | None:
    """Return how often systemd wants to hear `WATCHDOG=1`; None: it does not watch this process."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(microseconds) / 1e6 if microseconds.isdigit() and int(microseconds) else None
