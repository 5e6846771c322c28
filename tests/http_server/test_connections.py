"""Strangers without a token: they take neither the places of others nor the log."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import uvicorn
from structlog.testing import capture_logs

from agi_bridge.diagnostics import RateLimitedEvent
from agi_bridge.http_server import connections
from agi_bridge.web import AUDIO, MESSAGES, REVOCATIONS, WebServer, tokens
from agi_bridge.web.tokens import FailedTokens
from tests.support.web_serving import NUMBER, KeptRevocations, settings
from tests.support.web_streams import (
    ALLOWED,
    ELSEWHERE,
    HEAD,
    PLACES,
    REQUEST,
    closed,
    connect,
    rest,
    revoke,
    web_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.consent import Revocation, RevocationResult


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
    ("sent", "more"),
    [
        (b"", b"\r\n"),
        (b"POST /", b"x"),
        (HEAD.encode(), b"x"),
        (HEAD.encode() + b"X: " + b"x" * 9000, b"x"),
    ],
    ids=["blank lines", "a word", "half the headers", "one long header"],
)
async def test_headers_have_a_deadline_that_no_byte_puts_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes, more: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    async with web_of(tmp_path) as port:
        stream = await connect(port, sent)

        async def trickle() -> None:
            while True:
                stream[1].write(more)
                await asyncio.sleep(0.01)

        trickling = asyncio.create_task(trickle())
        assert await rest(stream) == b""
        trickling.cancel()
        await closed(stream)


async def test_a_body_after_its_refusal_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with web_of(tmp_path) as port:
        stream = await connect(port, REQUEST)
        assert b"HTTP/1.1 201" in await stream[0].readuntil(b"}")
        monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)  # not before it is read
        stream[1].write(f"{HEAD}Content-Length: 1000000\r\n\r\n{{".encode())
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
        monkeypatch.setattr(connections, "EXCHANGE_SECONDS", 60.0)
        ledger.go.set()
        assert (await revoke(port)).status_code == 201
        await closed(stream)


async def test_a_kept_connection_serves_many_requests_and_then_has_a_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with web_of(tmp_path, places=1) as port:
        stream = await connect(port)
        for _ in range(50):
            stream[1].write(REQUEST)
            assert await stream[0].readline() == b"HTTP/1.1 201 Created\r\n"
            assert b"connection" not in await stream[0].readuntil(b"}")
        monkeypatch.setattr(connections, "HEAD_SECONDS", 0.05)
        stream[1].write(REQUEST)
        assert b"HTTP/1.1 201" in await rest(stream)
        await closed(stream)


@pytest.mark.parametrize("much", [b"", b"x" * 100_000], ids=["short", "long"])
async def test_a_request_before_the_last_one_is_answered_is_not_served(
    tmp_path: Path, much: bytes
) -> None:
    ledger = KeptRevocations()
    async with web_of(tmp_path, ledger) as port:
        stream = await connect(port, 3 * REQUEST + much)
        answer = await rest(stream)
        await closed(stream)
    assert answer.count(b"HTTP/1.1 ") == answer.count(b"HTTP/1.1 201") == 1
    assert len(ledger.revoked) == 1


def unread(port: int, data: bytes) -> socket.socket:
    """A connection with the smallest memory for answers, which nobody reads."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    one.bind((ELSEWHERE, 0))
    one.connect(("127.0.0.1", port))
    one.settimeout(0)
    with suppress(BlockingIOError):
        one.send(data)
    return one


async def test_connections_that_do_not_read_keep_no_revocation_out(tmp_path: Path) -> None:
    nothing = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    async with web_of(tmp_path) as port:
        deaf = []
        for _ in range(5):
            deaf += [unread(port, nothing * 1500) for _ in range(2 * PLACES)]
            assert (await revoke(port)).status_code == 201
            for one in deaf:
                with suppress(OSError):
                    one.send(nothing * 1500)
            assert (await revoke(port)).status_code == 201
        for one in deaf:
            one.close()


class Transport(asyncio.Transport):
    """A transport to nowhere."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"peername": (ELSEWHERE, 1), "sockname": ("127.0.0.1", 2)}.get(name, default)

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self) -> None: ...


async def test_a_connection_that_stops_reading_waits_like_an_idle_one() -> None:
    """A long answer, as a recording is, that is not taken: its place can be another's."""
    shared = connections.ConnectionLimiter(
        1, RateLimitedEvent("test.crowded"), RateLimitedEvent("test.not_http")
    )

    taken = asyncio.Event()

    async def recording(_scope: object, _receive: object, _send: object) -> None:
        await taken.wait()

    config = uvicorn.Config(recording, ws="none", log_config=None)
    transport = Transport()
    one = connections.Connection(config, shared, {})
    one.connection_made(transport)
    one.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.sleep(0)
    assert len(shared._waiting) == 0
    one.pause_writing()
    assert len(shared._waiting) == 1
    one.resume_writing()
    assert len(shared._waiting) == 0
    one.connection_lost(None)
    taken.set()
    await asyncio.wait(shared.tasks)
    shared.close()


# -- tokens


async def test_wrong_tokens_are_refused_after_a_few_and_the_right_one_is_not(
    tmp_path: Path,
) -> None:
    with capture_logs() as logs:
        async with web_of(tmp_path) as port:
            statuses = [(await revoke(port, f"guess-{each}")).status_code for each in range(15)]
            assert statuses == [401] * tokens.MOST + [429] * 5
            assert (await revoke(port)).status_code == 201
            last = await revoke(port, "guess")
            assert last.headers["retry-after"] == "60"
            assert last.headers["connection"] == "close"
    events = [line for line in logs if line["event"] == "web.token_refused"]
    assert [(line["count"], line["peer"], line["path"]) for line in events] == [
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
