"""Strangers without a token: they take neither the places of others nor the log."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import pytest
from structlog.testing import capture_logs

from agi_bridge.web import AUDIO, MESSAGES, REVOCATIONS, WebServer, connections, failed_tokens
from agi_bridge.web.failed_tokens import FailedTokens
from tests.support.web_serving import NUMBER, TOKEN, KeptRevocations, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.consent import Revocation, RevocationResult

PLACES = 8
ELSEWHERE = "127.0.0.2"
HEAD = f"POST {REVOCATIONS} HTTP/1.1\r\nHost: x\r\n"
ALLOWED = f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"

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


@pytest.mark.parametrize("sent", ["", HEAD, f"{HEAD}{ALLOWED}"], ids=["nothing", "some", "more"])
async def test_any_number_of_idle_connections_keep_no_revocation_out(
    tmp_path: Path, sent: str
) -> None:
    with capture_logs() as logs:
        async with web_of(tmp_path) as port:
            idle = []
            for _ in range(10):
                idle += [await connect(port, sent.encode()) for _ in range(2 * PLACES)]
                assert (await revoke(port)).status_code == 201
            await closed(*idle)
    crowded = [line for line in logs if line["event"] == "web.too_many_connections"]
    assert len(crowded) == 2
    assert sum(line["count"] for line in crowded) >= 19 * PLACES
    assert {line["peer"] for line in crowded} == {ELSEWHERE}


async def test_a_crowd_of_one_address_does_not_push_out_another(tmp_path: Path) -> None:
    async with web_of(tmp_path) as port:
        mine = await connect(port, HEAD.encode(), source="127.0.0.1")
        idle = [await connect(port) for _ in range(10 * PLACES)]
        assert await rest(idle[0]) == b""
        body = f'{{"number": "{NUMBER}"}}'
        mine[1].write(f"{ALLOWED}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        assert (await mine[0].readline()) == b"HTTP/1.1 201 Created\r\n"
        await closed(mine, *idle)


class SlowLedger(KeptRevocations):
    """Takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go = asyncio.Semaphore(0), asyncio.Event()

    async def revoke(self, request: Revocation) -> RevocationResult:
        self.asked.release()
        await self.go.wait()
        return await super().revoke(request)


async def test_when_all_are_being_served_one_more_is_refused_in_words(tmp_path: Path) -> None:
    ledger = SlowLedger()
    async with web_of(tmp_path, ledger, places=2) as port:
        served = [asyncio.create_task(revoke(port)) for _ in range(2)]
        for _ in served:
            await ledger.asked.acquire()
        refused = await connect(port)
        answer = await rest(refused)
        await closed(refused)
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n")
        ledger.go.set()
        assert [(await each).status_code for each in served] == [201, 201]


@pytest.mark.parametrize(
    "sent",
    [b"", b"PO", HEAD.encode(), HEAD.encode() + b"X: " + b"x" * 9000],
    ids=["no byte", "a word", "half the headers", "one long header"],
)
async def test_headers_have_a_deadline_that_no_byte_puts_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    async with web_of(tmp_path) as port:
        stream = await connect(port, sent)

        async def trickle() -> None:
            while True:
                stream[1].write(b"x")
                await asyncio.sleep(0.01)

        trickling = asyncio.create_task(trickle())
        assert await rest(stream) == b""
        trickling.cancel()
        await closed(stream)


async def test_a_body_after_its_refusal_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    async with web_of(tmp_path) as port:
        stream = await connect(port, f"{HEAD}Content-Length: 1000000\r\n\r\n{{".encode())
        assert (await stream[0].readline()) == b"HTTP/1.1 401 Unauthorized\r\n"
        assert b"Bearer" in await rest(stream)
        await closed(stream)


async def test_who_does_not_take_the_answer_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deadline over the whole exchange, however far it has come."""
    monkeypatch.setattr(connections, "EXCHANGE_SECONDS", 0.1)
    ledger = SlowLedger()
    async with web_of(tmp_path, ledger) as port:
        body = f'{{"number": "{NUMBER}"}}'
        head = f"{HEAD}{ALLOWED}Content-Length: {len(body)}\r\n\r\n"
        stream = await connect(port, f"{head}{body}".encode())
        await ledger.asked.acquire()
        assert await rest(stream) == b""
        ledger.go.set()
        assert (await revoke(port)).status_code == 201
        await closed(stream)


async def test_a_kept_connection_serves_many_requests_and_then_has_a_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with web_of(tmp_path, places=1) as port:
        body = f'{{"number": "{NUMBER}"}}'
        request = f"{HEAD}{ALLOWED}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        stream = await connect(port, 50 * request)  # pipelined
        text = b""
        while text.count(b"HTTP/1.1 201") < 50:
            text += await stream[0].read(65_536)
        monkeypatch.setattr(connections, "HEAD_SECONDS", 0.05)
        stream[1].write(request)
        assert b"HTTP/1.1 201" in await rest(stream)
        await closed(stream)


async def test_what_is_not_http_is_counted(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with web_of(tmp_path) as port:
            for _ in range(5):
                stream = await connect(port, b"\x16\x03\x01 hello\r\n\r\n")
                assert (await rest(stream)).startswith(b"HTTP/1.1 400 ")
                await closed(stream)
    told = [(line["event"], line["count"], line["peer"]) for line in logs if "count" in line]
    assert told == [("web.not_http", 1, ELSEWHERE), ("web.not_http", 4, ELSEWHERE)]


# -- tokens


async def test_wrong_tokens_are_refused_after_a_few_and_the_right_one_is_not(
    tmp_path: Path,
) -> None:
    with capture_logs() as logs:
        async with web_of(tmp_path) as port:
            statuses = [(await revoke(port, f"guess-{each}")).status_code for each in range(15)]
            assert statuses == [401] * failed_tokens.MOST + [429] * 5
            assert (await revoke(port)).status_code == 201
            last = await revoke(port, "guess")
            assert last.headers["retry-after"] == "60"
            assert last.headers["connection"] == "close"
    told = [line for line in logs if line["event"] == "web.token_refused"]
    assert [(line["count"], line["peer"], line["path"]) for line in told] == [
        (1, "127.0.0.1", REVOCATIONS),
        (15, "127.0.0.1", REVOCATIONS),
    ]
    assert "guess" not in str(logs)


async def test_addresses_are_counted_apart_and_a_minute_ends() -> None:
    now = [0.0]
    counted = FailedTokens(lambda: now[0])
    assert [counted.too_many("a", MESSAGES) for _ in range(12)] == [False] * 10 + [True] * 2
    assert not counted.too_many("b", MESSAGES)
    now[0] = 60.0
    assert not counted.too_many("a", MESSAGES)
    counted.close()


async def test_the_memory_of_addresses_has_an_end() -> None:
    counted = FailedTokens(lambda: 0.0)
    for each in range(10_000):
        counted.too_many(f"2001:db8::{each:x}", AUDIO)
    assert len(counted._wrong) <= 4097
    assert counted.too_many("2001:db8::ffff:1", AUDIO)
    counted.close()


async def test_a_port_taken_while_it_was_bound_is_given_back(tmp_path: Path) -> None:
    first, second = socket.socket(), socket.socket()
    for each in (first, second):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        each.bind(("127.0.0.1", first.getsockname()[1]))
    with first:
        first.listen()
        with pytest.raises(OSError, match="in use"):
            await WebServer(settings(tmp_path), KeptRevocations(), sockets=[second]).__aenter__()
        assert second.fileno() == -1
