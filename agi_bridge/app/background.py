"""Background tasks of the service: resubmission, maintenance, and the last checkpoint."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog

from agi_bridge.call import Resubmitter
from agi_bridge.consent import LedgerUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from agi_bridge.app.current import CurrentServices
    from agi_bridge.call import Services
    from agi_bridge.consent.ledger import Maintenance

CHORE_SECONDS: Final = 60.0
"""How long a chore that broke is left alone."""
ANCHOR_SECONDS: Final = 15.0
"""How long the last checkpoint may take: a database that hangs must not hold up the end."""
LEDGER_RETRY_SECONDS: Final = 0.5
"""Between two tries to store outcomes at the stop."""
LEDGER_SECONDS: Final = 10.0
"""How long the ledger may take, at the stop, before and after a submission."""
OUTCOMES_SECONDS: Final = 25.0
"""How long a stop tries to store outcomes that are known: PostgreSQL may be starting again. With
the longest drain it stays within the unit's TimeoutStopSec."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The two steps of a stop: first begin nothing new, then wait for nothing more."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    forced: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def anchored(upkeep: Maintenance) -> AsyncIterator[None]:
    """Publish a last checkpoint at the end of the block."""
    try:
        yield
    finally:
        finishing = asyncio.create_task(upkeep.finish())
        if not (await asyncio.wait({finishing}, timeout=ANCHOR_SECONDS))[0]:
            finishing.cancel()
            structlog.get_logger().error(
                "service.last_checkpoint_timed_out", seconds=ANCHOR_SECONDS
            )


@asynccontextmanager
async def chores(*work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run the background tasks while the block runs."""
    never = asyncio.Event()
    tasks = [asyncio.create_task(_go_on(each, never)) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def resubmitting(current: CurrentServices, stop: Stop) -> AsyncIterator[None]:
    """Resubmit unsent consents while the block runs, until a stop is requested.

    A submission in progress may then end, as a cancelled one would stay `unknown`; a forced stop
    does not wait for it. At the end of the block, when calls have ended, outcomes
    are stored that the ledger did not take when they came.
    """
    resubmission = Resubmitter(current.services, lease=current.lease, stopping=stop.asked)
    work = asyncio.create_task(_go_on(resubmission.run, stop.asked), name="resubmission")
    try:
        yield
    finally:
        stop.asked.set()
        services = current.services
        seconds = services.settings.hook.total_seconds + LEDGER_SECONDS
        forced = asyncio.create_task(stop.forced.wait())
        await asyncio.wait({work, forced}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in (work, forced):
            task.cancel()
        await asyncio.wait({work, forced})
        await _store_outcomes(services, stop)


async def _store_outcomes(services: Services, stop: Stop) -> None:
    """Store deferred outcomes; another process may hold the database, or it may be away.

    A forced stop tries for a shorter time.
    """
    began = asyncio.get_running_loop().time()
    while True:
        try:
            return await services.deferred_outcomes.store(services.ledger)
        except LedgerUnavailable as error:
            seconds = LEDGER_SECONDS if stop.forced.is_set() else OUTCOMES_SECONDS
            if asyncio.get_running_loop().time() >= began + seconds:
                structlog.get_logger().error(
                    "service.outcomes_not_stored",
                    count=len(services.deferred_outcomes),
                    exc_info=error,
                )
                return None
        await asyncio.sleep(LEDGER_RETRY_SECONDS)


async def _go_on(work: Callable[[], Coroutine[Any, Any, None]], stopping: asyncio.Event) -> None:
    """Run a task until a stop; restart it after a pause when it ends, and log when it fails.

    So preloaded speech models are loaded again after one of them died.
    """
    while not stopping.is_set():
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - a background task must not end calls
            structlog.get_logger().error("service.background_task_failed", exc_info=error)
        waiting = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({waiting}, timeout=CHORE_SECONDS)
        finally:
            waiting.cancel()
            await asyncio.wait({waiting})
