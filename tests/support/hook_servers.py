"""A server of raw bytes on loopback that runs a test's script, and scripts that tests share."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agi_bridge.hook import Gate, HookClient, Submission, SubmissionRequest
from agi_bridge.hook.testing import VendorResponse

CERTIFICATE = Path(__file__).with_name("loopback.pem")
"""Self-signed, for `localhost` and 127.0.0.1, with its key."""


@dataclass
class Connection:
    """One accepted connection, as the script of a test sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def request(self) -> bytes:
        """Head and body of the next request; `IncompleteReadError` if the client has gone."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return head + await self.reader.readexactly(length)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Ends the connection with RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def cut(self) -> None:
        """Ends the connection with FIN, without TLS's farewell (`close_notify`)."""
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Returns when the client has closed."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65_536):
                pass


class Deadline:
    """The deadline of a submission, brought forward by a test instead of waited for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._scopes: list[asyncio.Timeout] = []
        self._make = asyncio.timeout_at
        monkeypatch.setattr(asyncio, "timeout_at", self._noted)

    def _noted(self, when: float | None) -> asyncio.Timeout:
        scope = self._make(when)
        self._scopes.append(scope)
        return scope

    def falls(self) -> None:
        """Now, for the submission that began first."""
        self._scopes[0].reschedule(asyncio.get_running_loop().time())


Script = Callable[[Connection], Awaitable[None]]


@dataclass
class Server:
    """Where it listens, and what came in."""

    port: int = 0
    scheme: str = "http"
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a connection's script is over."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/v1/ivr"


@contextlib.asynccontextmanager
async def serving(
    script: Script, tls: ssl.SSLContext | None = None, *, port: int = 0
) -> AsyncIterator[Server]:
    """A server that runs `script` on each connection, until the block is left."""
    server = Server(scheme="https" if tls else "http")
    running: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await script(Connection(reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client left, which is the client's right
        except asyncio.CancelledError:
            pass  # by leaving the block; Python 3.11's streams would log it as an error
        finally:
            running.discard(task)
            server.left.set()
            writer.close()

    listener = await asyncio.start_server(accept, "127.0.0.1", port, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def answering(server_requests: list[bytes], response: bytes) -> Script:
    """The script that reads requests into a list and answers each with the same bytes."""

    async def script(connection: Connection) -> None:
        while True:
            server_requests.append(await connection.request())
            await connection.send(response)

    return script


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    """A response with its length."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def closed_port() -> tuple[socket.socket, int]:
    """A port that refuses connections for as long as the socket is held."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    return held, held.getsockname()[1]


DIAL = http("200 OK", VendorResponse.dial("+14155550199").encode())
"""A usable answer."""


async def submit(client: HookClient, gate: Gate | None = None) -> Submission:
    return await client.submit(
        SubmissionRequest(from_="+14151234560", to="+14151234567", key="k", gate=gate)
    )


async def closes(_connection: Connection) -> None:
    return


async def resets(connection: Connection) -> None:
    connection.reset()


async def closes_after_the_request(connection: Connection) -> None:
    await connection.request()


async def answers(connection: Connection) -> None:
    await connection.request()
    await connection.send(DIAL)


async def never_answers(connection: Connection) -> None:
    await connection.gone()
