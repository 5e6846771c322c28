"""Hangup as an event: the signal, the scopes that it cancels, and the shields that delay it.

It knows no connection: the connection sets `HangupSignal.happened` and calls `notify`.
A scope works as `asyncio.Timeout` does: it cancels its task, takes its own cancellation back with
`Task.uncancel`, and lets every other cancellation pass.
"""

import asyncio
from types import TracebackType

from agi_bridge.agi.errors import AGIHangup

_NOBODY: "set[asyncio.Task[object] | None]" = set()
"""The tasks that have learned of a hangup before there was one; never changed."""


class HangupSignal:
    """The hangup of one channel: whether it has happened, and the scopes that wait for it.

    Belongs to one event loop. It happens once.
    """

    __slots__ = ("_informed", "_scopes", "_shields", "happened", "held_back")

    def __init__(self) -> None:
        self.happened: bool = False
        """Whether the channel is known to be dead."""
        self._scopes: list[HangupScope] = []
        self._informed: set[asyncio.Task[object] | None] = _NOBODY
        self._shields = 0
        self.held_back: bool = False
        """Whether a shield kept tasks from being notified, who have not been since."""

    def notify(self) -> None:
        """Cancel the innermost scope of every task that has not learned of it, if none is shielded.

        The others would be interrupted twice, the second time while they clean up.
        """
        self.held_back = self._shields > 0
        if self.held_back:
            return
        seen = self._informed.copy()
        for scope in reversed(self._scopes.copy()):
            if scope.task not in seen:
                seen.add(scope.task)
                scope.cancel()

    def inform(self, task: "asyncio.Task[object] | None") -> None:
        """Note that a task learns of the hangup by an exception, so that it is not cancelled."""
        if task is not None:
            self._informed = {*self._informed, task}

    def is_known_to(self, task: "asyncio.Task[object]") -> bool:
        """Tell whether a task has learned of the hangup by an exception."""
        return task in self._informed

    def add_scope(self, scope: "HangupScope") -> None:
        """Register a scope that has been entered."""
        self._scopes.append(scope)

    def remove_scope(self, scope: "HangupScope") -> None:
        """Remove a scope that is left."""
        self._scopes.remove(scope)

    def is_open(self, scope: "HangupScope") -> bool:
        """Tell whether the scope has been entered and not left."""
        return scope in self._scopes

    def shield(self) -> None:
        """Delay `notify` until `unshield` has been called as often."""
        self._shields += 1

    def unshield(self) -> bool:
        """End one shield; tell whether others are still open."""
        self._shields -= 1
        return self._shields > 0


class HangupScope:
    """A block that a hangup cancels; it is then left as `AGIHangup`.

    If a task has nested blocks, only the innermost is cancelled, and the code after it can still
    await. Entering a block after the hangup raises `AGIHangup` at once.
    """

    __slots__ = ("_cancelled", "_outer_cancellations", "_signal", "task")

    def __init__(self, signal: HangupSignal) -> None:
        self._signal = signal
        self._cancelled = False

    async def __aenter__(self) -> None:
        self.task: asyncio.Task[object] = _current_task()
        if self._signal.happened:
            self._signal.inform(self.task)
            raise AGIHangup("the caller has hung up")
        self._outer_cancellations = self.task.cancelling()
        self._signal.add_scope(self)

    def cancel(self) -> None:
        """Cancel what the block awaits, once, and only while the block is open."""
        if not self._cancelled and self._signal.is_open(self):
            self._cancelled = True
            self.task.cancel()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._signal.remove_scope(self)
        if (
            self._cancelled
            and self.task.uncancel() <= self._outer_cancellations
            and exc_type is not None
            and issubclass(exc_type, asyncio.CancelledError)
        ):
            raise AGIHangup("the caller has hung up") from exc


class HangupShield:
    """A block that a hangup does not cancel. A hangup during it takes effect at its end."""

    __slots__ = ("_happened_before", "_signal")

    def __init__(self, signal: HangupSignal) -> None:
        self._signal = signal

    async def __aenter__(self) -> None:
        self._happened_before = self._signal.happened
        self._signal.shield()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        signal = self._signal
        still_shielded = signal.unshield()
        if not signal.happened or still_shielded:
            return
        # A hangup from before the block may be told of during it: it was held back then.
        if self._happened_before and not signal.held_back:
            return
        if exc_type is None or issubclass(exc_type, AGIHangup | asyncio.CancelledError):
            task = _current_task()
            is_news = not signal.is_known_to(task)
            signal.inform(task)
            signal.notify()
            if exc_type is None and is_news:
                raise AGIHangup("the caller has hung up")
            return
        # Another exception is on its way. If the handler catches it inside a scope, the scope must
        # still learn of the hangup; not at once, because its task is running.
        asyncio.get_running_loop().call_soon(signal.notify)


def _current_task() -> "asyncio.Task[object]":
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a hangup scope needs a task")
    return task
