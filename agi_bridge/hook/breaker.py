"""A circuit breaker in front of the hook: callers do not wait for one that is down.

After some failures in a row the circuit opens: submissions end at once as `not_sent`, reason
`circuit_open`, without a look at the network. After some seconds one submission tries the hook
while all others are still held back. It closes the circuit, or the circuit stays open for the same
time again. A submission says nothing about the hook if it is cancelled, if its gate held it back,
if it began before the circuit opened, or if it failed while the process itself stood still: one
that was frozen finds all its submissions overdue, and the hook is well.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, Self

import structlog

from agi_bridge.circuit_breaker import CircuitBreaker
from agi_bridge.hook.client import Outcome, Submission
from agi_bridge.hook.errors import HookConfigError
from agi_bridge.hook.lost_time import LostTime
from agi_bridge.hook.preparation import Preparation

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.hook.request import SubmissionRequest

CIRCUIT_OPEN: Final = "circuit_open"
"""The reason of a submission that was held back."""

_FAILURES: Final = frozenset({Outcome.NOT_SENT, Outcome.UNKNOWN})
"""Both mean that the hook did not answer as it should."""

_HELD_BACK: Final = Submission(Outcome.NOT_SENT, None, None, CIRCUIT_OPEN, 0, 0.0, None)


class Hook(Protocol):
    """What submits numbers: the client, or the breaker in front of it."""

    async def submit(self, request: SubmissionRequest) -> Submission:
        """Hand one consented number to the hook; see `HookClient.submit`."""
        ...

    def prepare(self) -> Preparation:
        """A connection to be made ahead; see `HookClient.prepare`."""
        ...


@dataclass(slots=True)
class _Health:
    """What is known of a hook: of one, however many clients reach it.

    Attributes:
        circuit: the failures in a row.
        trying: whether one submission tries a hook whose circuit is open.
        openings: how often the circuit opened, or stayed open.
        lost_time: when the process itself stood still.
    """

    circuit: CircuitBreaker
    trying: bool = False
    openings: int = 0
    lost_time: LostTime = field(default_factory=LostTime)


class Breaker:
    """A hook that is left alone for a while after failing several times in a row.

    Args:
        hook: what submits.
        failures: outcomes `not_sent` or `unknown` in a row that open the circuit.
        seconds: how long it is open before one submission tries again.
        clock: seconds of running time.

    Raises:
        HookConfigError: failures or seconds are not more than 0.
    """

    def __init__(
        self,
        hook: Hook,
        *,
        failures: int = 5,
        seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if failures <= 0 or seconds <= 0:
            raise HookConfigError(
                "breaker_limits", "failures and seconds of the breaker must be more than 0"
            )
        self._hook = hook
        self._seconds = seconds
        self._health = _Health(CircuitBreaker(failures, seconds, clock))

    def before(self, hook: Hook) -> Self:
        """The breaker before another client of the same hook, which knows what this one knows.

        Both go on together: a submission that one of them began counts for both.
        """
        other = copy.copy(self)
        other._hook = hook  # noqa: SLF001 - the same class
        return other

    @property
    def open(self) -> bool:
        """Whether a submission would be held back now."""
        return self._health.circuit.blocks or self._health.trying

    @property
    def failing(self) -> bool:
        """Whether the circuit opened and no submission has succeeded since; a trial may be due."""
        return self._health.circuit.is_open

    def prepare(self) -> Preparation:
        """The hook's own; while the circuit is open, none is made ahead."""
        return Preparation(None) if self.open else self._hook.prepare()

    async def submit(self, request: SubmissionRequest) -> Submission:
        """Submit, or end at once: `not_sent`, `circuit_open`, no attempt.

        Raises what the hook's own `submit` raises.
        """
        if self.open:
            return _HELD_BACK
        health = self._health
        trial = health.circuit.is_open
        begun = health.openings
        health.trying = trial
        try:
            with health.lost_time.watching() as began:
                submission = await self._hook.submit(request)
                is_ours = submission.outcome in _FAILURES and health.lost_time.since(began)
        finally:
            if trial:
                health.trying = False
        if is_ours:
            structlog.get_logger().warning("hook.failure_not_counted", reason=submission.reason)
        elif begun == health.openings and not submission.held_back:
            self._count(submission, trial=trial)
        return submission

    def _count(self, submission: Submission, *, trial: bool) -> None:
        if submission.outcome not in _FAILURES:
            if self._health.circuit.succeeded():
                structlog.get_logger().warning("hook.circuit_closed")
        elif trial:
            self._health.openings += 1
            self._health.circuit.wait_again()
        elif self._health.circuit.failed():
            self._health.openings += 1
            structlog.get_logger().error(
                "hook.circuit_opened", reason=submission.reason, retry_after=self._seconds
            )
