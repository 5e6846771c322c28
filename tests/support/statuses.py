"""A status of a service that a test describes."""

from __future__ import annotations

from dataclasses import dataclass, field

from agi_bridge.observe import Metrics
from agi_bridge.status import Facts, Probes, ServiceState, Status

START = 1_795_755_123.75
"""Not round, so that a digit which is lost on the way shows."""


@dataclass
class Pretended:
    """What the probes see, and a clock that only the test moves."""

    calls: int = 0
    hook_open: bool = False
    ledger_open: bool = False
    clock: bool = True
    now: float = START
    lines: tuple[str, ...] = ("shop",)
    shared: bool = False
    state: ServiceState = field(
        default_factory=lambda: ServiceState(listening=True, started_at=START, loaded_at=START)
    )

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.lines, lambda: self.now)
        probes = Probes(
            calls=lambda: self.calls,
            hook_open=lambda: self.hook_open,
            ledger_open=lambda: self.ledger_open,
            clock=lambda: self.clock,
            now=lambda: self.now,
        )
        facts = Facts(lines=self.lines, shared_ledger=self.shared)
        self.status = Status(self.state, self.metrics, probes, facts)

    @property
    def kinds(self) -> list[str]:
        """The kinds of problem that there are."""
        return [kind.name for kind in self.status.problems()]
