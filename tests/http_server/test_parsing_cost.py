"""Bytes that cost the event loop: bodies, framing, headers and offers of other protocols."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agi_bridge.http_server import connections
from tests.support.web_serving import NUMBER, KeptRevocations
from tests.support.web_streams import (
    ALLOWED,
    ELSEWHERE,
    HEAD,
    REQUEST,
    closed,
    connect,
    rest,
    web_of,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes were parsed at once, each time."""
    sizes: list[int] = []
    feed = connections.Connection._feed

    def counted(self: connections.Connection, some: bytes) -> None:
        sizes.append(len(some))
        feed(self, some)

    monkeypatch.setattr(connections.Connection, "_feed", counted)
    return sizes


CHUNKED = f"{HEAD}Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "after the answer"])
async def test_the_body_of_a_refused_request_is_not_parsed(
    tmp_path: Path, parsed: list[int], *, at_once: bool
) -> None:
    async with web_of(tmp_path) as port:
        chunks = b"1\r\n{\r\n" * 100_000
        stream = await connect(port, f"{CHUNKED}\r\n".encode() + (chunks if at_once else b""))
        assert await stream[0].readline() == b"HTTP/1.1 401 Unauthorized\r\n"
        stream[1].write(chunks)
        assert b"connection: close\r\n" in await rest(stream)
        await closed(stream)
    assert sum(parsed) <= connections._PARSED_BYTES


async def test_a_body_in_tiny_chunks_is_parsed_a_little_at_a_time(
    tmp_path: Path, parsed: list[int]
) -> None:
    body = f'{{"number": "{NUMBER}"'.ljust(65_535) + "}"
    chunks = "".join(f"1\r\n{each}\r\n" for each in body)
    async with web_of(tmp_path) as port:
        stream = await connect(port, f"{CHUNKED}{ALLOWED}\r\n{chunks}0\r\n\r\n".encode())
        assert await stream[0].readline() == b"HTTP/1.1 201 Created\r\n"
        await closed(stream)
    assert max(parsed) <= connections._PARSED_BYTES


@pytest.mark.parametrize(
    "endless", [b"1;" + b"x" * 600_000, b"0\r\n" + b"a: b\r\n" * 100_000], ids=["chunk", "trailer"]
)
async def test_a_body_that_is_all_framing_is_too_long(tmp_path: Path, endless: bytes) -> None:
    async with web_of(tmp_path) as port:
        stream = await connect(port, f"{CHUNKED}{ALLOWED}\r\n".encode() + endless)
        assert await stream[0].readline() == b"HTTP/1.1 413 Content Too Large\r\n"
        assert b'"send at most 65536 bytes"' in await rest(stream)
        await closed(stream)


@pytest.mark.parametrize(
    ("length", "status"), [(16 * 1024, b"404"), (16 * 1024 + 1, b"431"), (70_000, b"431")]
)
async def test_headers_have_a_limit_however_they_come(
    tmp_path: Path, length: int, status: bytes
) -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nX: "
    head += b"x" * (length - len(head) - 4) + b"\r\n\r\n"
    async with web_of(tmp_path) as port:
        for parts in ([head], [head[:9000], head[9000:]]):
            stream = await connect(port)
            for part in parts:
                stream[1].write(part)
                await stream[1].drain()
            assert (await stream[0].readline()).startswith(b"HTTP/1.1 " + status)
            assert b"connection: close\r\n" in (await rest(stream)).lower()
            await closed(stream)


async def test_an_offer_of_another_protocol_is_passed_over(tmp_path: Path) -> None:
    """Java's client offers HTTP/2 with its first request."""
    offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
    async with web_of(tmp_path) as port:
        stream = await connect(
            port, REQUEST.replace(b"Host: x\r\n", f"Host: x\r\n{offer}".encode())
        )
        assert await stream[0].readline() == b"HTTP/1.1 201 Created\r\n"
        await rest(stream)
        await closed(stream)


UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
LONG = b"X: " + b"a" * 15_000 + b"\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"CONNECT /e HTTP/1.1\r\nHost: x\r\n" + UPGRADE + LONG, b"400"),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n" + LONG, b"400"),
        (b"CONNECT http://x/ HTTP/1.0\r\n" + UPGRADE, b"400"),
        (b"GET /e HTTP/1.1\r\nHost: x\r\n" + LONG + 20 * UPGRADE, b"404"),
        (b"GET /e HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n y\r\n", b"4"),
        (b"GET /e HTTP/1.1\r\n" + UPGRADE + b"Content-Length: 3\r\nContent-Length: 4\r\n", b"400"),
        (b"GET \xff\xfe HTTP/1.1\r\nHost: x\r\n" + UPGRADE, b"400"),
        (b"GET x:// HTTP/1.1\r\nHost: x\r\n" + UPGRADE, b"400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n" + UPGRADE, b"400"),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n" + UPGRADE, b"404"),
    ],
)
async def test_a_request_for_another_protocol_is_parsed_at_most_twice(
    tmp_path: Path, parsed: list[int], request_: bytes, status: bytes
) -> None:
    """No token is needed for it: it must not cost more than any other refused request."""
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    async with web_of(tmp_path) as port:
        stream = await connect(port, request_ + b"\r\n")
        answer = await asyncio.wait_for(stream[0].readline(), 10)
        stream[1].write_eof()
        await rest(stream)
        await closed(stream)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert sum(parsed) <= 2 * len(request_ + b"\r\n")
    assert unhandled == []


async def test_each_request_of_a_connection_may_offer_another_protocol(tmp_path: Path) -> None:
    async with web_of(tmp_path) as port:
        stream = await connect(port)
        for _ in range(3):
            stream[1].write(REQUEST.replace(b"Host: x\r\n", b"Host: x\r\n" + UPGRADE))
            assert await stream[0].readline() == b"HTTP/1.1 201 Created\r\n"
            assert b"connection" not in await stream[0].readuntil(b"}")
        await closed(stream)


async def test_a_body_that_is_not_chunked_is_refused_in_mid_request(tmp_path: Path) -> None:
    ledger = KeptRevocations()
    async with web_of(tmp_path, ledger) as port:
        stream = await connect(port, f"{CHUNKED}{ALLOWED}\r\n1\r\n{{\r\n".encode())
        await asyncio.sleep(0)
        stream[1].write(b"nonsense\r\n")
        assert (await stream[0].readline()).startswith(b"HTTP/1.1 400 ")
        await rest(stream)
        await closed(stream)
    assert ledger.revoked == []


async def test_what_is_not_http_is_counted(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with web_of(tmp_path) as port:
            for _ in range(5):
                stream = await connect(port, b"\x16\x03\x01 hello\r\n\r\n")
                assert (await rest(stream)).startswith(b"HTTP/1.1 400 ")
                await closed(stream)
    events = [(line["event"], line["count"], line["peer"]) for line in logs if "count" in line]
    assert events == [("web.not_http", 1, ELSEWHERE), ("web.not_http", 4, ELSEWHERE)]
