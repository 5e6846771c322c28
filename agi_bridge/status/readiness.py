"""Decides whether the service is ready, degraded or not ready for new calls.

Not ready (503) means that a caller would gain nothing here. What callers notice only by missing
their text, or what every bridge shares (the hook, a common database), is `degraded` and never 503:
otherwise a balancer would remove all bridges at once, while callers could still reach the line's
default destination.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.status.snapshot import Snapshot

OK = "ok"
"""What a check says when nothing is wrong."""


class Level(StrEnum):
    """How well the service is."""

    READY = "ready"
    DEGRADED = "degraded"
    NOT_READY = "not_ready"


@dataclass(frozen=True, slots=True)
class Readiness:
    """The service's level, and what each check says: `ok`, or a stable word for what is wrong."""

    level: Level
    checks: Mapping[str, str]

    @property
    def is_ready(self) -> bool:
        """Whether new callers should come here."""
        return self.level is not Level.NOT_READY


def readiness(snapshot: Snapshot) -> Readiness:
    """Judge a snapshot."""
    no_prompts = bool(snapshot.lines) and set(snapshot.lines) <= set(snapshot.lost_prompts)
    ledger_down = snapshot.ledger_error is not None
    checks = {
        "calls": _calls(snapshot),
        "prompts": "missing" if no_prompts else "incomplete" if snapshot.lost_prompts else OK,
        "ledger": "chain_taken" if snapshot.chain_taken else "down" if ledger_down else OK,
        "hook": "circuit_open" if snapshot.hook_open else OK,
        "config": OK if snapshot.stale is None else "stale",
        "console": OK if snapshot.console_problem is None else "down",
    }
    ours_down = snapshot.chain_taken or (ledger_down and not snapshot.shared_ledger)
    if checks["calls"] != OK or no_prompts or ours_down:
        return Readiness(Level.NOT_READY, checks)
    well = all(word == OK for word in checks.values())
    return Readiness(Level.READY if well else Level.DEGRADED, checks)


def _calls(snapshot: Snapshot) -> str:
    if snapshot.draining:
        return "draining"
    return OK if snapshot.listening else "not_listening"
