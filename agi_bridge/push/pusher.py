"""Delivers messages: one task for each endpoint, which takes what is due from the ledger's outbox.

While an endpoint fails, one message at a time is tried, with growing pauses: a receiver that was
down for an hour has everything within minutes of being back. Belongs to the event loop.
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

    from agi_bridge.consent import PushFailure, PushKey, PushMessage
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

    async def claim(
        self, endpoint: str, address: str, limit: int, seconds: float
    ) -> list[PushMessage]:
        """Take messages that are due."""
        ...

    async def settle(
        self, address: str, delivered: Collection[PushKey], failed: Collection[PushFailure] = ()
    ) -> None:
        """Note what became of them."""
        ...

    async def retried_at(self, endpoint: str) -> str | None:
        """When messages that had failed were last made due again."""
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
        self._failures = 0
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
                    failing = bool(self._failures)  # else nobody waits for a retry: do not ask
                    retried = await self._retried_at() if failing else None
                    wait = await self._round(poster)
                    if self._failures:
                        if not failing:
                            retried = await self._retried_at()
                        await self._wait_out(pause, wait, retried)
                    elif wait:
                        await pause(due, wait)
        finally:
            await self._outbox_does(self._outbox.release(name))

    async def _wait_out(self, pause: Pause, wait: float, before: str | None) -> None:
        """Leave an endpoint alone that fails, until a person has retried since `before`.

        A new message does not make it well. Another bridge that delivered something shows it.
        """
        while wait > 0:
            await pause(asyncio.Event(), min(wait, POLL_SECONDS))
            wait -= POLL_SECONDS
            if (await self._retried_at() or "") > (before or ""):
                return

    async def _retried_at(self) -> str | None:
        with suppress(ConsentError):  # not known: the pause goes on
            return await self._outbox.retried_at(self._endpoint.name)
        return None

    async def _round(self, poster: Poster) -> float:
        """Send what is due; return how long to wait until more may be."""
        limit = 1 if self._failures else MOST
        try:
            messages = await self._outbox.claim(
                self._endpoint.name, self._endpoint.address, limit, HELD_SECONDS
            )
            if not messages:
                return POLL_SECONDS
            attempts = await asyncio.gather(*(self._attempt(poster, each) for each in messages))
            await self._settle(attempts)
        except ConsentError as error:
            self._log.error("push.outbox_failed", exc_info=error)
            return POLL_SECONDS
        if not self._failures:
            return 0.0
        # By the endpoint's failures, not the message's: others may be taken.
        asked = max(each.asked for each in attempts)
        return max(backoff(self._failures - 1, LONGEST_PAUSE), asked)

    async def _attempt(self, poster: Poster, message: PushMessage) -> Attempted:
        body = payload(message)
        headers = signature_headers(
            self._endpoint.secrets, message.message_id, int(self._now()), body
        )
        return judge(message, await poster.post(body, headers))

    async def _settle(self, attempts: Sequence[Attempted]) -> None:
        failures = [each.failure for each in attempts if each.failure is not None]
        await self._outbox.settle(
            self._endpoint.address,
            [each.message.key for each in attempts if each.failure is None],
            failures,
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
        self._note(
            failures, well=any(each.failure is None or each.failure.ours for each in attempts)
        )

    def _note(self, failures: Sequence[PushFailure], *, well: bool) -> None:
        """Log when the endpoint begins to fail and when it is back."""
        general = [each for each in failures if not each.ours]
        if any(each.reason == GONE for each in general):
            self._log.error("push.endpoint_gone")
            self._failures = 0  # nothing of it is taken any more
        elif general and not well:
            if not self._failures:
                self._log.warning("push.endpoint_failing", reason=general[0].reason)
            self._failures += 1
        else:
            if self._failures:
                self._log.info("push.endpoint_recovered", failures=self._failures)
            self._failures = 0

    @staticmethod
    async def _outbox_does(work: Awaitable[None]) -> None:
        """What is held is let go by its deadline too, so a failure does no harm."""
        with suppress(ConsentError):
            await work


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
