"""One connection to Asterisk: one command in flight, its deadline, and the news of a hangup.

The transport may be a TCP socket, a pair of pipes or a test's stand-in; nothing here knows which.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable
from math import inf
from typing import TYPE_CHECKING, Protocol, cast

from agi_bridge.agi import wire
from agi_bridge.agi.errors import (
    AGIError,
    AGIHangup,
    AGIInvalidCommand,
    AGIProtocolError,
    AGITimeout,
    AGIUsageError,
)
from agi_bridge.agi.limits import Limits

if TYPE_CHECKING:
    from agi_bridge.agi.environment import Environment
    from agi_bridge.agi.hangup import HangupScope

_EARLY = 0.01
"""Seconds that a timer may come before its time, as clocks are rounded to milliseconds."""


class ConnectionHandler(Protocol):
    """Whoever accepted the connection."""

    def connected(self, connection: "Connection", transport: asyncio.Transport) -> bool:
        """Look at a new connection; False turns it away."""

    def started(self, connection: "Connection", environment: "Environment") -> None:
        """Take over a call whose environment has been read."""

    def ended(self, connection: "Connection", error: AGIError | None) -> None:
        """Hear that the connection is gone; the error says why, if it did not end in order."""


class Connection(asyncio.Protocol):
    """The engine's side of one AGI session.

    A hangup is heard in three ways: the HANGUP line, reply 511 (``AGISIGHUP=no`` sends no line),
    the end of the stream. Each of them fires the innermost `HangupScope` of every task once.
    """

    __slots__ = (
        "_armed",
        "_call_ends",
        "_deadline",
        "_follows_usage",
        "_in_flight",
        "_limits",
        "_loop",
        "_owner",
        "_pending",
        "_queue",
        "_reader",
        "_timer",
        "_transport",
        "_trying",
        "_unsolicited",
        "_usage_due",
        "_waiting",
        "begun",
        "closed",
        "fault",
        "hung_up",
        "scopes",
        "shields",
        "task",
    )

    def __init__(self, owner: ConnectionHandler, limits: Limits) -> None:
        self._owner = owner
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._reader = wire.StreamParser(limits)
        self._transport: asyncio.Transport | None = None
        self._pending: asyncio.Future[wire.Reply] | None = None
        self._waiting: asyncio.Task[object] | None = None  # who awaits the pending reply
        self._queue: deque[asyncio.Future[None]] | None = None
        self._in_flight = False  # a command was written, its reply has not come
        self._follows_usage = False  # ... and it is an EXEC
        self._usage_due = False  # an EXEC returned 1: a usage block follows by itself
        self._trying = False  # the command in flight has been answered 100
        self._unsolicited = 0  # what came so far without having been asked for
        self._deadline = inf  # of the command in flight
        self._call_ends = inf  # of the environment, then of the call
        self._timer: asyncio.TimerHandle | None = None
        self._armed = inf
        self.begun = False  # the environment has been read
        self.hung_up = False
        self.closed = False
        self.fault: AGIError | None = None  # why we gave the session up
        self.scopes: list[HangupScope] = []
        self.shields = 0
        self.task: asyncio.Task[None] | None = None
        """The call's task, cancelled when the call has lasted too long."""

    # -- commands ---------------------------------------------------------------------------------

    def send(
        self, line: bytes, seconds: float, *, live: bool = True, is_exec: bool = False
    ) -> Awaitable[wire.Reply]:
        """Write a command and return its 200 reply to wait for; waits for its turn if need be.

        `live` says that the command needs a live channel.

        Raises:
            AGIHangup: the channel is dead and the command needs it, or the connection is closed.
            AGITimeout: no reply within `seconds`; the connection is closed then.
            AGIInvalidCommand, AGIUsageError, AGIProtocolError: as they say.
        """
        if self._in_flight:
            return self._send_in_turn(line, seconds, live=live, is_exec=is_exec)
        if self.closed or self._transport is None:
            raise AGIHangup("the connection to Asterisk is closed")
        if live and self.hung_up:
            raise AGIHangup("the caller has hung up")
        self._in_flight = True
        self._follows_usage = is_exec
        self._trying = False
        self._waiting = asyncio.current_task(self._loop)
        self._deadline = self._loop.time() + seconds
        if self._deadline < self._armed:
            self._arm(self._deadline)
        self._pending = self._loop.create_future()
        self._transport.write(line)  # in one piece: half a line makes `run_agi` spin
        return self._pending

    async def _send_in_turn(
        self, line: bytes, seconds: float, *, live: bool, is_exec: bool
    ) -> wire.Reply:
        """Wait until the reply of the command in flight has been consumed, then send.

        A second command would abort the first, which then never gets its reply, or be run late.
        """
        await self._turn()
        return await self.send(line, seconds, live=live, is_exec=is_exec)

    async def _turn(self) -> None:
        while self._in_flight and not self.closed:
            if self._queue is None:
                self._queue = deque()
            turn: asyncio.Future[None] = self._loop.create_future()
            self._queue.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._next()  # ours to hand on, as we leave
                raise

    def _next(self) -> None:
        """Let the first of those go on who still wait for their turn."""
        while self._queue and not self._in_flight:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    async def refuse(self, line: bytes) -> None:
        """Write a line that ends the session (``failure ...``) once no command is in flight."""
        await self._turn()
        self.refuse_now(line)

    def refuse_now(self, line: bytes) -> None:
        """Write the line and close when Asterisk does, or after a moment."""
        if self.closed or self._transport is None:
            return
        self.closed = True
        self._transport.write(line)
        self._call_ends = self._loop.time() + self._limits.close_seconds
        self._arm(self._call_ends)

    # -- the stream -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the environment has its own deadline."""
        # uvloop's transports do not inherit from asyncio's, they only behave like them.
        self._transport = cast("asyncio.Transport", transport)
        if not self._owner.connected(self, self._transport):
            self.closed = True
            self._transport.abort()
            return
        self._call_ends = self._loop.time() + self._limits.environment_seconds
        self._arm(self._call_ends)

    def data_received(self, data: bytes) -> None:
        """Read on, whatever state the call is in: Asterisk gives each write 100 ms only."""
        if self.closed:
            return
        try:
            events = self._reader.feed(data)
        except AGIProtocolError as error:
            self._fail(error)
            return
        for event in events:
            if isinstance(event, wire.Reply):
                self._replied(event)
            elif isinstance(event, wire.HangupNotice):
                self._unsolicited += self.hung_up
                self.hang_up()
            elif isinstance(event, wire.UsageBlock):
                self._usage()
            else:
                self._begin(event)
        if (
            self._unsolicited + self._reader.dropped > self._limits.max_unsolicited
            and not self.closed
        ):
            self._fail(AGIProtocolError("unsolicited_replies"))

    def eof_received(self) -> None:
        """Asterisk has closed its side; it does not know half-closed connections."""
        self._lost()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, in order or by a reset."""
        self._lost()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport = None
        reset = AGIProtocolError("the connection was reset") if exc is not None else None
        self._owner.ended(self, self.fault or reset)

    def _begin(self, environment: "Environment") -> None:
        self.begun = True
        self._call_ends = self._loop.time() + self._limits.call_seconds
        if self._call_ends < self._armed:
            self._arm(self._call_ends)
        self._owner.started(self, environment)

    def _replied(self, reply: wire.Reply) -> None:
        if reply.code == wire.TRYING:
            # GOSUB says so once; the reply itself follows.
            self._unsolicited += self._trying or not self._in_flight
            self._trying = True
            return
        self._usage_due = False
        if not self._in_flight:
            self._unsolicited += 1
            return
        self._usage_due = self._follows_usage and reply.result == "1"
        if reply.code == wire.OK:
            pending, self._pending, self._waiting = self._pending, None, None
            if pending is not None and not pending.done():
                pending.set_result(reply)
        elif reply.code == wire.DEAD_CHANNEL:
            told = self._refused(AGIHangup("the caller has hung up"))
            self._in_flight = False
            self.hang_up(told)
        elif reply.code == wire.INVALID_COMMAND:
            self._refused(AGIInvalidCommand("Asterisk does not know the command"))
        else:
            self._refused(AGIProtocolError(f"Asterisk answered {reply.code}"))
        self._settled()

    def _usage(self) -> None:
        """Sort out whose usage block it is.

        `handle_exec` hands the application's result to `agi_handle_command`, which takes 1 for
        "show the usage": the block follows the reply, perhaps after our next command was written.
        """
        if self._usage_due:
            self._usage_due = False
        elif self._in_flight:
            self._refused(AGIUsageError("Asterisk answered with the command's usage"))
            self._settled()
        else:
            self._unsolicited += 1

    def _refused(self, error: AGIError) -> "asyncio.Task[object] | None":
        """Hand an error to whoever awaits the reply, and say who that is."""
        pending, waiting = self._pending, self._waiting
        self._pending = self._waiting = None
        if pending is None or pending.done():
            return None
        pending.set_exception(error)
        return waiting

    def _settled(self) -> None:
        self._in_flight = False
        self._deadline = inf
        if self._queue:
            self._next()

    # -- the end ----------------------------------------------------------------------------------

    def hang_up(self, told: "asyncio.Task[object] | None" = None) -> None:
        """Note that the channel is dead, and tell every task but one that knows already."""
        if self.hung_up:
            return
        self.hung_up = True
        if self._in_flight:
            # The reply of what was in flight still comes, up to 40 ms later; not for ever.
            self._deadline = min(self._deadline, self._loop.time() + self._limits.hangup_seconds)
            if self._deadline < self._armed:
                self._arm(self._deadline)
        # A reply that came just before has to be delivered first: it may be the key that agrees.
        self._loop.call_soon(self.announce, told)

    def announce(self, told: "asyncio.Task[object] | None" = None) -> None:
        """Fire the innermost scope of every task, unless somebody asked that we wait."""
        if self.shields:
            return
        seen = {told}
        for scope in reversed(self.scopes.copy()):
            if scope.task not in seen:
                seen.add(scope.task)
                scope.fire()

    def _lost(self) -> None:
        """End the session: nothing more can be asked."""
        told = self._refused(AGIHangup("the connection to Asterisk is closed"))
        if not self.closed:
            self.closed = True
            self.hang_up(told)
        self._settled()

    def _fail(self, error: AGIError) -> None:
        """Give up the connection; whoever awaits a reply learns why, the others of a hangup."""
        self.closed = True
        self.fault = error
        told = self._refused(error)
        self._settled()
        self.hang_up(told)
        self.abort()

    def close(self) -> None:
        """Close in order, now: the channel lives until we do."""
        self.closed = True
        self._deadline = inf
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.close()
        if self._transport.get_write_buffer_size():
            # What cannot be written within the grace will never be read.
            self._call_ends = self._loop.time() + self._limits.close_seconds
            self._arm(self._call_ends)

    def abort(self) -> None:
        """Close at once, whatever is still to be written."""
        if self._transport is not None:
            self._transport.abort()

    # -- deadlines --------------------------------------------------------------------------------

    def _arm(self, when: float) -> None:
        """Set the one timer; it is moved forward only, and looks again when it fires."""
        if self._timer is not None:
            self._timer.cancel()
        self._armed = when
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        """Act on the deadline that has passed, or wait for the next one."""
        self._timer = None
        self._armed = inf
        now = self._loop.time() + _EARLY
        if now >= self._deadline:
            if self.hung_up:
                self._fail(AGIHangup("the caller has hung up"))
            else:
                self._fail(AGITimeout("Asterisk did not answer in time"))
            return
        if now >= self._call_ends:
            if self.closed or self.task is None:
                self.closed = True
                self.abort()
                return
            # The call's own time is over: its task ends, with a moment to tidy up.
            task, self.task = self.task, None
            task.cancel()
            self._call_ends = now + self._limits.hangup_seconds
        nearest = min(self._deadline, self._call_ends)
        if nearest < inf:
            self._arm(nearest)
