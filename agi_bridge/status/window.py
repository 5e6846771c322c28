"""Growth of some counters over the last minutes, like `increase()` in Prometheus."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.observe import Metrics

KEPT: Final = 60
"""Readings that are kept, one a minute."""

API_FAILED: Final = ("token_refused", "unavailable", "unreachable")
"""Look-ups that failed for all customers alike."""
TRUNK_FAILED: Final = ("CONGESTION", "CHANUNAVAIL", "other")
"""DIALSTATUS values that mean a failed trunk; the others describe the called party."""


def totals(metrics: Metrics) -> Mapping[str, int]:
    """The counts that problems are found by."""
    hook, dials = metrics.hook_requests, metrics.dials
    return {
        "hook_requests": hook.total(),
        "hook_refused": hook.total(outcome="refused"),
        "hook_unknown": hook.total(outcome="unknown"),
        "not_linked": metrics.hook_not_linked.total(),
        "lookups_failed": sum(metrics.stop_lookups.total(outcome=each) for each in API_FAILED),
        "ledger_errors": metrics.ledger_errors.total(),
        "drain_forced": metrics.forced_calls.total(),
        "forward_refused": metrics.forward_refusals.total(),
        "trunk_answered": dials.total(leg="forward", status="ANSWER"),
        "trunk_failed": sum(dials.total(leg="forward", status=each) for each in TRUNK_FAILED),
    }


class Window:
    """The readings of the last hour. `read` is called once a minute.

    Args:
        metrics: what is read.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._readings: deque[Mapping[str, int]] = deque([totals(metrics)], maxlen=KEPT + 1)

    def read(self) -> None:
        """Take the minute's reading."""
        self._readings.append(totals(self._metrics))

    def increases(self, minutes: int) -> Mapping[str, int]:
        """How much each count has grown in so many minutes, or since the start if that is less."""
        before = self._readings[max(0, len(self._readings) - 1 - minutes)]
        return {name: now - before[name] for name, now in totals(self._metrics).items()}

    @property
    def no_calls(self) -> bool:
        """Whether no call came in two hours, although a week ago many did in the same two."""
        return self._metrics.recent.missing
