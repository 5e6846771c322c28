"""Classic AGI: the same handler on standard input and output, one process for each call.

Asterisk's `launch_script` starts the program with pipes in place of both, and tells a hangup by
SIGHUP (`run_agi`), not by a line.
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
) -> bool:
    """Handle the one call that Asterisk started us for; tell whether it ended well.

    `stdin` and `stdout` are file descriptors: pipes, sockets, terminals or files. While the call
    lasts, whatever else writes to standard output writes to standard error instead, as a stray
    line there would be a command to Asterisk. SIGHUP is heard where the event loop can take
    signals, which is the main thread.

    Raises:
        AGIProtocolError: standard input ended, or time was up, before a call was introduced.
        OSError: standard input or output is closed.
    """
    call = SingleCallOwner(handler, limits or Limits(), applications, on_error)
    source = os.dup(stdin)  # before standard output is moved, as both may be one descriptor
    with os.fdopen(source, "rb", buffering=0) as pipe, _kept_for_asterisk(stdout) as out:
        connection = Connection(call, call.limits)
        reading = await _connect(connection, _Output(out, connection), pipe)
        try:
            with _hangup_by_signal(connection):
                await call.finished()
        finally:
            if reading is not None:
                reading.close()
    if not connection.begun:
        raise AGIProtocolError("no call was introduced on standard input")
    return call.well


def comes_from_asterisk(stdin: int = 0) -> bool:
    """Whether standard input may be Asterisk's: it gives a pipe. A file, for a rehearsal, may too.

    A terminal, ``/dev/null`` or nothing at all is a person's or a service manager's.
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
                self.close()  # Asterisk has closed; the end of standard input says it as well
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
    """Standard input, handed on to the connection."""

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
    """Feed the connection from standard input; gives what is to be closed at the end."""
    connection.connection_made(output)
    feeder = _Input(connection, output)
    loop = asyncio.get_running_loop()
    mode = os.fstat(pipe.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or pipe.isatty()):
        # An event loop cannot watch a file or a device, and need not: it is all there.
        while not connection.closed and (
            data := await loop.run_in_executor(None, pipe.read, _CHUNK)
        ):
            feeder.data_received(data)
        feeder.eof_received()
        return None
    transport, _ = await loop.connect_read_pipe(lambda: feeder, pipe)
    return transport


@contextmanager
def _kept_for_asterisk(stdout: int) -> Iterator[int]:
    """Give a private copy of standard output, and point the public one to standard error."""
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
    """Hear SIGHUP as a hangup while the call lasts."""
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
        if before is not None:  # None: set by somebody who is not Python
            signal.signal(signal.SIGHUP, before)
