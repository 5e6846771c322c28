"""A connection over a fake transport: a test reads and feeds every byte."""

import asyncio
from collections.abc import Awaitable, Callable

from agi_bridge.agi import AGIError, Channel, Environment, Limits
from agi_bridge.agi.commands import SAFE_APPLICATIONS
from agi_bridge.agi.connection import Connection

ENVIRONMENT = b"agi_network: yes\nagi_request: agi://pbx/x?to=%2B15145550123\nagi_uniqueid: 1.1\n\n"


async def settle(rounds: int = 5) -> None:
    """Run every callback that is ready."""
    for _ in range(rounds):
        await asyncio.sleep(0)


class FakeTransport(asyncio.Transport):
    """A transport that records what is written, and replies to it if `answer` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.answer: Callable[[bytes], bytes | None] | None = None
        self.closing = False
        self.aborted = False
        self.unwritten = 0
        self.connection: Connection | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))
        reply = self.answer(bytes(data)) if self.answer else None
        if reply is not None and self.connection is not None:
            asyncio.get_running_loop().call_soon(self.connection.data_received, reply)

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.unwritten

    def close(self) -> None:
        self.closing = True
        if not self.unwritten:
            self.lose()

    def abort(self) -> None:
        self.aborted = self.closing = True
        self.lose()

    def lose(self, error: Exception | None = None) -> None:
        if self.connection is not None:
            connection, self.connection = self.connection, None
            asyncio.get_running_loop().call_soon(connection.connection_lost, error)


class FakeSession:
    """A connection on a fake transport, its owner and its channel."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        environment: bytes = ENVIRONMENT,
        applications: frozenset[str] = SAFE_APPLICATIONS,
        accept: bool = True,
    ) -> None:
        self.limits = limits or Limits()
        self.applications = applications
        self.accept = accept
        self.transport = FakeTransport()
        self.ends: list[AGIError | None] = []
        self.gone = asyncio.Event()
        self.environments: list[Environment] = []
        self.connection = Connection(self, self.limits)
        self.transport.connection = self.connection
        self.connection.connection_made(self.transport)
        if environment:
            self.feed(environment)

    def connected(self, _connection: Connection, _transport: asyncio.Transport) -> bool:
        return self.accept

    def started(self, connection: Connection, environment: Environment) -> None:
        self.environments.append(environment)
        self.channel = Channel(connection, environment, self.limits, self.applications)

    def ended(self, _connection: Connection, error: AGIError | None) -> None:
        self.ends.append(error)
        self.gone.set()

    def feed(self, data: bytes) -> None:
        self.connection.data_received(data)

    @property
    def written(self) -> list[bytes]:
        return self.transport.written

    async def asked(self, awaitable: Awaitable[object], *replies: bytes) -> object:
        """Await a command while the replies arrive one by one."""
        task = asyncio.ensure_future(awaitable)
        for reply in replies:
            await settle()
            self.feed(reply)
        return await task
