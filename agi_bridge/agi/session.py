"""Running one handler for one call, whatever carries the call."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from agi_bridge.agi.channel import Channel
from agi_bridge.agi.commands import SAFE_APPLICATIONS
from agi_bridge.agi.connection import Connection
from agi_bridge.agi.environment import Environment
from agi_bridge.agi.errors import AGIError, AGIHangup
from agi_bridge.agi.limits import Limits
from agi_bridge.diagnostics import exception_origin

Handler = Callable[[Channel], Awaitable[None]]
"""The story of a call. It runs inside `Channel.until_hangup`."""

OnError = Callable[[Channel, Exception], None]
"""Told of a handler's exception, after it was logged. Must not raise."""

log = structlog.get_logger("agi_bridge.agi")


async def run_handler(channel: Channel, handler: Handler, on_error: OnError | None = None) -> bool:
    """Run the handler until it ends or the caller hangs up; tell whether it ended well.

    Its exceptions end here, in one log line without their text, which may hold what a caller
    said: class and place, those in a group one by one. A cancellation from outside passes.
    """
    try:
        async with channel.until_hangup():
            await handler(channel)
    except Exception as error:  # noqa: BLE001 - whatever a handler raises, the socket must close
        if _only_hangup(error):
            log.debug("agi.caller_hung_up", call=channel.environment.unique_id)
            return True
        log.error(  # noqa: TRY400 - a traceback would show values
            "agi.handler_failed",
            call=channel.environment.unique_id,
            where=exception_origin(error),
        )
        if on_error is not None:
            on_error(channel, error)
        return False
    return True


class SingleCallOwner:
    """The owner of a connection that carries the only call of its kind; `Server` owns many."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits,
        applications: frozenset[str] = SAFE_APPLICATIONS,
        on_error: OnError | None = None,
    ) -> None:
        self._handler = handler
        self._applications = applications
        self._on_error = on_error
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.limits = limits
        self.well = False
        """Whether the handler has ended without an error of its own."""

    def connected(self, _connection: Connection, _transport: asyncio.Transport) -> bool:
        """Let anybody in: whoever made the connection knows its peer."""
        return True

    def started(self, connection: Connection, environment: Environment) -> None:
        """Begin the call."""
        channel = Channel(connection, environment, self.limits, self._applications)
        self._task = asyncio.get_running_loop().create_task(self._call(connection, channel))
        connection.task = self._task

    def ended(self, connection: Connection, _error: AGIError | None) -> None:
        """Note the end of the connection."""
        if not connection.begun:
            log.debug("agi.probe_closed", reason="closed before a call")
        self._over.set()

    async def _call(self, connection: Connection, channel: Channel) -> None:
        try:
            self.well = await run_handler(channel, self._handler, self._on_error)
        except asyncio.CancelledError:
            log.warning("agi.call_cancelled", call=channel.environment.unique_id)
        finally:
            connection.close()

    async def finished(self) -> None:
        """Wait until the connection is gone and the handler has ended."""
        await self._over.wait()
        if self._task is not None:
            await asyncio.wait([self._task])


def _only_hangup(error: Exception) -> bool:
    """Tell whether it is a hangup, or a group of nothing else as a TaskGroup raises."""
    if isinstance(error, ExceptionGroup):
        return error.split(AGIHangup)[1] is None
    return isinstance(error, AGIHangup)
