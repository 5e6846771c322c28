"""One connection to Asterisk: one command in flight, its deadline, and the hangup.

The transport may be a TCP socket, a pair of pipes or a fake. Listening, and the handler that runs
the call, are not here.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable
from math import inf
from typing import Protocol, cast

from agi_bridge.agi import wire
from agi_bridge.agi.environment import Environment
from agi_bridge.agi.errors import (
    AGIError,
    AGIHangup,
    AGIInvalidCommand,
    AGIProtocolError,
    AGITimeout,
    AGIUsageError,
)
from agi_bridge.agi.hangup import HangupSignal
from agi_bridge.agi.limits import Limits

_EARLY_SECONDS = 0.01
"""How much too early a timer may fire, because clocks are rounded to milliseconds."""


class ConnectionHandler(Protocol):
    """The owner of a connection: the server, or the caller of a single call."""

    def connected(self, connection: "Connection", transport: asyncio.Transport) -> bool:
        """Accept a new connection, or return False to close it."""

    def started(self, connection: "Connection", environment: Environment) -> None:
        """Start the call whose environment has been read."""

    def ended(self, connection: "Connection", error: AGIError | None) -> None:
        """Note that the connection is closed; `error` is the reason if it did not end normally."""


class Connection(asyncio.Protocol):
    """The server's side of one AGI session.

    A hangup arrives in one of three ways: the HANGUP line, reply 511 (with ``AGISIGHUP=no`` there
    is not a line), or the end of the stream. The first one notifies `hangup`, once.
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
        "_parser",
        "_pending",
        "_queue",
        "_timer",
        "_transport",
        "_trying",
        "_unsolicited",
        "_usage_due",
        "_waiting",
        "begun",
        "closed",
        "fault",
        "hangup",
        "released",
        "task",
    )

    def __init__(self, owner: ConnectionHandler, limits: Limits) -> None:
        self._owner = owner
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._parser = wire.StreamParser(limits)
        self._transport: asyncio.Transport | None = None
        self._pending: asyncio.Future[wire.Reply] | None = None
        self._waiting: asyncio.Task[object] | None = None  # who awaits the pending reply
        self._queue: deque[asyncio.Future[None]] | None = None
        self._in_flight = False  # a command was written, its reply has not come
        self._follows_usage = False  # ... and it is an EXEC
        self._usage_due = False  # an EXEC returned 1: a usage block follows by itself
        self._trying = False  # the command in flight has been answered 100
        self._unsolicited = 0  # replies and lines so far that nothing asked for
        self._deadline = inf  # of the command in flight
        self._call_ends = inf  # of the environment, then of the call
        self._timer: asyncio.TimerHandle | None = None
        self._armed = inf
        self.begun: bool = False
        """Whether the environment has been read."""
        self.hangup: HangupSignal = HangupSignal()
        """The hangup of this call's channel."""
        self.closed: bool = False
        """Whether nothing more can be sent."""
        self.fault: AGIError | None = None
        """Why this side ended the session, if it did."""
        self.released: bool = False
        """Whether this side let go of the call while its channel was alive."""
        self.task: asyncio.Task[None] | None = None
        """The call's task, cancelled when the call exceeds `Limits.call_seconds`."""

    # -- commands ---------------------------------------------------------------------------------

    def send(
        self, line: bytes, seconds: float, *, live: bool = True, is_exec: bool = False
    ) -> Awaitable[wire.Reply]:
        """Write a command, when it is its turn; return an awaitable for its 200 reply.

        `live`: the command needs a live channel. `seconds`: the deadline of the reply.

        Raises:
            AGIHangup: the channel is dead and the command needs it, or the connection is closed.
            AGITimeout: no reply within `seconds`; the connection is closed then.
            AGIInvalidCommand, AGIUsageError, AGIProtocolError: Asterisk replied with an error.
        """
        if self._in_flight:
            return self._send_in_turn(line, seconds, live=live, is_exec=is_exec)
        loop, transport = self._loop, self._transport
        if self.closed or transport is None:
            raise self._too_late("the connection to Asterisk is closed")
        if live and self.hangup.happened:
            raise self._too_late("the caller has hung up")
        self._in_flight = True
        self._follows_usage = is_exec
        self._waiting = asyncio.current_task(loop)
        self._deadline = deadline = loop.time() + seconds
        if deadline < self._armed:
            self._arm(deadline)
        self._pending = pending = loop.create_future()
        transport.write(line)  # in one piece: half a line makes `run_agi` spin
        return pending

    def _too_late(self, text: str) -> AGIHangup:
        """The error of a command that is not written; the task that gets it knows of the hangup."""
        if self.hangup.happened:
            self.hangup.inform(asyncio.current_task(self._loop))
        return AGIHangup(text)

    async def _send_in_turn(
        self, line: bytes, seconds: float, *, live: bool, is_exec: bool
    ) -> wire.Reply:
        """Wait until the reply of the command in flight has been consumed, then send.

        A second command would abort the first, which then gets no reply, or would run late.
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
                    self._next()  # pass the turn on
                raise

    def _next(self) -> None:
        """Give the turn to the first that still waits for it."""
        while self._queue and not self._in_flight:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    @property
    def busy(self) -> bool:
        """Whether the reply of a command has not come yet."""
        return self._in_flight

    async def refuse(self, line: bytes) -> None:
        """Write a line that ends the session (``failure ...``) once no command is in flight."""
        await self._turn()
        self.refuse_now(line)

    def refuse_now(self, line: bytes) -> None:
        """Write the line, then close when Asterisk does, or after `Limits.close_seconds`."""
        if self.closed or self._transport is None:
            return
        self.closed = True
        self._transport.write(line)
        self._call_ends = self._loop.time() + self._limits.close_seconds
        self._arm(self._call_ends)

    # -- the stream -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the deadline of the environment."""
        # uvloop's transports do not inherit from asyncio's, they only behave like them.
        self._transport = cast("asyncio.Transport", transport)
        if not self._owner.connected(self, self._transport):
            self.closed = True
            self._transport.abort()
            return
        self._call_ends = self._loop.time() + self._limits.environment_seconds
        self._arm(self._call_ends)

    def data_received(self, data: bytes) -> None:
        """Parse incoming bytes in any state: Asterisk gives each write only 100 ms."""
        if self.closed:
            return
        reply = self._parser.reply(data)
        if reply is not None and self._in_flight:
            self._succeeded(reply)
            return
        try:
            events = self._parser.feed(data) if reply is None else [reply]
        except AGIProtocolError as error:
            self._fail(error)
            return
        for event in events:
            if isinstance(event, wire.Reply):
                self._replied(event)
            elif isinstance(event, wire.HangupNotice):
                self._unsolicited += self.hangup.happened
                self.hang_up()
            elif isinstance(event, wire.UsageBlock):
                self._usage()
            else:
                self._begin(event)
        if (
            self._unsolicited + self._parser.dropped > self._limits.max_unsolicited
            and not self.closed
        ):
            self._fail(AGIProtocolError("unsolicited_replies", "too many unsolicited replies"))

    def eof_received(self) -> None:
        """End the session: Asterisk does not use half-closed connections."""
        self._lost()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the session, after a normal close or a reset."""
        self._lost()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport = None
        reset = (
            AGIProtocolError("connection_reset", "the connection was reset")
            if exc is not None
            else None
        )
        self._owner.ended(self, self.fault or reset)

    def _begin(self, environment: Environment) -> None:
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
        if reply.code == wire.OK:
            self._succeeded(reply)
            return
        if reply.code == wire.DEAD_CHANNEL:
            self.hangup.inform(self._refused(AGIHangup("the caller has hung up")))
            self._in_flight = False
            self.hang_up()
        elif reply.code == wire.INVALID_COMMAND:
            self._refused(AGIInvalidCommand("Asterisk does not know the command"))
        else:
            self._refused(
                AGIProtocolError("unexpected_reply_code", f"Asterisk answered {reply.code}")
            )
        self._settled()

    def _succeeded(self, reply: wire.Reply) -> None:
        """Hand a 200 to the command in flight."""
        self._in_flight = self._trying = False
        self._deadline = inf
        self._usage_due = self._follows_usage and reply.result == "1"
        pending = self._pending
        if pending is not None and not pending.done():
            pending.set_result(reply)
        if self._queue:
            self._next()

    def _usage(self) -> None:
        """Assign a usage block to the command that it belongs to.

        `handle_exec` hands the application's result to `agi_handle_command`, which takes 1 for
        "show the usage". The block follows the reply, perhaps after the next command was written.
        """
        if self._usage_due:
            self._usage_due = False
        elif self._in_flight:
            self._refused(AGIUsageError("Asterisk answered with the command's usage"))
            self._settled()
        else:
            self._unsolicited += 1

    def _refused(self, error: AGIError) -> "asyncio.Task[object] | None":
        """Raise the error in the task that awaits the reply, and return that task."""
        pending, waiting = self._pending, self._waiting
        self._pending = self._waiting = None
        if pending is None or pending.done():
            return None
        pending.set_exception(error)
        return waiting

    def _settled(self) -> None:
        self._in_flight = self._trying = False
        self._deadline = inf
        if self._queue:
            self._next()

    # -- the end ----------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """Note that the channel is dead, and notify every task that has not learned of it."""
        if self.hangup.happened:
            return
        self.hangup.happened = True
        if self._in_flight:
            # The reply to the command in flight still comes, up to 40 ms later; bound the wait.
            self._deadline = min(self._deadline, self._loop.time() + self._limits.hangup_seconds)
            if self._deadline < self._armed:
                self._arm(self._deadline)
        # A reply that arrived just before is delivered first: it may be the key that agrees.
        self._loop.call_soon(self.hangup.notify)

    def _lost(self) -> None:
        """End the session: no more commands can be sent."""
        self.hangup.inform(self._refused(AGIHangup("the connection to Asterisk is closed")))
        if not self.closed:
            self.closed = True
            self.hang_up()
        self._settled()

    def _fail(self, error: AGIError) -> None:
        """Abort the connection: the pending command raises `error`, the other tasks `AGIHangup`."""
        self.closed = True
        self.fault = error
        self.hangup.inform(self._refused(error))
        self._settled()
        self.hang_up()
        self.abort()

    def release(self) -> None:
        """Let go of the call: to its tasks this is a hangup, to the caller it is not.

        What Asterisk executes goes on without this side, and then the dialplan. A prompt ends at
        once (`ast_waitstream_full` watches the connection), a Dial does not (`handle_exec`).
        """
        if self.closed:
            return
        self.released = True
        self._lost()
        self.close()

    def close(self) -> None:
        """Close normally, now: the channel lives until this side closes."""
        self.closed = True
        self._deadline = inf
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.close()
        if self._transport.get_write_buffer_size():
            # What is not written within `close_seconds` will never be read.
            self._call_ends = self._loop.time() + self._limits.close_seconds
            self._arm(self._call_ends)

    def abort(self) -> None:
        """Close at once; unwritten data is lost."""
        if self._transport is not None:
            self._transport.abort()

    # -- deadlines --------------------------------------------------------------------------------

    def _arm(self, when: float) -> None:
        """Set the only timer to an earlier time; when it fires, it checks all deadlines."""
        if self._timer is not None:
            self._timer.cancel()
        self._armed = when
        self._timer = self._loop.call_at(when, self._check_deadlines)

    def _check_deadlines(self) -> None:
        """Act on a deadline that has passed, or set the timer to the next one."""
        self._timer = None
        self._armed = inf
        now = self._loop.time() + _EARLY_SECONDS
        if now >= self._deadline:
            if self.hangup.happened:
                self._fail(AGIHangup("the caller has hung up"))
            else:
                self._fail(AGITimeout("Asterisk did not answer in time"))
            return
        if now >= self._call_ends:
            if self.closed or self.task is None:
                self.closed = True
                self.abort()
                return
            # The call has lasted too long: cancel its task, with a moment to clean up.
            task, self.task = self.task, None
            task.cancel()
            self._call_ends = now + self._limits.hangup_seconds
        nearest = min(self._deadline, self._call_ends)
        if nearest < inf:
            self._arm(nearest)
