"""Hangup as an event: scopes that end with it, and shields that make it wait.

Built like `asyncio.Timeout`: the scope cancels its task, takes its own cancellation back with
`Task.uncancel`, and lets anybody else's cancellation pass.
"""

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING

from agi_bridge.agi.errors import AGIHangup

if TYPE_CHECKING:
    from agi_bridge.agi.connection import Connection


def _this_task() -> "asyncio.Task[object]":
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a hangup scope needs a task")
    return task


class HangupScope:
    """A block that a hangup cancels, and that is then left as `AGIHangup`.

    Of nested blocks of one task only the innermost is cancelled; what follows it can still await.
    A block that is entered after the hangup raises at once.
    """

    __slots__ = ("_connection", "_fired", "_outside", "task")

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._fired = False

    async def __aenter__(self) -> None:
        if self._connection.hung_up:
            raise AGIHangup("the caller has hung up")
        self.task = _this_task()
        self._outside = self.task.cancelling()
        self._connection.scopes.append(self)

    def fire(self) -> None:
        """Cancel what the block awaits, once, and only while it is open."""
        if not self._fired and self in self._connection.scopes:
            self._fired = True
            self.task.cancel()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.scopes.remove(self)
        if (
            self._fired
            and self.task.uncancel() <= self._outside
            and exc_type is not None
            and issubclass(exc_type, asyncio.CancelledError)
        ):
            raise AGIHangup("the caller has hung up") from exc


class Shield:
    """A block that a hangup does not disturb; one that came meanwhile is told at its end."""

    __slots__ = ("_before", "_connection")

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection

    async def __aenter__(self) -> None:
        self._before = self._connection.hung_up
        self._connection.shields += 1

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        connection = self._connection
        connection.shields -= 1
        if self._before or not connection.hung_up or connection.shields:
            return
        if exc_type is None:
            connection.announce(_this_task())
            raise AGIHangup("the caller has hung up")
        if issubclass(exc_type, AGIHangup | asyncio.CancelledError):
            connection.announce(_this_task())
            return
        # Another error is on its way: should it be caught inside the scope, the hangup still
        # has to be heard there. Not at once, as the task is running.
        asyncio.get_running_loop().call_soon(connection.announce)
