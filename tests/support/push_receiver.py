"""A receiver of messages over a real socket, which checks their signatures by its own means."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRET_BYTES = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(SECRET_BYTES).decode()


@dataclass(frozen=True)
class Received:
    """One request whose signature holds."""

    target: str
    id: str
    timestamp: int
    body: dict[str, Any]

    @property
    def type(self) -> str:
        return str(self.body["type"])

    @property
    def number(self) -> str | None:
        number: str | None = self.body["data"]["number"]
        return number


@dataclass
class Receiver:
    """Answers each request with a status; `None` closes the connection without an answer."""

    port: int = 0
    status: int | None = 200
    headers: dict[str, str] = field(default_factory=dict)
    by_number: dict[str, int] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    answer: asyncio.Event | None = None
    """Set when requests may be answered; None: at once."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.received]

    async def wait_for(self, count: int) -> None:
        """Wait until so many requests have come."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.received) >= count)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
            request, *lines = head.strip().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines)
            raw = dict(line.split(": ", 1) for line in lines)
            body = await reader.readexactly(int(headers["content-length"]))
            received = _checked(request, raw, body)
            status = self.by_number.get(received.number or "", self.status)
            async with self.arrived:
                self.received.append(received)
                self.arrived.notify_all()
            if self.answer is not None:
                await self.answer.wait()
            if status is not None:
                more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
                answer = f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n{more}\r\n"
                writer.write(answer.encode("ascii"))
                with suppress(ConnectionError):  # the sender was killed
                    await writer.drain()
        finally:
            writer.close()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Receiver]:
        """Listen while the block runs; on the same port each time."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()


def _checked(request: str, headers: dict[str, str], body: bytes) -> Received:
    method, target, _ = request.split(" ")
    assert method == "POST"
    id_, at = headers["webhook-id"], headers["webhook-timestamp"]
    signed = hmac.digest(SECRET_BYTES, f"{id_}.{at}.".encode() + body, hashlib.sha256)
    assert f"v1,{base64.b64encode(signed).decode()}" in headers["webhook-signature"].split(" ")
    return Received(target, id_, int(at), json.loads(body))
