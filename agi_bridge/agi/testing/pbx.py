"""`FakeAsterisk`: places calls to a FastAGI server, or straight to a handler."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from agi_bridge.agi.commands import SAFE_APPLICATIONS
from agi_bridge.agi.connection import Connection
from agi_bridge.agi.limits import Limits
from agi_bridge.agi.session import Handler, SingleCallOwner
from agi_bridge.agi.testing.call import Call
from agi_bridge.agi.testing.dtmf_script import KeysBySound
from agi_bridge.agi.testing.receive_buffer import ReceiveBuffer
from agi_bridge.agi.testing.record import CallEvent, CallRecord, DialOutcome

HangupMode = Literal["line", "silent", "eof"]
Sounds = Mapping[str, int] | Callable[[str], int | None]
Dialling = str | DialOutcome | Callable[[str], str | DialOutcome]


class CallClock(Protocol):
    """Where a call's time comes from when it runs at a pace."""

    def time(self) -> float:
        """Tell the time in seconds, from any beginning."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""


class LoopClock:
    """The event loop's clock."""

    def time(self) -> float:
        """Tell the loop's time."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the loop."""
        await asyncio.sleep(seconds)


class FakeAsterisk:
    """Plays Asterisk 22 against a FastAGI server (`call`) or a handler (`run`).

    One object may place any number of calls, also at once.

    Args:
        sounds: which sounds there are, with their length in milliseconds: a mapping, or a function
            that gives None for a missing one. By default every sound exists and lasts a second.
        keys: the keys that the caller presses: a script of answers to prompts (`DtmfScript`), keys
            at certain sounds (`KeysBySound`), or None to ask `next_key`, for a live caller.
        hangup_at: the caller hangs up while this command runs, before its reply.
        hangup_mode: how the server hears of it: the HANGUP line; ``silent`` as with
            ``AGISIGHUP=no``, by reply 511 only; ``eof`` as with ``AGIEXITONHANGUP=yes``.
        dial: what becomes of EXEC Dial: a DIALSTATUS, an outcome, or a function of the destination
            that gives either.
        variables: channel variables that are set from the start.
        applications: results of further applications for EXEC; 1 is followed by a usage block.
        caller_id, caller_name, dnid, extension, context, language, arguments: the environment.
        environment: further ``agi_`` names without prefix; None leaves a line out.
        pace: 1.0 is real time, 0 lets no time pass.
        clock: where time comes from at a pace above 0.
        on_event: told what happens, while it happens.
    """

    def __init__(
        self,
        *,
        sounds: Sounds | None = None,
        keys: str | KeysBySound | None = "",
        hangup_at: Callable[[Sequence[str]], bool] | None = None,
        hangup_mode: HangupMode = "line",
        dial: Dialling = "ANSWER",
        variables: Mapping[str, str] | None = None,
        applications: Mapping[str, int] | None = None,
        caller_id: str = "15145550100",
        caller_name: str = "unknown",
        dnid: str = "unknown",
        extension: str = "s",
        context: str = "from-trunk",
        language: str = "en",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str | None] | None = None,
        pace: float = 0.0,
        clock: CallClock | None = None,
        on_event: Callable[[CallEvent], None] | None = None,
    ) -> None:
        self.sounds = sounds
        self.keys = keys
        self.hangup_at = hangup_at
        self.hangup_mode = hangup_mode
        self.dial = dial
        self.variables = dict(variables or {})
        self.applications = {name.lower(): code for name, code in (applications or {}).items()}
        self.caller_id = caller_id
        self.caller_name = caller_name
        self.dnid = dnid
        self.extension = extension
        self.context = context
        self.language = language
        self.arguments = tuple(arguments)
        self.environment = dict(environment or {})
        self.pace = pace
        self.clock = clock or LoopClock()
        self.on_event = on_event
        self._live: set[Call] = set()
        self._placed = 0

    async def next_key(self, timeout: float) -> str | None:  # noqa: ASYNC109 - the PBX's own
        """Wait for a live caller's next key; None after `timeout` seconds, ``!`` hangs up.

        Asked only if `keys` is None: override it. This one never presses any.
        """
        await self.clock.sleep(timeout)
        return None

    def hang_up(self) -> None:
        """Hang up all calls now, whatever they are doing."""
        for call in self._live:
            call.hang_up()

    async def call(self, host: str, port: int, path: str = "") -> CallRecord:
        """Call a FastAGI server as ``AGI(agi://host:port/path)`` does, to the end of the session.

        Raises:
            OSError: nobody listens there; Asterisk would have set AGISTATUS=FAILURE.
        """
        loop = asyncio.get_running_loop()
        inbox = ReceiveBuffer()
        transport, _ = await loop.create_connection(lambda: _Socket(inbox), host, port)
        try:
            shown = f"[{host}]" if ":" in host else host
            return await self._session(inbox, transport, f"agi://{shown}:{port}/{path}")
        finally:
            transport.close()

    async def run(
        self,
        handler: Handler,
        path: str = "",
        *,
        limits: Limits | None = None,
        applications: frozenset[str] = SAFE_APPLICATIONS,
    ) -> CallRecord:
        """Call a handler without a socket, as `Server` would run it.

        Raises:
            Exception: what the handler raised, other than a hangup.
        """
        inbox = ReceiveBuffer()
        errors: list[Exception] = []
        host = SingleCallOwner(
            handler, limits or Limits(), applications, lambda _channel, error: errors.append(error)
        )
        connection = Connection(host, host.limits)
        transport = _Wire(inbox, connection)
        connection.connection_made(transport)
        pbx_side = _PbxSide(connection)
        try:
            record = await self._session(inbox, pbx_side, f"agi://test/{path}")
        finally:
            pbx_side.close()
            await host.finished()
        if errors:
            raise errors[0]
        return record

    async def _session(
        self, inbox: ReceiveBuffer, transport: "Outgoing", request: str
    ) -> CallRecord:
        self._placed += 1
        call = Call(self, inbox, transport, f"fake.{self._placed}")
        self._live.add(call)
        try:
            return await call.session(request)
        finally:
            self._live.discard(call)


class Outgoing(Protocol):
    """What the PBX's side writes to."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def close(self) -> None:
        """Close the PBX's side."""


class _Socket(asyncio.Protocol):
    """The PBX's end of a TCP connection."""

    def __init__(self, inbox: ReceiveBuffer) -> None:
        self._inbox = inbox

    def data_received(self, data: bytes) -> None:
        self._inbox.feed(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._inbox.end()


class _PbxSide:
    """The PBX's end of a connection in memory; as on a socket, nothing arrives at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._open = True

    def write(self, data: bytes) -> None:
        self._loop.call_soon(self._connection.data_received, data)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.call_soon(self._connection.eof_received)


class _Wire(asyncio.Transport):
    """The server's end of a connection in memory."""

    def __init__(self, inbox: ReceiveBuffer, connection: Connection) -> None:
        super().__init__()
        self._inbox = inbox
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self._loop.call_soon(self._inbox.feed, bytes(data))

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._inbox.end)
            self._loop.call_soon(self._connection.connection_lost, None)

    def abort(self) -> None:
        self.close()
