"""`Status`: readiness, problems, snapshot and metrics behind one object."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agi_bridge import __version__
from agi_bridge.status.exposition import Exposition
from agi_bridge.status.problems import problems
from agi_bridge.status.readiness import readiness
from agi_bridge.status.snapshot import Snapshot
from agi_bridge.status.window import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.observe import Metrics
    from agi_bridge.status.problems import Kind
    from agi_bridge.status.readiness import Readiness
    from agi_bridge.status.snapshot import Facts, Probes
    from agi_bridge.status.state import ServiceState


class Status:
    """What the service is like now. Belongs to the event loop's thread; nothing here waits.

    Args:
        state: what the service says of itself.
        metrics: what was counted.
        probes: what is asked at the moment of a look.
        facts: what the configuration says; may be replaced after a reload.
    """

    def __init__(self, state: ServiceState, metrics: Metrics, probes: Probes, facts: Facts) -> None:
        self.state = state
        self.metrics = metrics
        self.window = Window(metrics)
        self.facts = facts
        self._probes = probes
        self._exposition = Exposition(metrics)

    def snapshot(self) -> Snapshot:
        """Look at the service."""
        return Snapshot.take(self.state, self.metrics, self._probes, self.facts)

    def readiness(self) -> Readiness:
        """Whether new callers should come here."""
        return readiness(self.snapshot())

    def problems(self) -> tuple[Kind, ...]:
        """What an administrator has to know."""
        return problems(self.snapshot(), self.window)

    def metrics_text(self) -> str:
        """The metrics as Prometheus reads them."""
        return self._exposition.text(self.snapshot())

    def document(self) -> dict[str, Any]:
        """The answer of `agi-bridge status --json`. Times are RFC 3339 in UTC, or None."""
        seen, metrics = self.snapshot(), self.metrics
        judged = readiness(seen)
        failure = metrics.last_hook_failure
        return {
            "level": judged.level.value,
            "checks": dict(judged.checks),
            "problems": [
                {
                    "kind": kind.name,
                    "severity": kind.severity,
                    "notice": kind.notice,
                    "cure": kind.cure,
                }
                for kind in problems(seen, self.window)
            ],
            "service": {
                "version": __version__,
                "pid": os.getpid(),
                "at": _time(seen.at),
                "started_at": _time(seen.started_at),
                "draining": seen.draining,
                "loop_lag_seconds": round(seen.loop_lag, 3),
                "clock_synchronised": seen.clock_synchronised,
            },
            "config": {"loaded_at": _time(seen.loaded_at), "stale": seen.stale},
            "calls": {
                "active": seen.calls,
                "last_at": _time(metrics.recent.last_at),
                "last_hour": metrics.recent.by_result(),
                "since_start": metrics.calls.total(),
            },
            "hook": {
                "circuit_open": seen.hook_open,
                "last_success_at": _time(metrics.last_hook_success),
                "last_failure_at": None if failure is None else _time(failure[0]),
                "last_failure": None if failure is None else failure[1],
            },
            "ledger": {
                "error": seen.ledger_error,
                "shared": seen.shared_ledger,
                "free_bytes": seen.free_bytes,
                "last_checkpoint_at": _time(seen.last_checkpoint),
            },
            "waiting": {
                "unsent": seen.unsent,
                "for_person": None if seen.waiting is None else dict(seen.waiting),
            },
            "push": {
                "pending": None if seen.push is None else seen.push.pending,
                "failing": None if seen.push is None else seen.push.failing,
                "gone": None if seen.push is None else seen.push.gone,
                "oldest_at": None if seen.push is None else seen.push.oldest_at,
            },
            "prompts": {"lost": list(seen.lost_prompts)},
            "console": {"problem": seen.console_problem},
        }


def headline(document: Mapping[str, Any]) -> str:
    """The service in a few words, from `Status.document`: sd_notify's STATUS, a process list.

    For example `12 calls, hook ok, 0 waiting for a person`.
    """
    calls = document["calls"]["active"]
    waiting = document["waiting"]["for_person"]
    parts = [
        f"{calls} {'call' if calls == 1 else 'calls'}",
        "hook down" if document["hook"]["circuit_open"] else "hook ok",
        f"{sum((waiting or {}).values())} waiting for a person",
    ]
    if document["ledger"]["error"] is not None:
        parts.append("ledger down")
    if document["config"]["stale"] is not None:
        parts.append("configuration on disk not in force")
    if document["service"]["draining"]:
        parts.insert(0, "draining")
    return ", ".join(parts)


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
