"""A snapshot of the service as plain values, for health, problems and metrics."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agi_bridge.observe import clock_synchronised

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agi_bridge.consent import PushBacklog
    from agi_bridge.observe import Metrics
    from agi_bridge.status.state import ServiceState


@dataclass(frozen=True, slots=True)
class Probes:
    """What is asked at the moment of a look. Each is quick, and none raises.

    Attributes:
        calls: how many calls there are.
        hook_open: whether the circuit in front of the hook has opened and not closed since.
        ledger_open: whether the circuit in front of the ledger is open.
        clock: whether the machine's clock is kept right.
        now: seconds since the epoch.
    """

    calls: Callable[[], int]
    hook_open: Callable[[], bool]
    ledger_open: Callable[[], bool]
    clock: Callable[[], bool] = clock_synchronised
    now: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the configuration in force says, as far as the status needs it.

    Attributes:
        lines: the lines' names.
        shared_ledger: whether several bridges may use the database.
        checkpoint_seconds: how often a checkpoint is due at the latest.
    """

    lines: tuple[str, ...] = ()
    shared_ledger: bool = False
    checkpoint_seconds: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The service at one moment. Times are seconds since the epoch; None is not known yet."""

    at: float
    started_at: float
    loaded_at: float
    listening: bool
    draining: bool
    stale: str | None
    calls: int
    hook_open: bool
    ledger_error: str | None
    chain_taken: bool
    shared_ledger: bool
    lines: tuple[str, ...]
    lost_prompts: tuple[str, ...]
    unsent: int | None
    waiting: Mapping[str, int] | None
    push: PushBacklog | None
    free_bytes: int | None
    last_checkpoint: float | None
    checkpoint_seconds: float
    loop_lag: float
    clock_synchronised: bool
    console_problem: str | None

    @property
    def oldest_push(self) -> float | None:
        """The age in seconds of the oldest message that waits; None: not known."""
        if self.push is None:
            return None
        if self.push.oldest_at is None:
            return 0.0
        return max(0.0, self.at - datetime.fromisoformat(self.push.oldest_at).timestamp())

    @property
    def push_gone(self) -> int:
        """How many receivers asked for no more messages while some wait for them."""
        return 0 if self.push is None else self.push.gone

    @classmethod
    def take(cls, state: ServiceState, metrics: Metrics, probes: Probes, facts: Facts) -> Snapshot:
        """Look at the service now; costs microseconds."""
        error = state.ledger_error
        if error is None and probes.ledger_open():
            error = "the last writes failed"
        return cls(
            at=probes.now(),
            started_at=state.started_at,
            loaded_at=state.loaded_at,
            listening=state.listening,
            draining=state.draining,
            stale=state.stale,
            calls=probes.calls(),
            hook_open=probes.hook_open(),
            ledger_error=error,
            chain_taken=state.chain_taken,
            shared_ledger=facts.shared_ledger,
            lines=facts.lines,
            lost_prompts=state.lost_prompts,
            unsent=state.unsent,
            waiting=state.waiting,
            push=state.push,
            free_bytes=state.free_bytes,
            last_checkpoint=metrics.last_checkpoint,
            checkpoint_seconds=facts.checkpoint_seconds,
            loop_lag=state.loop_lag,
            clock_synchronised=probes.clock(),
            console_problem=state.console_problem,
        )
