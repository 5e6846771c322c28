"""A web listener with few places, and clients that write and read bytes to it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import httpx

from agi_bridge.web import REVOCATIONS, WebServer
from tests.support.web_serving import NUMBER, TOKEN, KeptRevocations, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PLACES = 8
ELSEWHERE = "127.0.0.2"
HEAD = f"POST {REVOCATIONS} HTTP/1.1\r\nHost: x\r\n"
ALLOWED = f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"

BODY = f'{{"number": "{NUMBER}"}}'
REQUEST = f"{HEAD}{ALLOWED}Content-Length: {len(BODY)}\r\n\r\n{BODY}".encode()

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def web_of(
    tmp_path: Path, ledger: KeptRevocations | None = None, places: int = PLACES
) -> AsyncIterator[int]:
    """The port of a web with few places."""
    kept = ledger or KeptRevocations()
    async with WebServer(settings(tmp_path), kept, max_connections=places) as web:
        assert web.port is not None
        yield web.port


async def connect(port: int, data: bytes = b"", source: str = ELSEWHERE) -> Stream:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(data)
    return reader, writer


async def rest(stream: Stream) -> bytes:
    """What still comes until the connection is closed."""
    try:
        return await stream[0].read()
    except ConnectionResetError:
        return b""


async def closed(*streams: Stream) -> None:
    for _, writer in streams:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def revoke(port: int, token: str = TOKEN) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"http://127.0.0.1:{port}{REVOCATIONS}"
        return await client.post(url, json={"number": NUMBER}, headers=headers)
