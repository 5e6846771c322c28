"""File descriptors: how many a configuration needs, how many may be had, and who gets a share.

A call holds a socket to Asterisk and, while the hook is asked, one to the hook. A bridge that runs
out of them breaks calls in the middle, so the limit is raised at the start; where that is not
allowed, fewer calls are taken, and those over it are refused in words.
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
"""Ledger, log, listeners, event loop, control and status connections, name look-ups, files being
read, with room to spare."""

WEB: Final = 256
"""Connections to the web at once."""

PER_ENGINE: Final = 32
"""Pipes or connections of one speech engine, which renders a few texts at once."""

FIX: Final = "raise LimitNOFILE= of the service (ulimit -Hn), or lower agi.max_calls"
"""What to do about a limit that is too low."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Who gets how many: calls, connections that are no calls yet, the web, everything else."""

    calls: int
    waiting: int
    web: int
    others: int

    @property
    def total(self) -> int:
        """Descriptors in all."""
        return PER_CALL * self.calls + self.waiting + self.web + self.others


def required_shares(settings: Settings) -> Shares:
    """What a configuration needs so that nobody is refused before `agi.max_calls`."""
    return Shares(
        calls=settings.agi.max_calls,
        waiting=Limits().max_pending,
        web=WEB if settings.web_listens else 0,
        others=OTHERS + PER_ENGINE * len(settings.speech.engines),
    )


def shares(settings: Settings, limit: int) -> Shares:
    """What there is for each within a limit: all that is needed, or less of everything but others.

    Strangers' connections give way first; one call is always taken.
    """
    need = required_shares(settings)
    if need.total <= limit:
        return need
    waiting = min(need.waiting, max(limit // 8, 1))
    web = min(need.web, max(limit // 16, 1))
    left = limit - waiting - web - need.others
    return Shares(max(1, min(need.calls, left // PER_CALL)), waiting, web, need.others)


def hard_limit() -> int:
    """How many descriptors this process may have at most: the hard limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def raise_soft_limit(count: int) -> int:
    """Raise the soft limit so far as the hard one lets it; return the limit in force.

    It is never lowered.
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
    """Say in words what a limit is too low for; None if it is enough."""
    need = required_shares(settings)
    if need.total <= limit:
        return None
    return (
        f"{need.calls} calls need {need.total} file descriptors and this process may have {limit}: "
        f"calls beyond {shares(settings, limit).calls} are refused"
    )
