"""A ledger and a hook for sending again, and a clock that the test turns."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from agi_bridge.call import Services
from agi_bridge.call.resubmit import LEAST_PAUSE, Resubmitter
from agi_bridge.call.submission import WINDOW
from agi_bridge.consent import ConsentRecord, State, Unsent
from agi_bridge.hook import Outcome, Preparation, Submission, SubmissionRequest
from tests.support.call_env import DID, KEY, settings

if TYPE_CHECKING:
    from agi_bridge.consent import Batch

NOON = datetime(2026, 7, 15, 19, 0, tzinfo=UTC)
"""Twelve o'clock in California."""
NUMBER, SALT = "+14155550123", "0" * 64


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def unsent(name: str, *, attempts: int = 1, line: str = "shop") -> Unsent:
    """Agreed to at noon, and the attempts failed at once."""
    noon = NOON.isoformat()
    return Unsent(
        consent_id=name, line_id=line, confirmed_at=noon, last_at=noon, attempts=attempts,
        region="US",
    )  # fmt: skip


class ResubmitEnv:
    """A ledger, a hook and a clock that belong to the test."""

    def __init__(self, *waiting: Unsent, **line: Any) -> None:
        self.clock = 0.0
        self.waiting = {each.consent_id: each for each in waiting}
        self.number = NUMBER
        self.outcomes: list[Outcome] = []
        self.refuses: Exception | None = None
        self.submitted: list[tuple[str, float]] = []
        self.events: list[tuple[str, State, float]] = []
        self.bodies: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self._taken = ""
        services = Services(
            settings(**line), cast("Any", None), cast("Any", self), cast("Any", self), ""
        )
        self.services = services
        self.set_by = 0.0
        self.synchronised = True
        self.resubmission = self.new_resubmission()

    def new_resubmission(self, **parts: Any) -> Resubmitter:
        """As a service that has just been started has it."""
        return Resubmitter(
            parts.pop("services", self.services),
            now=lambda: at(self.clock + self.set_by),
            running=lambda: self.clock,
            synchronised=lambda: self.synchronised,
            **parts,
        )

    async def play(self, until: float = WINDOW.total_seconds() + 60) -> None:
        """Round after round, until nothing waits or that time is over."""
        while self.waiting and self.clock < until:
            wait = await self.resubmission.round()
            self.clock += max(wait.total_seconds(), LEAST_PAUSE)

    # The ledger

    async def settle_overdue(self) -> int:
        return 0

    async def may_send(self, consent_id: str) -> str | None:
        self.asked.append(consent_id)
        return None

    async def unsent(self, unknown_since: str | None = None) -> list[Unsent]:
        assert unknown_since is None, "this hook is not idempotent"
        if self.refuses is not None:
            raise self.refuses
        return list(self.waiting.values())

    async def load_for_retry(self, consent_id: str) -> ConsentRecord:
        self._taken = consent_id
        personal = {"salt": SALT, "number": self.number}
        return ConsentRecord.stored(consent_id, State.NOT_SENT, personal)

    async def append(self, batch: Batch) -> None:
        (event,) = batch.events
        assert isinstance(event.type, State)
        self.events.append((batch.consent_id, event.type, self.clock))
        self.bodies.append(dict(event.body))
        known = self.waiting.pop(batch.consent_id)
        if event.type is State.SUBMITTING:
            self.waiting[batch.consent_id] = replace(known, attempts=known.attempts + 1)
        elif event.type is State.NOT_SENT:
            failed = replace(known, last_at=at(self.clock + self.set_by).isoformat())
            self.waiting[batch.consent_id] = failed

    async def expire(self, consent_id: str, reason: str) -> None:
        del self.waiting[consent_id]
        self.events.append((consent_id, State.EXPIRED, self.clock))
        self.bodies.append({"reason": reason})

    # The hook

    def prepare(self) -> Preparation:
        raise AssertionError

    async def submit(self, request: SubmissionRequest) -> Submission:
        assert request.gate is not None
        assert request == SubmissionRequest(self.number, DID, KEY, gate=request.gate)
        assert await request.gate() is None
        assert self.asked == [self._taken], "the ledger is asked before the first byte"
        self.asked.clear()
        assert self.events[-1][:2] == (self._taken, State.SUBMITTING), "stored before it is sent"
        self.submitted.append((self._taken, self.clock))
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome.ACCEPTED
        return Submission(outcome, None, None, "word", 1, 0.0, None)


def down(times: int) -> list[Outcome]:
    return [Outcome.NOT_SENT] * times
