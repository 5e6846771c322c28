"""Group commit: what calls wait for at the same time is done in one transaction, with one fsync.

While one group is carried out, the next one gathers. A group is one hand-over to the ledger's
thread and one back, however many calls wait for it. Belongs to the event loop.

What PostgreSQL refuses for a reason that passes is tried again while its caller waits: at once
where another bridge was quicker, after a pause where there is no connection. Where a lock is not
free, the group is tried one by one, so that what waits for another bridge delays nobody else.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import structlog

from agi_bridge.consent.errors import ConsentError, LedgerClosed, LedgerUnavailable
from agi_bridge.consent.ledger import submissions, worker
from agi_bridge.consent.ledger.staged import FIRST, MAX_GROUP, Attempt
from agi_bridge.consent.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.circuit import Circuit
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.ledger.worker import Worker
    from agi_bridge.consent.models import Batch

MAX_TRIES: Final = 3
"""How often a group is tried whole that other bridges keep getting in the way of."""
ALONE_WAIT_MS: Final = 50
"""Longest wait for a lock, in milliseconds, of what is tried alone: the thread waits with it."""
PAUSES: Final = {"locked": 0.1, "connection_lost": 0.25}
"""Seconds before the next try."""
PROBE_SECONDS: Final = 1.0
"""Between two questions whether PostgreSQL is back. SQLite is not asked: each question would wait
for whatever holds the file."""
PASSING: Final = frozenset({"outdated", "stalled", *PAUSES})
"""The codes of failures that another try may not have: see `engines.error_code`."""
_EARLY_SECONDS: Final = 0.01
"""How much too early a timer may fire, because clocks are rounded to milliseconds."""

Results: TypeAlias = "Sequence[BaseException | str | None]"
"""What became of each in a group: an error, a question's answer, or None."""


class _Waiting:
    """A batch, or a question about a consent, and the call that waits for it."""

    __slots__ = (
        "alone", "batch", "consent_id", "done", "due", "given_up", "maybe_stored", "tries"
    )  # fmt: skip

    def __init__(self, batch: Batch | None, consent_id: str) -> None:
        loop = asyncio.get_running_loop()
        self.batch = batch
        self.consent_id = consent_id
        self.done: asyncio.Future[Any] = loop.create_future()
        self.due = loop.time() + worker.WAIT_SECONDS
        self.given_up = False
        self.tries = 0
        self.alone = False
        self.maybe_stored = False

    @property
    def is_over(self) -> bool:
        """Whether nothing is to be done for it any more; a caller who left changes nothing."""
        return self.given_up or (self.done.done() and not self.done.cancelled())


class GroupCommit:
    """Gathers batches to store, and questions whether a submission may be sent.

    Args:
        thread: the ledger's.
        writer: stores and answers.
        circuit: learns what failed and what is durable.
        stored: called with the number of events after each group.
        probes: whether a database that took nothing is asked when it is back.
    """

    def __init__(
        self,
        thread: Worker,
        writer: Writer,
        circuit: Circuit,
        stored: Callable[[int], None],
        *,
        probes: bool,
    ) -> None:
        self._probes = probes
        self._thread = thread
        self._writer = writer
        self._circuit = circuit
        self._stored = stored
        self._waiting: list[_Waiting] = []
        self._group: Sequence[_Waiting] = ()  # what the thread is at
        self._paused: list[_Waiting] = []  # what is tried again in a moment
        self._busy = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._settling: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed = inf

    def add(self, batch: Batch) -> asyncio.Future[None]:
        """Store a batch; the future is done when it is durable, refused or too late.

        To cancel the future does not undo the write.
        """
        return self._enter(_Waiting(batch, batch.consent_id))

    def ask(self, consent_id: str) -> asyncio.Future[str | None]:
        """Ask why a submission must not be sent now: see `ChainWriter.may_send`."""
        return self._enter(_Waiting(None, consent_id))

    async def drain(self) -> None:
        """Wait until nothing is waiting, for a limited time."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), worker.WAIT_SECONDS)
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])

    def _enter(self, waiting: _Waiting) -> asyncio.Future[Any]:
        self._waiting.append(waiting)
        if waiting.due < self._armed:
            self._arm(waiting.due)
        self._go_on()
        return waiting.done

    def _go_on(self) -> None:
        if not self._busy:
            self._busy = True
            self._idle.clear()
            # Not at once: what comes in the same round of the loop belongs to the same group.
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        """Hand the next group to the thread, if anybody waits."""
        while self._waiting:
            group = [waiting for waiting in self._next_group() if not waiting.is_over]
            if group and self._hand_over(group):
                return
        self._busy = False
        if not self._paused:
            self._idle.set()

    def _next_group(self) -> list[_Waiting]:
        """Those who wait together; when there is nobody else, one of those who go alone."""
        together = [each for each in self._waiting if not each.alone][:MAX_GROUP]
        group = together or self._waiting[:1]
        chosen = set(map(id, group))
        self._waiting = [each for each in self._waiting if id(each) not in chosen]
        return group

    def _hand_over(self, group: Sequence[_Waiting]) -> bool:
        loop = asyncio.get_running_loop()
        try:
            self._thread.submit(partial(self._carry_out, loop, loop.time(), group))
        except LedgerClosed as error:
            _fail(group, error)
            return False
        self._group = group
        return True

    def _carry_out(
        self, loop: asyncio.AbstractEventLoop, began: float, group: Sequence[_Waiting]
    ) -> None:
        """Do all of a group in one transaction. On the ledger's thread."""
        failed: BaseException | None = None
        results: Results = ()
        try:
            results = self._thread.in_transaction(
                partial(self._results, group), reads=all(each.batch is None for each in group)
            )
        except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait must learn of it
            failed = error
        with suppress(RuntimeError):  # the loop is closed, nobody waits
            loop.call_soon_threadsafe(self._finished, began, group, results, failed)

    def _results(self, group: Sequence[_Waiting], transaction: Transaction) -> Results:
        batches = [each.batch for each in group if each.batch is not None]
        outcomes = iter(
            self._writer.store(transaction, batches, _attempt(group)) if batches else ()
        )
        return [
            self._writer.may_send(transaction, each.consent_id)
            if each.batch is None
            else next(outcomes)
            for each in group
        ]

    def _finished(
        self,
        began: float,
        group: Sequence[_Waiting],
        results: Results,
        failed: BaseException | None,
    ) -> None:
        """Tell those who wait, and go on with the next group."""
        self._group = ()
        if isinstance(failed, LedgerUnavailable) and failed.code in PASSING:
            group = self._try_again(group, failed.code)
        if failed is not None:
            results = [failed] * len(group)
        self._note(began, group, failed)
        events, late = 0, []
        for each, result in zip(group, results, strict=True):
            if each.batch is not None and result is None:
                events += len(each.batch.events)
                if each.given_up and each.batch.events[-1].type is State.SUBMITTING:
                    late.append(each.consent_id)
            if each.done.done():
                continue  # too late, or nobody waits any more
            if isinstance(result, BaseException):
                each.done.set_exception(result)
            else:
                each.done.set_result(result)
        self._stored(events)
        if late:
            self._settling = asyncio.create_task(self._settle(late))
        else:
            self._begin()

    def _try_again(self, group: Sequence[_Waiting], code: str) -> list[_Waiting]:
        """Put those of a group that failed back who may be tried again; return the others."""
        if code == "connection_lost" and self._circuit.is_open:
            return list(group)
        again = [each for each in group if not each.is_over]
        for each in again:
            each.tries += 1
            each.alone = each.alone or code == "locked" or each.tries >= MAX_TRIES
            each.maybe_stored = each.maybe_stored or code == "connection_lost"
        pause = PAUSES.get(code, 0.0)
        if code == "locked" and len(group) > 1:
            pause = 0.0  # each is tried alone first
        if pause:
            self._paused += again
            asyncio.get_running_loop().call_later(pause, self._after_pause, again)
        else:
            self._waiting += again
        return [each for each in group if each.is_over]

    def _after_pause(self, again: Sequence[_Waiting]) -> None:
        chosen = set(map(id, again))
        self._paused = [each for each in self._paused if id(each) not in chosen]
        self._waiting += again
        self._go_on()

    def _note(self, began: float, group: Sequence[_Waiting], failed: BaseException | None) -> None:
        """Tell the circuit how the group's writes ended; questions do not count."""
        batches = [each for each in group if each.batch is not None]
        if not batches:
            return
        if isinstance(failed, Exception):
            self._failed(failed, after=asyncio.get_running_loop().time() - began)
        elif failed is None and not all(each.given_up for each in batches):  # late is not a success
            self._circuit.succeeded()

    def _failed(self, error: Exception, *, after: float) -> None:
        """Tell the circuit; while it is open, ask PostgreSQL whether it is back."""
        self._circuit.failed(error, after=after)
        probing = self._probing is not None and not self._probing.done()
        if self._circuit.is_open and self._probes and not probing:
            self._probing = asyncio.create_task(self._probe())

    async def _probe(self) -> None:
        """Close the circuit as soon as the database answers: no caller has to try it first."""
        while self._circuit.is_open:
            await asyncio.sleep(PROBE_SECONDS)
            with suppress(ConsentError):
                await self._thread.run(self._writer.database_now)
                self._circuit.succeeded()

    async def _settle(self, late: Sequence[str]) -> None:
        """Submissions were stored after their callers gave up: there were none."""
        try:
            for consent_id in late:
                await self._never_sent(consent_id)
        finally:
            self._settling = None
            self._begin()

    async def _never_sent(self, consent_id: str) -> None:
        try:
            await self._thread.run(lambda t: submissions.never_sent(t, self._writer, consent_id))
        except ConsentError as error:
            structlog.get_logger().error("consent.left_open", consent=consent_id, exc_info=error)

    # One timer for all who wait

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = when
        self._timer = asyncio.get_running_loop().call_at(when, self._give_up)

    def _give_up(self) -> None:
        """Let no caller wait longer than `worker.WAIT_SECONDS`; the work itself goes on."""
        self._timer, self._armed = None, inf
        now = asyncio.get_running_loop().time() + _EARLY_SECONDS
        nearest = inf
        for each in (*self._group, *self._waiting, *self._paused):
            if each.done.done():
                continue
            if each.due > now:
                nearest = min(nearest, each.due)
                continue
            each.given_up = True
            error = self._thread.no_answer()
            if each.batch is not None:
                self._failed(error, after=worker.WAIT_SECONDS)
            each.done.set_exception(error)
        if nearest < inf:
            self._arm(nearest)


def _attempt(group: Sequence[_Waiting]) -> Attempt:
    first = group[0]
    maybe = [each.batch.events[-1].event_id for each in group if each.batch and each.maybe_stored]
    return Attempt(
        wait_ms=ALONE_WAIT_MS if first.alone else FIRST.wait_ms,
        maybe_stored=maybe,
        exclusive=any(each.tries for each in group),
    )


def _fail(group: Sequence[_Waiting], error: Exception) -> None:
    for each in group:
        if not each.done.done():
            each.done.set_exception(error)
