"""The services in use: a reload replaces them, and calls keep those that they began with."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Self

import structlog

from agi_bridge.call import CallHandler

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from agi_bridge.agi import Channel
    from agi_bridge.call import Services


class _Generation:
    """The services of one configuration, and how many calls and tasks work with them."""

    __slots__ = ("handler", "leases", "services", "stack")

    def __init__(
        self, services: Services, stack: AsyncExitStack, ended: Callable[[_Generation], None]
    ) -> None:
        self.handler = CallHandler(services, lambda: ended(self))
        self.services = services
        self.stack = stack
        self.leases = 0


class CurrentServices:
    """Runs each call with the services that are in force when it begins; a handler for `Server`.

    An async context manager; leave it when no call is left. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._current: _Generation | None = None
        self._retired: set[_Generation] = set()
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the services, also those that are still worked with."""
        left = [*self._retired] + ([] if self._current is None else [self._current])
        self._retired.clear()
        for generation in left:
            self._close(generation)
        if self._closing:
            await asyncio.wait(self._closing)

    @property
    def services(self) -> Services:
        """What a call that begins now works with."""
        return self._in_force.services

    @property
    def retired(self) -> int:
        """How many earlier configurations still have calls."""
        return len(self._retired)

    async def use(self, building: AbstractAsyncContextManager[Services]) -> Services:
        """Build services and put them in force; those before close with their last call.

        Raises what building raises; then the services in force stay.
        """
        async with AsyncExitStack() as stack:
            services = await stack.enter_async_context(building)
            generation = _Generation(services, stack.pop_all(), self._return)
            before, self._current = self._current, generation
        if before is not None:
            self._retired.add(before)
            self._release(before)
        return services

    @contextmanager
    def lease(self) -> Iterator[Services]:
        """Give the services in force, and keep them in being while the block runs."""
        generation = self._in_force
        generation.leases += 1
        try:
            yield generation.services
        finally:
            self._return(generation)

    def __call__(self, channel: Channel) -> Awaitable[None]:
        """Serve one call, which has to be awaited at once: its end returns the services."""
        generation = self._in_force
        generation.leases += 1
        return generation.handler(channel)

    def _return(self, generation: _Generation) -> None:
        generation.leases -= 1
        self._release(generation)

    @property
    def _in_force(self) -> _Generation:
        if self._current is None:
            raise RuntimeError("no services have been built")
        return self._current

    def _release(self, generation: _Generation) -> None:
        if not generation.leases and generation in self._retired:
            self._retired.discard(generation)
            self._close(generation)

    def _close(self, generation: _Generation) -> None:
        task = asyncio.create_task(_closed(generation.stack), name="close services")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _closed(stack: AsyncExitStack) -> None:
    try:
        await stack.aclose()
    except Exception as error:  # noqa: BLE001 - the new services are in force already
        structlog.get_logger().error("service.background_task_failed", exc_info=error)
