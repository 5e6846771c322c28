"""Resubmission: sends consents again that certainly did not reach the hook.

A receiver that is declared to be idempotent (`hook.idempotent`) is asked again about submissions
whose outcome is unknown, for three days. After the ten minutes it sends no text (`text_before`),
and only says what it has done. Such a consent never expires: if the receiver does not say in time
what became of it, it stays unknown, for a person.

A consent that the hook cannot have received (`not_sent`) may be submitted again within ten minutes
of the caller's agreement. A later text would surprise the caller, so the consent then expires. The
ledger decides which bridge sends: `submitting` is stored before the first byte is sent. The ledger
refuses it to all bridges but the first, and to all of them once the consent is revoked. Attempts
back off, respect the quiet hours, and run one at a time.

A wrong clock must neither send a text late nor let it expire too early. The time of day comes from
the trusted clock, which does not follow a jump at once. In addition, running time limits how long
this process may send a consent, whatever the clock says. For consents of an earlier process only
the clock gives their age: they are sent only if the kernel reports the clock as synchronised. (A
machine without a clock battery continues, after hours without power, where it stopped.)
"""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog

from agi_bridge.call.quiet_hours import SendingHours
from agi_bridge.call.submission import WINDOW, submit
from agi_bridge.consent import IllegalTransition, LedgerUnavailable, State, Withheld, timestamp
from agi_bridge.hook import Breaker, Outcome
from agi_bridge.observe import clock_synchronised, wall_clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from agi_bridge.call.services import Services
    from agi_bridge.consent import ConsentRecord, Unsent
    from agi_bridge.hook import Hook
    from agi_bridge.settings import Line

ASKING: Final = timedelta(days=3)
"""How long after the agreement an idempotent receiver is asked what became of it: a weekend."""
FIRST_WAIT: Final = timedelta(seconds=15)
"""From the first failure to the second attempt; each further wait is twice as long ..."""
LONGEST_WAIT: Final = timedelta(minutes=2)
"""... up to this, which leaves room for eight attempts in the window ..."""
LONGEST_ASKING: Final = timedelta(minutes=15)
"""... and up to this after it, where a receiver is only asked."""
CLOCKS_APART: Final = timedelta(minutes=5)
"""By how much the clocks of bridges on one database may differ."""
POLL_EVERY: Final = timedelta(minutes=1)
"""Between two queries of the ledger: another bridge may have left a consent."""
_SERVER_ERROR: Final = 500
LEAST_PAUSE: Final = 1.0
"""Seconds between two rounds, at least."""


def due(unsent: Unsent) -> datetime:
    """Return when the next attempt is due, by the back-off alone."""
    doublings = min(max(unsent.attempts, 1) - 1, 10)  # more exceeds every wait
    wait, last_at = FIRST_WAIT * (1 << doublings), _time(unsent.last_at)
    soon = last_at + min(wait, LONGEST_WAIT)
    if unsent.state is State.UNKNOWN and soon > last_text(unsent):
        return last_at + min(wait, LONGEST_ASKING)
    return soon


def last_text(unsent: Unsent) -> datetime:
    """Return until when the consent's text may be sent."""
    return _time(unsent.confirmed_at) + WINDOW


def last_moment(unsent: Unsent) -> datetime:
    """Return until when the hook is asked: for the text, or what became of it."""
    return _time(unsent.confirmed_at) + _window(unsent)


def _window(unsent: Unsent) -> timedelta:
    return ASKING if unsent.state is State.UNKNOWN else WINDOW


class Resubmitter:
    """Submits unsent consents again; runs as one task of the service.

    Args:
        services: what all calls share; `resubmission_due` is set when a call left a consent unsent.
        lease: returns the services of one round and keeps them open until it ends; None: always
            `services`.
        now: the time of day, with a time zone.
        running: seconds of running time, which setting the clock does not change.
        synchronised: whether the machine's clock is synchronised.
        pause: waits until the event is set, at most this many seconds.
        stopping: once set, nothing new is sent; a submission in progress ends, then `run` returns.
    """

    def __init__(
        self,
        services: Services,
        *,
        lease: Callable[[], AbstractContextManager[Services]] | None = None,
        now: Callable[[], datetime] = lambda: datetime.fromtimestamp(wall_clock.now(), UTC),
        running: Callable[[], float] = time.monotonic,
        synchronised: Callable[[], bool] = clock_synchronised,
        pause: Callable[[asyncio.Event, float], Awaitable[None]] | None = None,
        stopping: asyncio.Event | None = None,
    ) -> None:
        self._services = services
        self._lease = lease or (lambda: nullcontext(services))
        self._now = now
        self._running = running
        self._synchronised = synchronised
        self._pause = pause or self._wait
        self._stopping = stopping or asyncio.Event()
        self._agreed: dict[str, float] = {}
        self._inherited: frozenset[str] | None = None
        self._given_up: set[str] = set()
        self._ledger_down = False
        self._hook_down = False
        self._hold = False

    async def run(self) -> None:
        """Run until stopped or cancelled.

        A submission in progress when cancelled stays `submitting`; the next start settles it as
        unknown.
        """
        while not self._stopping.is_set():
            self._services.resubmission_due.clear()  # before the query
            wait = (await self.round()).total_seconds()
            await self._pause(self._services.resubmission_due, max(LEAST_PAUSE, wait))

    async def round(self) -> timedelta:
        """Send what is due and expire what is too old; return how long until more may be due.

        Outcomes that the ledger refused earlier are stored first.
        """
        with self._lease() as services:
            self._services = services
            return await self._round()

    async def _round(self) -> timedelta:
        self._hold = False
        try:
            await self._services.deferred_outcomes.store(self._services.ledger)
            await self._settle_overdue()
            found = await self._services.ledger.unsent(self._unknown_since())
            self._note(found)
            waits = []
            for unsent in found:
                if self._stopping.is_set():
                    break
                waits.append(await self._attend(unsent))
        except Exception as error:  # noqa: BLE001 - calls do not depend on resubmission
            if not self._ledger_down:
                structlog.get_logger().error("resubmission.round_failed", exc_info=error)
            self._ledger_down = True
            # What is known is stored as soon as the ledger takes it: its lease is running out.
            owed = self._services.deferred_outcomes
            return timedelta(seconds=LEAST_PAUSE) if owed else POLL_EVERY
        self._ledger_down = False
        return min([*waits, POLL_EVERY])

    def _unknown_since(self) -> str | None:
        """From when on an unknown outcome may be asked about again; None: the hook forbids it."""
        if not self._services.settings.hook.idempotent:
            return None
        since = self._now() - ASKING - CLOCKS_APART
        return timestamp(int(since.timestamp()) * 1_000_000_000)

    async def _settle_overdue(self) -> None:
        """Count as unknown what a killed process, of whatever bridge, left under way."""
        if settled := await self._services.ledger.settle_overdue():
            structlog.get_logger().warning("resubmission.overdue_settled", count=settled)

    def _note(self, found: list[Unsent]) -> None:
        """Set for each consent when it was agreed to, in running time."""
        now, running = self._now(), self._running()
        if self._inherited is None:
            self._inherited = frozenset(unsent.consent_id for unsent in found)
        known = self._agreed
        self._agreed = {}
        for unsent in found:
            age = max((now - _time(unsent.confirmed_at)).total_seconds(), 0.0)
            self._agreed[unsent.consent_id] = known.get(unsent.consent_id, running - age)

    def _is_too_old(self, unsent: Unsent, now: datetime) -> bool:
        age = self._running() - self._agreed[unsent.consent_id]
        return age > _window(unsent).total_seconds() or now > last_moment(unsent)

    def _may_be_sent(self, unsent: Unsent) -> bool:
        """Return whether the consent was not given up and its age is known."""
        if unsent.consent_id in self._given_up:
            return False
        return unsent.consent_id not in (self._inherited or ()) or self._synchronised()

    async def _attend(self, unsent: Unsent) -> timedelta:
        """Handle one consent; return how long until it must be looked at again.

        Raises:
            LedgerUnavailable: the ledger is down.
        """
        now = self._now()
        if self._is_too_old(unsent, now):  # on any line, even if its data cannot be opened
            return await self._give_up(unsent)
        line = self._services.settings.lines.get(unsent.line_id)
        if line is None or not self._may_be_sent(unsent):  # None: another bridge's line
            return POLL_EVERY
        if now < due(unsent) <= last_moment(unsent):
            return due(unsent) - now
        try:
            return await self._act(unsent, line, now)
        except (IllegalTransition, Withheld):
            return POLL_EVERY  # revoked meanwhile, or sent by another bridge
        except LedgerUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of one consent must not stop the others
            self._given_up.add(unsent.consent_id)
            structlog.get_logger().error(
                "resubmission.consent_failed", consent=unsent.consent_id, exc_info=error
            )
            return POLL_EVERY

    async def _give_up(self, unsent: Unsent) -> timedelta:
        """Expire a consent that was certainly not sent; a person settles the others."""
        if unsent.state is not State.UNKNOWN:
            await self._services.ledger.expire(unsent.consent_id, "too_old")
            self._services.metrics.consents.add(unsent.line_id, "expired")
            structlog.get_logger().warning(
                "resubmission.consent_expired", consent=unsent.consent_id
            )
        return POLL_EVERY

    async def _act(self, unsent: Unsent, line: Line, now: datetime) -> timedelta:
        record = await self._services.ledger.load_for_retry(unsent.consent_id)
        hours = SendingHours.of(line)
        earliest, latest = max(now, due(unsent)), last_moment(unsent)
        # What is unknown is not asked about at night, although the receiver sends nothing any more.
        is_open = hours.allow(record.number, now)
        if unsent.state is State.UNKNOWN and (earliest > latest or not is_open):
            return POLL_EVERY
        allowed = hours.next_allowed(record.number, earliest, latest)
        if allowed is None:
            record.expired("too_old" if earliest > latest else "hours")
            await self._services.ledger.append(record.take())
            self._services.metrics.consents.add(line.name, "expired")
            structlog.get_logger().warning("resubmission.consent_expired", consent=record.id)
            return POLL_EVERY
        if allowed > now:
            return allowed - now
        if self._hold or self._stopping.is_set() or _circuit_open(self._services.hook):
            return FIRST_WAIT
        return await self._send(record, line, unsent.attempts + 1)

    async def _send(self, record: ConsentRecord, line: Line, attempt: int) -> timedelta:
        services = self._services
        sending = services.sending_facts(line)
        record.submitting(sending, attempt, services.settings.hook.context)
        await services.ledger.append(record.take())
        result = await submit(services, record, line, line.languages[0])
        submission = result.submission
        log = structlog.get_logger()
        if submission.outcome is not Outcome.NOT_SENT:
            self._hook_down = False
            log.info(
                "resubmission.consent_sent",
                consent=record.id,
                attempt=attempt,
                hook=submission.outcome,
                hook_reason=submission.reason,
                **({} if submission.trace_id is None else {"trace": submission.trace_id}),
            )
            # One that does not answer is asked about one consent at a time: each answer is awaited.
            failed = submission.status is None or submission.status >= _SERVER_ERROR
            self._hold = submission.outcome is Outcome.UNKNOWN and failed
            return POLL_EVERY
        if not self._hook_down:
            log.warning("resubmission.hook_unreachable", hook_reason=submission.reason)
        self._hook_down = True
        # The other consents would fail too, and each has only a few attempts.
        self._hold = True
        return FIRST_WAIT

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        waiting = [asyncio.ensure_future(each.wait()) for each in (event, self._stopping)]
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.wait(waiting)


def _circuit_open(hook: Hook) -> bool:
    """Return whether the hook's circuit is open, so that an attempt would be wasted."""
    return isinstance(hook, Breaker) and hook.open


def _time(stored: str) -> datetime:
    """Parse a time as the ledger writes it."""
    return datetime.fromisoformat(stored)
