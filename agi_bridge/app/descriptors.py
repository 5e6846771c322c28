"""File descriptors: how many a configuration needs, and how many each part may use.

A call uses a socket to Asterisk and, during a submission, one to the hook. A bridge without free
descriptors would break calls in progress. The limit is therefore raised at the start. If the system
does not allow that, the bridge accepts fewer calls and refuses the others with a log line.
"""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agi_bridge.agi import Limits

if TYPE_CHECKING:
    from agi_bridge.settings import Settings

PER_CALL: Final = 2
"""One to Asterisk, one to the hook."""

OTHERS: Final = 160
"""Ledger, log, listeners, event loop, control and status connections, name look-ups and open files,
with a reserve."""

WEB: Final = 256
"""Connections to the web at once."""

CONSOLE: Final = 528
"""Connections to the console at once, and what it opens itself."""

PER_ENGINE: Final = 32
"""Pipes or connections of one speech engine, which renders several texts at once."""

PER_RECEIVER: Final = 8
"""Connections to one receiver of messages at once."""

FIX: Final = "raise LimitNOFILE= of the service (ulimit -Hn), or lower agi.max_calls"
"""How to solve a limit that is too low."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Descriptors for calls, for connections before the call starts, for the web, for the rest."""

    calls: int
    waiting: int
    web: int
    others: int

    @property
    def total(self) -> int:
        """Sum of all shares."""
        return PER_CALL * self.calls + self.waiting + self.web + self.others


def required_shares(settings: Settings) -> Shares:
    """Return what a configuration needs to accept `agi.max_calls` calls."""
    return Shares(
        calls=settings.agi.max_calls,
        waiting=Limits().max_pending,
        web=WEB if settings.web_listens else 0,
        others=OTHERS
        + (CONSOLE if settings.console.enabled else 0)
        + PER_ENGINE * len(settings.speech.engines)
        + PER_RECEIVER * len(settings.push),
    )


def shares(settings: Settings, limit: int) -> Shares:
    """Divide a limit: all that is required, or less for calls, waiting connections and the web.

    Waiting and web connections are reduced first. At least one call is always accepted.
    """
    need = required_shares(settings)
    if need.total <= limit:
        return need
    waiting = min(need.waiting, max(limit // 8, 1))
    web = min(need.web, max(limit // 16, 1))
    left = limit - waiting - web - need.others
    return Shares(max(1, min(need.calls, left // PER_CALL)), waiting, web, need.others)


def hard_limit() -> int:
    """Return the hard limit of descriptors of this process."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def raise_soft_limit(count: int) -> int:
    """Raise the soft limit up to the hard limit; return the resulting soft limit.

    The soft limit is never lowered.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(count, hard_limit())
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):  # more than the kernel's fs.nr_open
            return soft
        return wanted
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def shortage(settings: Settings, limit: int) -> str | None:
    """Describe what a limit is too low for; None if it is high enough."""
    need = required_shares(settings)
    if need.total <= limit:
        return None
    return (
        f"{need.calls} calls need {need.total} file descriptors, but the limit of this process is "
        f"{limit}; calls beyond {shares(settings, limit).calls} are refused"
    )
