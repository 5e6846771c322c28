"""Posting to receivers that are slow, endless, elsewhere, broken or not who they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.hook import HookClosedError, HookConfigError, Posted, Poster
from tests.support.error_codes import coded
from tests.support.hook_servers import (
    CERTIFICATE,
    Connection,
    answering,
    closed_port,
    http,
    server_tls,
    serving,
)

if TYPE_CHECKING:
    from tests.support.hook_servers import Script

BODY = b'{"data":{"number":"+14155550123"}}'
PATIENT = 60.0


async def posted(script: Script, seconds: float = PATIENT) -> tuple[Posted, int]:
    """What a receiver's answer comes to, and how often it was asked."""
    async with (
        serving(script) as server,
        Poster(server.url, connect_seconds=PATIENT, total_seconds=seconds) as poster,
    ):
        result = await poster.post(BODY, {"webhook-id": "a"})
    assert "14155550123" not in str(result)
    return result, server.connections


def says(response: bytes) -> Script:
    """The script that answers one request."""

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(response)

    return script


def repeats(head: bytes, piece: bytes) -> Script:
    """The script that never ends its answer."""

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(head)
        while True:
            await connection.send(piece)

    return script


async def test_the_body_is_posted_as_it_is_and_the_address_holds_nothing_of_it() -> None:
    requests: list[bytes] = []
    script = answering(requests, http("204 No Content"))
    async with serving(script) as server, Poster(server.url) as poster:
        assert await poster.post(BODY, {"webhook-id": "a"}) == Posted(204, "answered")
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert body == BODY
    assert b"14155550123" not in head
    assert b"webhook-id: a" in head


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Redirect", "308 Redirect"])
async def test_a_redirect_is_an_answer_and_not_followed(status: str) -> None:
    result, connections = await posted(says(http(status, b"", "Location: http://127.0.0.1/x")))
    assert (result.status, connections) == (int(status[:3]), 1)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
    ],
)
async def test_an_endless_body_is_not_read(head: bytes) -> None:
    result, connections = await posted(repeats(head, b"400\r\n" + b"x" * 1024 + b"\r\n"))
    assert (result.status, connections) == (200, 1)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Filler: " + b"x" * 1024 + b"\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"\r\n" * 512),
        (b"HTTP/1.1 410 ", b"O" * 1024),
    ],
)
async def test_a_head_without_end_is_cut_off_and_answers_nothing(head: bytes, piece: bytes) -> None:
    result, connections = await posted(repeats(head, piece))
    assert result.status is None
    assert result.reason in {"bad_http", "too_large"}
    assert connections == 1


@pytest.mark.parametrize("response", [b"", b"HTTP/1.1 200 OK\r\nX: "])
async def test_a_receiver_that_does_not_go_on_is_left_at_the_deadline(response: bytes) -> None:
    async def stops(connection: Connection) -> None:
        await connection.request()
        await connection.send(response)
        await connection.gone()

    assert (await posted(stops, 0.3))[0] == Posted(None, "timeout")


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (b"", "connection_lost"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "bad_http"),
        (b"<html>200 OK</html>\r\n\r\n", "bad_http"),
    ],
)
async def test_what_is_no_answer_is_named(response: bytes, reason: str) -> None:
    assert (await posted(says(response)))[0] == Posted(None, reason)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Fri, 31 Dec 2027 23:59:59 GMT", None),
        ("-1", None),
        ("1e9", None),
        ("9" * 400, None),
        ("", None),
    ],
)
async def test_a_receiver_asks_for_time_in_seconds(value: str, seconds: float | None) -> None:
    response = http("503 Service Unavailable", b"", f"Retry-After: {value}")
    assert (await posted(says(response)))[0] == Posted(503, "answered", seconds)


async def test_a_certificate_that_nobody_vouches_for_gets_no_body() -> None:
    requests: list[bytes] = []
    script = answering(requests, http("200 OK"))
    async with serving(script, server_tls()) as server:
        async with Poster(server.url, connect_seconds=PATIENT, total_seconds=PATIENT) as poster:
            assert await poster.post(BODY, {}) == Posted(None, "certificate")
        assert requests == []
        async with Poster(server.url, ca_file=str(CERTIFICATE)) as trusting:
            assert (await trusting.post(BODY, {})).status == 200


async def test_a_receiver_that_speaks_no_tls_gets_no_body() -> None:
    received: list[bytes] = []

    async def plain(connection: Connection) -> None:
        received.append(await connection.reader.read(65_536))
        await connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(plain) as server:
        url = server.url.replace("http:", "https:")
        async with Poster(url, connect_seconds=PATIENT, total_seconds=PATIENT) as poster:
            result = await poster.post(BODY, {})
    assert (result.status, result.reason) == (None, "tls")
    assert BODY not in b"".join(received)


async def test_nobody_listens() -> None:
    held, port = closed_port()
    with held:
        async with Poster(f"http://127.0.0.1:{port}/") as poster:
            assert await poster.post(BODY, {}) == Posted(None, "connection_refused")


def test_an_address_that_would_show_the_body_on_the_way_is_refused() -> None:
    with pytest.raises(HookConfigError, check=coded("url_unencrypted")) as refused:
        Poster("http://crm.example.com/secret-path")
    assert "secret-path" not in str(refused.value)


async def test_a_poster_that_is_not_open_posts_nothing() -> None:
    with pytest.raises(HookClosedError, check=coded("not_open")):
        await Poster("http://127.0.0.1:1/").post(BODY, {})
