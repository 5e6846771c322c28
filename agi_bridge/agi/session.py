"""Runs one handler for one call, over any transport: hangup, exceptions and their log lines."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from structlog.typing import FilteringBoundLogger

from agi_bridge.agi.audio import AudioStream
from agi_bridge.agi.channel import Channel
from agi_bridge.agi.commands import SAFE_APPLICATIONS
from agi_bridge.agi.connection import Connection
from agi_bridge.agi.environment import Environment
from agi_bridge.agi.errors import AGIError, AGIHangup
from agi_bridge.agi.limits import Limits
from agi_bridge.diagnostics import exception_origin

Handler = Callable[[Channel], Awaitable[None]]
"""The application's code for a call. It runs inside `Channel.until_hangup`."""

OnError = Callable[[Channel, Exception], None]
"""Called with a handler's exception after it was logged. Must not raise."""

log: FilteringBoundLogger = structlog.get_logger("agi_bridge.agi")


async def run_handler(channel: Channel, handler: Handler, on_error: OnError | None = None) -> bool:
    """Run the handler until it ends or the caller hangs up; tell whether it ended without error.

    Its exceptions end here, in one log line with their class and place. The text is left out,
    because it may contain what a caller keyed. The dialplan sees AGISTATUS=FAILURE then, unless
    the connection is gone or a command is still running. A cancellation from outside passes.
    """
    try:
        async with channel.until_hangup():
            await handler(channel)
    except Exception as error:  # noqa: BLE001 - the socket must close after any exception
        if _only_hangup(error):
            log.debug("agi.caller_hung_up", call=channel.environment.unique_id)
            return True
        # Of our own errors the line that called us says more, and their code.
        outside, code = "", {}
        if isinstance(error, AGIError):
            outside, code = "agi_bridge.agi", {"reason": error.code}
        log.error(  # noqa: TRY400 - a traceback would show values
            "agi.handler_failed",
            call=channel.environment.unique_id,
            where=exception_origin(error, outside=outside),
            **code,
        )
        channel.fail("handler failed")
        if on_error is not None:
            on_error(channel, error)
        return False
    return True


class SingleCallOwner:
    """The owner of a single call: classic AGI, or a test. `Server` owns many calls.

    `audio` is the descriptor of the caller's sound, read if the environment says that there is one.
    """

    def __init__(
        self,
        handler: Handler,
        limits: Limits,
        applications: frozenset[str] = SAFE_APPLICATIONS,
        on_error: OnError | None = None,
        audio: int | None = None,
    ) -> None:
        self._handler = handler
        self._applications = applications
        self._on_error = on_error
        self._audio = audio
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.limits: Limits = limits
        self.succeeded: bool = False
        """Whether the handler has ended without an error."""

    def connected(self, _connection: Connection, _transport: asyncio.Transport) -> bool:
        """Accept every connection."""
        return True

    def started(self, connection: Connection, environment: Environment) -> None:
        """Start the call."""
        audio = None
        if environment.enhanced and self._audio is not None:
            audio = AudioStream(self._audio)
        channel = Channel(connection, environment, self.limits, self._applications, audio)
        self._task = asyncio.get_running_loop().create_task(self._call(connection, channel))
        connection.task = self._task

    def ended(self, connection: Connection, _error: AGIError | None) -> None:
        """Note that the connection is closed."""
        if not connection.begun:
            log.debug("agi.probe_closed", reason="closed_before_call")
        self._over.set()

    async def _call(self, connection: Connection, channel: Channel) -> None:
        try:
            self.succeeded = await run_handler(channel, self._handler, self._on_error)
        except asyncio.CancelledError:
            log.warning("agi.call_cancelled", call=channel.environment.unique_id)
        finally:
            if channel.audio is not None:
                channel.audio.close()
            connection.close()

    async def finished(self) -> None:
        """Wait until the connection is closed and the handler has ended."""
        await self._over.wait()
        if self._task is not None:
            await asyncio.wait([self._task])


def _only_hangup(error: Exception) -> bool:
    """Tell whether it is a hangup, or an exception group of hangups only."""
    if isinstance(error, ExceptionGroup):
        return error.split(AGIHangup)[1] is None
    return isinstance(error, AGIHangup)
