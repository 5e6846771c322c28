"""`FakeAsterisk`: places simulated calls to a FastAGI server, or directly to a handler.

It holds the scenario and the transports. What happens in a call is in `call` and `channel`.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from tempfile import TemporaryFile

from agi_bridge.agi.commands import SAFE_APPLICATIONS
from agi_bridge.agi.connection import Connection
from agi_bridge.agi.limits import Limits
from agi_bridge.agi.results import ChannelState, SpeechResult
from agi_bridge.agi.session import Handler, SingleCallOwner
from agi_bridge.agi.testing.call import Output, SimulatedCall
from agi_bridge.agi.testing.dtmf_script import KeysBySound
from agi_bridge.agi.testing.receive_buffer import ReceiveBuffer
from agi_bridge.agi.testing.record import CallEvent, CallRecord
from agi_bridge.agi.testing.scenario import (
    CallClock,
    DialBehaviour,
    HangupMode,
    LoopClock,
    Scenario,
    Sounds,
    Subroutine,
)


class FakeAsterisk:
    """Simulates Asterisk 22 against a FastAGI server (`call`) or a handler (`run`).

    One object can place any number of calls, also concurrently.

    Args:
        sounds: milliseconds of each sound: a mapping, or a function that returns None for a
            missing one. By default every sound exists and lasts a second.
        keys: the keys that the caller presses: a script of answers to prompts (`DtmfScript`), keys
            at certain sounds (`KeysBySound`), or None to ask `next_key`, for a live caller.
        hangup_at: the caller hangs up while this command runs, before its reply.
        hangup_mode: how the server learns of it: the HANGUP line; ``silent`` as with
            ``AGISIGHUP=no``, by reply 511 only; ``eof`` as with ``AGIEXITONHANGUP=yes``.
        dial: the result of EXEC Dial: a DIALSTATUS, an outcome, or a function of the destination
            that returns either.
        variables: channel variables that are set at the start, and what dialplan functions that
            the simulation lacks read as, e.g. ``CDR(src)``. Reading another one that it lacks is a
            `NotSimulatedError`.
        applications: results of further applications for EXEC; 1 is followed by a usage block. One
            that Asterisk has, and neither is here nor simulated, is a `NotSimulatedError`.
        labels: the labels that SET PRIORITY knows.
        subroutines: those that GOSUB finds, by ``context,extension,priority``: what GOSUB_RETVAL
            becomes, or a function of the arguments that returns it. The arguments come raw, as
            they reach ARG1: with the quotes and backslashes that were sent. None stands for a
            subroutine that ends without Return.
        channels: other channels, by name, for CHANNEL STATUS and HANGUP.
        texts: what the caller sends, one for each RECEIVE TEXT or RECEIVE CHAR.
        recognized: the results of SPEECH RECOGNIZE, one after another, then time-outs. None: the
            PBX has no speech engine.
        caller_id, caller_name, dnid, extension, context, language, arguments: the environment;
            `dnid` is the extension by default.
        environment: further ``agi_`` names without prefix; None leaves a line out.
        audio: what the caller says, raw as `AudioStream` gives it: the handler is run as a program
            that EAGI() started. All of it is there at once, so that
            `AudioStream.discard` drops it; then `Channel.audio` ends. For `run`.
        pace: 1.0 is real time, 0 lets no time pass.
        clock: the clock at a pace above 0.
        on_event: called with each event while the call runs.
    """

    def __init__(
        self,
        *,
        sounds: Sounds | None = None,
        keys: str | KeysBySound | None = "",
        hangup_at: Callable[[Sequence[str]], bool] | None = None,
        hangup_mode: HangupMode = "line",
        dial: DialBehaviour = "ANSWER",
        variables: Mapping[str, str] | None = None,
        applications: Mapping[str, int] | None = None,
        labels: Collection[str] = (),
        subroutines: Mapping[str, Subroutine] | None = None,
        channels: Mapping[str, ChannelState] | None = None,
        texts: Sequence[str] = (),
        recognized: Sequence[SpeechResult] | None = None,
        caller_id: str = "15145550100",
        caller_name: str = "unknown",
        dnid: str | None = None,
        extension: str = "s",
        context: str = "from-trunk",
        language: str = "en",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str | None] | None = None,
        audio: bytes | None = None,
        pace: float = 0.0,
        clock: CallClock | None = None,
        on_event: Callable[[CallEvent], None] | None = None,
    ) -> None:
        self.pace: float = pace
        self.clock: CallClock = clock or LoopClock()
        self._scenario = Scenario(
            sounds=sounds,
            keys=keys,
            next_key=self.next_key,
            hangup_at=hangup_at,
            hangup_mode=hangup_mode,
            dial=dial,
            variables=dict(variables or {}),
            applications={name.lower(): code for name, code in (applications or {}).items()},
            labels=frozenset(labels),
            subroutines=dict(subroutines or {}),
            channels=dict(channels or {}),
            texts=tuple(texts),
            recognized=None if recognized is None else tuple(recognized),
            caller_id=caller_id,
            caller_name=caller_name,
            dnid=extension if dnid is None else dnid,
            extension=extension,
            context=context,
            language=language,
            arguments=tuple(arguments),
            environment=dict(environment or {}),
            pace=pace,
            clock=self.clock,
            on_event=on_event,
        )
        self._audio = audio
        self._calls: set[SimulatedCall] = set()
        self._placed = 0

    async def next_key(self, timeout: float) -> str | None:  # noqa: ASYNC109 - the PBX's own
        """Wait for a live caller's next key; None after `timeout` seconds, ``!`` hangs up.

        Used only if `keys` is None: override it. This one never presses a key.
        """
        await self.clock.sleep(timeout)
        return None

    def hang_up(self) -> None:
        """Hang up all calls now."""
        for call in self._calls:
            call.channel.hang_up()

    async def call(self, host: str, port: int, path: str = "") -> CallRecord:
        """Call a FastAGI server as ``AGI(agi://host:port/path)`` does, to the end of the session.

        Raises:
            OSError: no server listens there; Asterisk would set AGISTATUS=FAILURE.
        """
        loop = asyncio.get_running_loop()
        received = ReceiveBuffer()
        transport, _ = await loop.create_connection(lambda: _Socket(received), host, port)
        try:
            shown = f"[{host}]" if ":" in host else host
            request = f"agi://{shown}:{port}/{path}"
            return await self._session(self._scenario, received, transport, request)
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
        with _as_file(self._audio) as audio:
            return await self._run(handler, path, limits or Limits(), applications, audio)

    async def _run(
        self,
        handler: Handler,
        path: str,
        limits: Limits,
        applications: frozenset[str],
        audio: int | None,
    ) -> CallRecord:
        received = ReceiveBuffer()
        errors: list[Exception] = []
        owner = SingleCallOwner(
            handler, limits, applications, lambda _channel, error: errors.append(error), audio
        )
        scenario = self._scenario
        if audio is not None:
            scenario = replace(scenario, environment={"enhanced": "1.0", **scenario.environment})
        connection = Connection(owner, owner.limits)
        transport = _MemoryTransport(received, connection)
        connection.connection_made(transport)
        pbx_side = _PbxSide(connection)
        try:
            record = await self._session(scenario, received, pbx_side, f"agi://test/{path}")
        finally:
            pbx_side.close()
            await owner.finished()
        if errors:
            raise errors[0]
        return record

    async def _session(
        self, scenario: Scenario, received: ReceiveBuffer, output: Output, request: str
    ) -> CallRecord:
        self._placed += 1
        call = SimulatedCall(scenario, received, output, f"fake.{self._placed}")
        self._calls.add(call)
        try:
            return await call.session(request)
        finally:
            self._calls.discard(call)


@contextmanager
def _as_file(audio: bytes | None) -> Iterator[int | None]:
    """Give the descriptor of a file that holds the sound; it never makes a reader wait."""
    if audio is None:
        yield None
        return
    with TemporaryFile() as file:
        file.write(audio)
        file.seek(0)
        yield file.fileno()


class _Socket(asyncio.Protocol):
    """The PBX's end of a TCP connection."""

    def __init__(self, received: ReceiveBuffer) -> None:
        self._received = received

    def data_received(self, data: bytes) -> None:
        self._received.feed(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._received.end()


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


class _MemoryTransport(asyncio.Transport):
    """The server's end of a connection in memory."""

    def __init__(self, received: ReceiveBuffer, connection: Connection) -> None:
        super().__init__()
        self._received = received
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self._loop.call_soon(self._received.feed, bytes(data))

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._received.end)
            self._loop.call_soon(self._connection.connection_lost, None)

    def abort(self) -> None:
        self.close()
