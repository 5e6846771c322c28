"""Maintains a ledger in service: sends checkpoints to their places, and erases old data."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from agi_bridge.consent.encoding import DAY, stamp
from agi_bridge.consent.errors import ClockInDoubt, ConsentError
from agi_bridge.consent.ledger.witnesses import witness_checkpoint
from agi_bridge.consent.results import Filter, RetentionReport, RetentionRules
from agi_bridge.observe import Metrics, wall_clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from agi_bridge.consent.ledger.ledger import Ledger
    from agi_bridge.consent.signing.sinks import CheckpointPublisher
    from agi_bridge.consent.signing.witness import TimestampAuthority

REQUEST_SECONDS: Final = 2.0
"""Between two looks whether a command asks for a checkpoint."""
DELIVERIES_AT_ONCE: Final = 50
"""Checkpoints that are sent between two looks at the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceSchedule:
    """Intervals and periods of maintenance.

    Attributes:
        events: a checkpoint after so many events ...
        seconds: ... and after so many seconds at the latest, if anything has happened.
        personal_days: personal data is kept so many days after what a person last did.
        details_days: raw digits, and a caller ID that is not the number, so many.
        personal_days_of_lines: what holds for some lines instead of `personal_days`.
    """

    events: int = 100
    seconds: float = 3600.0
    personal_days: int = 1826
    details_days: int = 90
    personal_days_of_lines: Mapping[str, int] = field(default_factory=dict)

    def rules(self, now_seconds: float) -> RetentionRules:
        """What is due for deletion at a time (since the epoch)."""
        return RetentionRules(
            now=now_seconds,
            personal_before=_before(now_seconds, self.personal_days),
            details_before=_before(now_seconds, self.details_days),
            of_lines={
                line: _before(now_seconds, days)
                for line, days in self.personal_days_of_lines.items()
            },
        )


class Maintenance:
    """Maintains one ledger: run it as a task of the service, and call `finish` at the end.

    Args:
        ledger: what is looked after.
        publisher: where checkpoints go.
        schedule: how often.
        clock: seconds since the epoch.
        running: seconds from any start, which no setting of a clock changes.
        pause: waits until the event is set, but so many seconds at most.
        metrics: count checkpoints.
        authority: stamps each checkpoint; None leaves them unwitnessed. The event that chains a
            stamp is new itself, so a ledger without calls is stamped too, and the time between two
            stamps is never longer than between two checkpoints.
    """

    def __init__(
        self,
        ledger: Ledger,
        publisher: CheckpointPublisher,
        schedule: MaintenanceSchedule,
        *,
        clock: Callable[[], float] = wall_clock.now,
        running: Callable[[], float] = time.monotonic,
        pause: Callable[[asyncio.Event, float], Awaitable[None]] | None = None,
        metrics: Metrics | None = None,
        authority: TimestampAuthority | None = None,
    ) -> None:
        self._authority = authority
        self._metrics = metrics or Metrics()
        self._ledger = ledger
        self._publisher = publisher
        self.schedule = schedule
        """How often, and how long; another may be set while it runs, but for `events`."""
        self._clock = clock
        self._running = running
        self._pause = pause or _pause

    async def run(self) -> None:
        """Run until cancelled."""
        grown = self._ledger.notify_after(self.schedule.events)
        next_day = self._running()
        while True:
            grown.clear()
            await self.publish_checkpoint()
            if self._running() >= next_day:
                await self.apply_retention()
                next_day = self._running() + DAY
            await self._finish_erasures()
            await self._pause(grown, self.schedule.seconds)

    async def answer_requests(self) -> None:
        """Make the checkpoints that commands on other machines ask for, until cancelled."""
        while True:
            await asyncio.sleep(REQUEST_SECONDS)
            try:
                if await self._ledger.checkpoint_is_requested():
                    await self.publish_checkpoint()
                    await self._ledger.settle_request()
            except ConsentError as error:
                structlog.get_logger().warning("checkpoint.request_not_read", reason=str(error))

    async def finish(self) -> None:
        """Publish a last checkpoint."""
        await self.publish_checkpoint()

    async def publish_checkpoint(self) -> None:
        """Sign the chain's head and send it; each failure is one line in the log.

        What could not be sent earlier is sent first: an anchor counts only once it has left.
        """
        try:
            made = await self._ledger.checkpoint(self._publisher.names)
            failures = await deliver_checkpoints(self._ledger, self._publisher)
        except ConsentError as error:
            structlog.get_logger().error("checkpoint.not_signed", exc_info=error)
            self._metrics.checkpoint_published(["signing"])
            return
        for failure in failures:
            structlog.get_logger().error(
                "checkpoint.not_sent", seq=failure.seq, reason=failure.reason
            )
        # "file /var/lib/…: reason": its first word is the kind of destination.
        self._metrics.checkpoint_published(each.reason.partition(" ")[0] for each in failures)
        if made is not None and self._authority is not None:
            await witness_checkpoint(self._ledger, self._authority, made)

    async def _finish_erasures(self) -> None:
        try:
            await self._ledger.finish_erasures()
        except ConsentError as error:
            structlog.get_logger().error("retention.failed", exc_info=error)

    async def apply_retention(self) -> None:
        """Delete what is past its retention period, and log what waits for a person."""
        try:
            rules = self.schedule.rules(self._clock())
            report = await self._retain(rules)
            waiting = await self._ledger.summaries(Filter(open_=True, limit=1000))
        except ConsentError as error:
            structlog.get_logger().error("retention.failed", exc_info=error)
            return
        log = structlog.get_logger()
        if report != RetentionReport():
            log.info("retention.data_deleted", consents=report.erase, details=report.trim)
        if waiting:
            kinds = Counter(summary.kind for summary in waiting)
            log.warning("consent.person_needed", **kinds)

    async def _retain(self, rules: RetentionRules) -> RetentionReport:
        try:
            return await self._ledger.retain(rules, dry_run=False)
        except ClockInDoubt as error:
            structlog.get_logger().error("retention.refused", reason=str(error))
            return RetentionReport()


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """A checkpoint that was not delivered: its event, and the place and reason."""

    seq: int
    reason: str


async def deliver_checkpoints(
    ledger: Ledger, publisher: CheckpointPublisher
) -> list[DeliveryFailure]:
    """Send every undelivered checkpoint to its places, oldest first.

    A place that fails is left alone until the next time: it gets its checkpoints in their order.

    Raises:
        LedgerUnavailable: the database failed.
    """
    failures: dict[str, DeliveryFailure] = {}
    more = True
    while more:
        sent = []
        due = await ledger.deliveries(DELIVERIES_AT_ONCE, without=[*failures])
        more = len(due) == DELIVERIES_AT_ONCE
        for sink, checkpoint in due:
            if sink not in failures:
                problem = await asyncio.to_thread(publisher.send, sink, checkpoint)
                if problem is None:
                    sent.append((checkpoint.seq, sink))
                else:
                    failures[sink] = DeliveryFailure(checkpoint.seq, problem)
        if sent:
            await ledger.delivered(sent)
    return [*failures.values()]


def _before(now_seconds: float, days: int) -> str:
    return stamp(now_seconds - days * DAY)


async def _pause(news: asyncio.Event, seconds: float) -> None:
    waiting = asyncio.ensure_future(news.wait())
    try:
        await asyncio.wait({waiting}, timeout=seconds)
    finally:
        waiting.cancel()
        await asyncio.wait({waiting})
