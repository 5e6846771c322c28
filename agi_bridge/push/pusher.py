"""Delivers messages: one task for each endpoint, which takes what is due from the ledger's outbox.

While an endpoint fails, one message at a time is tried, with growing pauses: a receiver that was
down for an hour has everything within minutes of being back. The pauses are in the database, so
bridges share them and a restart does not end them. Belongs to the event loop.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import structlog

from agi_bridge.consent import GONE, ConsentError
from agi_bridge.hook import Poster
from agi_bridge.push.attempt import LONGEST_PAUSE, Attempted, Delivery, backoff, judge
from agi_bridge.push.payload import payload
from agi_bridge.webhook_signature import signature_headers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

    from agi_bridge.consent import PushClaim, PushFailure, PushKey, PushMessage
    from agi_bridge.observe import Metrics

MOST: Final = 8
"""Messages under way to one endpoint at the same time, each of another person."""
HELD_SECONDS: Final = 60.0
"""How long a message is held for its attempt, which takes 15 seconds at most. After a crash
another process waits that long before it sends the message again."""
POLL_SECONDS: Final = 5.0
"""Between two looks at the outbox: commands and other bridges store messages too."""
BROKEN_SECONDS: Final = 60.0
"""How long a sender that met a fault of ours is left alone."""

Pause: TypeAlias = "Callable[[asyncio.Event, float], Awaitable[None]]"
"""Waits until the event is set, but so many seconds at most."""


class MessageSource(Protocol):
    """The ledger's outbox."""

    async def claim(self, endpoint: str, address: str, limit: int, seconds: float) -> PushClaim:
        """Take messages that are due."""
        ...

    async def settle(
        self,
        address: str,
        delivered: Collection[PushKey],
        failed: Collection[PushFailure] = (),
        *,
        pause: float | None = None,
    ) -> None:
        """Note what became of them, and for how long the endpoint is left alone."""
        ...

    async def release(self, endpoint: str) -> None:
        """Let go of those that are held."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A receiver: its name, its address, and the secrets that sign what it gets."""

    name: str
    url: str
    secrets: tuple[bytes, ...] = field(repr=False)
    ca_file: str | None = None

    @property
    def address(self) -> str:
        """The URL as a hash: it may hold a secret."""
        return sha256(self.url.encode()).hexdigest()


class Pusher:
    """Sends what the outbox has for some endpoints.

    Args:
        outbox: the ledger's.
        metrics: counts deliveries.
        now: seconds since the epoch, for the signatures.
        pause: waits; None waits in real time.
    """

    def __init__(
        self,
        outbox: MessageSource,
        metrics: Metrics,
        *,
        now: Callable[[], float] = time.time,
        pause: Pause | None = None,
    ) -> None:
        self._outbox = outbox
        self._metrics = metrics
        self._now = now
        self._pause = pause or _wait
        self._running: dict[_Place, _Running] = {}

    def wake(self) -> None:
        """Look at the outbox at once: something was stored."""
        for each in self._running.values():
            each.due.set()

    async def use(self, endpoints: Iterable[Endpoint]) -> None:
        """Send to these endpoints from now on, and to no others.

        An endpoint that is as before is left alone: what is under way to it goes on.
        """
        wanted = {_Place(each, _version(each.ca_file)): each for each in endpoints}
        await self._stop(self._running.keys() - wanted.keys())
        for place, endpoint in wanted.items():
            if place not in self._running:
                due = asyncio.Event()
                sender = _Sender(self._outbox, endpoint, self._metrics, self._now)
                task = asyncio.create_task(sender.run(due, self._pause))
                self._running[place] = _Running(task, due)

    async def close(self) -> None:
        """Send nothing more. What is under way may have arrived, and is sent again later."""
        await self._stop(set(self._running))

    async def _stop(self, places: Collection[_Place]) -> None:
        tasks = [self._running.pop(each).task for each in places]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


@dataclass(frozen=True, slots=True)
class _Place:
    """An endpoint, and the state of its certificates: what a sender was begun with."""

    endpoint: Endpoint
    ca_version: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class _Running:
    """A sender at work, and what wakes it."""

    task: asyncio.Task[None]
    due: asyncio.Event


def _version(file: str | None) -> tuple[int, int] | None:
    """What changes when a file is replaced; None if there is none."""
    if file is None:
        return None
    try:
        status = Path(file).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


class _Sender:
    """Sends to one endpoint."""

    def __init__(
        self,
        outbox: MessageSource,
        endpoint: Endpoint,
        metrics: Metrics,
        now: Callable[[], float],
    ) -> None:
        self._outbox = outbox
        self._endpoint = endpoint
        self._metrics = metrics
        self._now = now
        self._log = structlog.get_logger().bind(endpoint=endpoint.name)

    async def run(self, due: asyncio.Event, pause: Pause) -> None:
        """Send until cancelled."""
        while True:
            try:
                await self._send(due, pause)
            except Exception as error:  # noqa: BLE001 - one endpoint must not end the others
                self._log.error("push.sender_failed", exc_info=error)
            await pause(asyncio.Event(), BROKEN_SECONDS)

    async def _send(self, due: asyncio.Event, pause: Pause) -> None:
        name = self._endpoint.name
        try:
            async with Poster(self._endpoint.url, ca_file=self._endpoint.ca_file) as poster:
                await self._outbox_does(self._outbox.release(name))
                while True:
                    due.clear()
                    await self._round(poster, due, pause)
        finally:
            await self._outbox_does(self._outbox.release(name))

    async def _round(self, poster: Poster, due: asyncio.Event, pause: Pause) -> None:
        """Send what is due, or wait until something may be."""
        try:
            claim = await self._outbox.claim(
                self._endpoint.name, self._endpoint.address, MOST, HELD_SECONDS
            )
            if claim.messages:
                attempts = await asyncio.gather(
                    *(self._attempt(poster, each) for each in claim.messages)
                )
                await self._settle(claim, attempts)
                return
        except ConsentError as error:
            self._log.error("push.outbox_failed", exc_info=error)
            await pause(due, POLL_SECONDS)
            return
        if claim.pause:  # a new message does not make the endpoint well; a person may, or a bridge
            await pause(asyncio.Event(), min(claim.pause, POLL_SECONDS))
        else:
            await pause(due, POLL_SECONDS)

    async def _attempt(self, poster: Poster, message: PushMessage) -> Attempted:
        body = payload(message)
        headers = signature_headers(
            self._endpoint.secrets, message.message_id, int(self._now()), body
        )
        return judge(message, await poster.post(body, headers))

    async def _settle(self, claim: PushClaim, attempts: Sequence[Attempted]) -> None:
        failures = [each.failure for each in attempts if each.failure is not None]
        # By the endpoint's failures, not the message's: others may be taken.
        wait = max(backoff(claim.failures, LONGEST_PAUSE), *(each.asked for each in attempts))
        general = [each for each in failures if not each.ours]
        fails = len(general) == len(attempts)
        await self._outbox.settle(
            self._endpoint.address,
            [each.message.key for each in attempts if each.failure is None],
            failures,
            pause=wait if fails else None,
        )
        for each in attempts:
            self._metrics.push_deliveries.add(each.delivery.value)
            if each.delivery is Delivery.REFUSED and each.failure is not None:
                self._log.warning(
                    "push.message_refused",
                    consent=each.message.record,
                    reason=each.failure.reason,
                    attempts=each.message.attempts + 1,
                )
        self._note(claim.failures, general, fails=fails)

    def _note(self, before: int, failures: Sequence[PushFailure], *, fails: bool) -> None:
        """Log when the endpoint begins to fail and when it is back."""
        if any(each.reason == GONE for each in failures):
            self._log.error("push.endpoint_gone")
        elif fails and not before:
            self._log.warning("push.endpoint_failing", reason=failures[0].reason)
        elif before and not fails:
            self._log.info("push.endpoint_recovered", failures=before)

    @staticmethod
    async def _outbox_does(work: Awaitable[None]) -> None:
        """What is held is let go by its deadline too, so a failure does no harm."""
        with suppress(ConsentError):
            await work


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
