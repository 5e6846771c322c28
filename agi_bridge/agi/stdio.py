"""Classic AGI on standard input and output: one process per call, the same handlers as FastAGI.

Asterisk's `launch_script` starts the program with pipes, and reports a hangup by SIGHUP (`run_agi`)
instead of a line. Command-line options are not here.
"""

import asyncio
import os
import select
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

from agi_bridge.agi.commands import SAFE_APPLICATIONS
from agi_bridge.agi.connection import Connection
from agi_bridge.agi.errors import AGIProtocolError
from agi_bridge.agi.limits import Limits
from agi_bridge.agi.session import Handler, OnError, SingleCallOwner

_CHUNK: Final = 65536
_STDERR: Final = 2


async def run(
    handler: Handler,
    *,
    limits: Limits | None = None,
    applications: frozenset[str] = SAFE_APPLICATIONS,
    on_error: OnError | None = None,
    stdin: int = 0,
    stdout: int = 1,
    audio: int = 3,
) -> bool:
    """Handle the call that Asterisk started this process for; tell whether it ended without error.

    `stdin` and `stdout` are file descriptors: pipes, sockets, terminals or files; `audio` is that
    of the caller's sound, which `Channel.audio` reads if EAGI() has started this. While the call
    lasts, other writes to standard output go to standard error instead, because Asterisk would run
    a stray line as a command. SIGHUP is handled only on the main thread, where the event loop can
    handle signals.

    Raises:
        AGIProtocolError: standard input ended, or the time-out passed, before the environment.
        OSError: standard input or output is closed.
    """
    call = SingleCallOwner(handler, limits or Limits(), applications, on_error, audio)
    source = os.dup(stdin)  # before standard output is moved, as both may be one descriptor
    with os.fdopen(source, "rb", buffering=0) as pipe, _stdout_for_asterisk(stdout) as out:
        connection = Connection(call, call.limits)
        reading = await _connect(connection, _Output(out, connection), pipe)
        try:
            with _hangup_by_signal(connection):
                await call.finished()
        finally:
            if reading is not None:
                reading.close()
    if not connection.begun:
        raise AGIProtocolError("no_environment", "standard input ended before the AGI environment")
    return call.succeeded


def comes_from_asterisk(stdin: int = 0) -> bool:
    """Tell whether Asterisk may have started this process: standard input is a pipe.

    A regular file is accepted too, for trying out a handler. A terminal, ``/dev/null`` or a closed
    descriptor means that a person or a service manager started it.
    """
    try:
        mode = os.fstat(stdin).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISREG(mode)


class _Output(asyncio.Transport):
    """Standard output as a transport.

    Writes are blocking: a command has 2 KB at most and Asterisk reads it before anything else.
    """

    def __init__(self, descriptor: int, connection: Connection) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._connection = connection
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                # The other end of our standard input, a socket, has been made non-blocking.
                select.select([], [self._descriptor], [])
            except OSError:
                self.close()  # Asterisk has closed; the end of standard input reports it too
                return

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)

    def abort(self) -> None:
        self.close()


class _Input(asyncio.Protocol):
    """Standard input, passed on to the connection."""

    def __init__(self, connection: Connection, output: _Output) -> None:
        self._connection = connection
        self._output = output

    def data_received(self, data: bytes) -> None:
        self._connection.data_received(data)

    def eof_received(self) -> None:
        self._connection.eof_received()
        if not self._connection.begun:
            self._output.close()

    def connection_lost(self, _exc: Exception | None) -> None:
        self.eof_received()


async def _connect(
    connection: Connection, output: _Output, pipe: BinaryIO
) -> asyncio.ReadTransport | None:
    """Feed the connection from standard input; return the transport to close at the end."""
    connection.connection_made(output)
    feeder = _Input(connection, output)
    loop = asyncio.get_running_loop()
    mode = os.fstat(pipe.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or pipe.isatty()):
        # An event loop cannot watch a file or a device, and all of it can be read now.
        while not connection.closed and (
            data := await loop.run_in_executor(None, pipe.read, _CHUNK)
        ):
            feeder.data_received(data)
        feeder.eof_received()
        return None
    transport, _ = await loop.connect_read_pipe(lambda: feeder, pipe)
    return transport


@contextmanager
def _stdout_for_asterisk(stdout: int) -> Iterator[int]:
    """Yield a private copy of standard output, and redirect standard output to standard error."""
    sys.stdout.flush()
    private = os.dup(stdout)
    os.dup2(_STDERR, stdout)
    try:
        yield private
    finally:
        sys.stdout.flush()
        os.dup2(private, stdout)
        os.close(private)


@contextmanager
def _hangup_by_signal(connection: Connection) -> Iterator[None]:
    """Handle SIGHUP as a hangup while the call lasts."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGHUP)
    try:
        loop.add_signal_handler(signal.SIGHUP, connection.hang_up)
    except (RuntimeError, ValueError):  # not the main thread: 511 and the end of input remain
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        if before is not None:  # None: not set from Python
            signal.signal(signal.SIGHUP, before)
