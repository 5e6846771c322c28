"""One HTTP exchange on the fake hook's side: reads a request, writes a response or a reset."""

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlsplit

from agi_bridge.hook.testing.scenarios import FakeResponse

MAX_HEAD: Final = 16_384
"""Most bytes of a request's head: the limit of the reader that `read_request` reads from."""
_MAX_BODY: Final = 65_536


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request.

    Attributes:
        method: `GET`, `POST` or another.
        path: the path of its target.
        query: the query of its target, '' if there is none.
        headers: its headers, with lower-case names.
        body: its body, b'' if there is none.
    """

    method: str
    path: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def keep_alive(self) -> bool:
        """Whether the client may send another request on the same connection."""
        return self.headers.get("connection", "").lower() != "close"

    def fields(self) -> dict[str, str]:
        """Return the texts of a GET's query, or of the JSON object in the body; none if invalid."""
        if self.method == "GET":
            return {name: values[0] for name, values in parse_qs(self.query).items()}
        try:
            fields = json.loads(self.body)
        except ValueError:
            return {}
        if not isinstance(fields, dict):
            return {}
        return {name: value for name, value in fields.items() if isinstance(value, str)}


async def read_request(reader: asyncio.StreamReader) -> HttpRequest:
    """Read one request.

    Raises:
        ValueError: it is not HTTP/1, or its body is longer than the vendor's fields could need.
        asyncio.LimitOverrunError: its head is longer than the reader's limit.
        asyncio.IncompleteReadError: the client has closed the connection.
    """
    method, target, headers = _head(await reader.readuntil(b"\r\n\r\n"))
    url = urlsplit(target)
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= _MAX_BODY:
        raise ValueError("a body of this length is not read")
    return HttpRequest(method, url.path, url.query, headers, await reader.readexactly(length))


async def answer(writer: asyncio.StreamWriter, response: FakeResponse) -> None:
    """Write a response."""
    body = response.text.encode()
    head = f"HTTP/1.1 {response.status}\r\n"
    if response.content_type:  # a 204 has neither type nor length (RFC 9110, 8.6)
        head += f"Content-Type: {response.content_type}\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}\r\n".encode() + body)
    await writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with RST: closing with a linger of zero discards what is unsent."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _head(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Return method, target and headers with lower-case names.

    Raises:
        ValueError: the first line is not a request line.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError("not HTTP/1")
    pairs = (line.partition(":") for line in lines if line)
    return method, target, {name.strip().lower(): value.strip() for name, _, value in pairs}
