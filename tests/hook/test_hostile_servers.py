"""Responses of hostile or broken servers: bounded memory, bounded time, no false outcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agi_bridge.hook import HookClient, Outcome, Submission
from agi_bridge.hook import connection as hook_connection
from agi_bridge.hook.response import MAX_FRAMING, MAX_HEAD
from agi_bridge.hook.testing import VendorResponse
from tests.support.hook_servers import (
    DIAL,
    Connection,
    answering,
    answers,
    http,
    serving,
    submit,
)

if TYPE_CHECKING:
    from agi_bridge.hook.connection import Connection as HookConnection

from agi_bridge.hook import Refusal, Unusable


async def answered(response: bytes, max_bytes: int = 65_536) -> Submission:
    """The submission to a server that reads the request and answers with these bytes."""
    async with (
        serving(answering([], response)) as server,
        HookClient(server.url, max_bytes=max_bytes) as client,
    ):
        return await submit(client)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed(status: str) -> None:
    async with serving(answering([], DIAL)) as elsewhere:
        result = await answered(http(status, b"", f"Location: {elsewhere.url}"))
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "redirect")
    assert elsewhere.connections == 0


@pytest.mark.parametrize("framing", ["Content-Length: 1073741824", "Transfer-Encoding: chunked"])
async def test_a_body_of_a_gigabyte_is_not_read(framing: str) -> None:
    sent = 0

    async def script(connection: Connection) -> None:
        nonlocal sent
        await connection.request()
        await connection.send(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        piece = b"a" * 65_536
        if "chunked" in framing:
            piece = b"10000\r\n" + piece + b"\r\n"
        while sent < 1 << 30:
            await connection.send(piece)
            sent += len(piece)

    async with serving(script) as server, HookClient(server.url) as client:
        result = await submit(client)
        await server.left.wait()
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "too_large")
    assert result.answer == Unusable(200, "too_large")
    assert result.answer_sha256 is None
    assert sent < 1 << 25


async def test_the_limit_of_a_body_can_be_lower() -> None:
    assert (await answered(DIAL, max_bytes=20)).reason == "too_large"
    assert (await answered(DIAL, max_bytes=100)).reason == "dial"


async def test_a_body_in_an_encoding_that_was_not_asked_for_is_not_unpacked() -> None:
    response = http("200 OK", b"\x1f\x8b" + b"\0" * 50, "Content-Encoding: gzip")
    result = await answered(response)
    assert (result.outcome, result.answer) == (Outcome.UNKNOWN, Unusable(200, "encoded"))


@pytest.mark.parametrize(
    "named", ["UTF-8", "utf8", "none", "8bit", "binary", "text/xml", "", "identity, utf-8", "\xe9"]
)
async def test_a_content_encoding_that_names_no_coding_says_nothing(named: str) -> None:
    response = http(
        "200 OK", VendorResponse.dial("+14155550199").encode(), f"Content-Encoding: {named}"
    )
    assert (await answered(response)).reason == "dial"


@pytest.mark.parametrize("named", ["gzip", "br", "identity, deflate", "X-GZIP"])
async def test_a_content_encoding_that_was_not_applied_is_seen_through(named: str) -> None:
    response = http(
        "200 OK", VendorResponse.dial("+14155550199").encode(), f"Content-Encoding: {named}"
    )
    assert (await answered(response)).reason == "dial"
    response = http(
        "403 Forbidden", VendorResponse.INVALID_KEY.encode(), f"Content-Encoding: {named}"
    )
    assert (await answered(response)).reason == "invalid_key"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
async def test_a_coding_that_was_not_applied_is_seen_through_in_any_encoding(encoding: str) -> None:
    body = VendorResponse.dial("+14155550199").encode(encoding)
    assert (await answered(http("200 OK", body, "Content-Encoding: gzip"))).reason == "dial"


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (http("403 Forbidden", b"x" * 20)[:-10], "invalid_key"),
        (b"HTTP/1.1 403 Forbidden\r\nX: " + b"x" * MAX_HEAD + b"\r\n\r\n", "invalid_key"),
        (b"HTTP/1.1 400 Bad Request\r\nX: " + b"x" * MAX_HEAD + b"\r\n\r\n", "client_error"),
    ],
)
async def test_a_refusal_counts_although_the_rest_of_the_response_is_lost(
    response: bytes, reason: str
) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(response)

    async with serving(script) as server, HookClient(server.url) as client:
        result = await submit(client)
    assert (result.outcome, result.reason) == (Outcome.REFUSED, reason)


async def test_an_empty_element_among_the_transfer_codings_does_not_count() -> None:
    body = VendorResponse.dial("+14155550199").encode()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked,\r\n\r\n"
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    assert (await answered(head + chunks)).reason == "dial"


async def test_a_refusal_counts_by_its_status_where_its_body_cannot_be_read() -> None:
    result = await answered(http("403 Forbidden", b"x" * 20, "Content-Encoding: br"))
    assert (result.outcome, result.answer) == (Outcome.REFUSED, Refusal(403, "client_error"))


@pytest.mark.parametrize(
    "response",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * MAX_HEAD + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X%d: a\r\n" % n for n in range(9000)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 2 OK\r\n\r\n",
        b"\0" * 100,
    ],
    ids=["ssh", "long header", "many headers", "negative length", "short status", "zeros"],
)
async def test_what_is_no_http_is_unknown(response: bytes) -> None:
    result = await answered(response)
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "bad_http")


@pytest.mark.parametrize(
    ("head", "again"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"a"),
    ],
    ids=["1xx", "headers", "chunk extension", "chunk", "body"],
)
async def test_a_flood_ends_after_a_bounded_number_of_bytes(
    head: bytes, again: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    real = hook_connection.Connection.data_received

    def counting(self: HookConnection, data: bytes) -> None:
        taken.append(len(data))
        real(self, data)

    monkeypatch.setattr(hook_connection.Connection, "data_received", counting)

    async def flood(connection: Connection) -> None:
        await connection.request()
        await connection.send(head)
        piece = again * (65_536 // len(again))
        while not connection.writer.is_closing():
            await connection.send(piece)

    async with serving(flood) as server, HookClient(server.url, total_seconds=60) as client:
        result = await submit(client)
        await server.left.wait()
    assert result.outcome is Outcome.UNKNOWN
    assert result.reason in {"bad_http", "too_large"}
    limit = MAX_HEAD + MAX_FRAMING + 65_536
    assert sum(taken[:-1]) <= limit, "nothing is read beyond the piece that passed the limit"


async def test_other_submissions_go_on_beside_a_flood() -> None:
    """Counted in turns of the loop: each piece of the flood costs one, and no more."""

    async def flood(connection: Connection) -> None:
        await connection.request()
        while not connection.writer.is_closing():
            await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    async with (
        serving(flood) as hostile,
        serving(answers) as server,
        HookClient(hostile.url, total_seconds=60) as attacked,
        HookClient(server.url) as client,
    ):
        floods = [asyncio.create_task(submit(attacked)) for _ in range(5)]
        assert (await submit(client)).outcome is Outcome.ACCEPTED
        results = await asyncio.gather(*floods)
    assert {(r.outcome, r.reason) for r in results} == {(Outcome.UNKNOWN, "bad_http")}
