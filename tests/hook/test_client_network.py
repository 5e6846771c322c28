"""Sent or not sent: each way a network fails, on real sockets, and what may be repeated."""

import asyncio
from pathlib import Path

import pytest

from agi_bridge.hook import HookClient, Method, Outcome, resolver
from agi_bridge.hook.resolver import Address, look_up
from tests.support.hook_servers import (
    CERTIFICATE,
    DIAL,
    Connection,
    Deadline,
    Script,
    answering,
    closed_port,
    closes,
    closes_after_the_request,
    never_answers,
    resets,
    server_tls,
    serving,
    submit,
)

# Not sent: no byte of the request can have left


async def test_a_refused_connection_is_not_sent_and_is_tried_twice() -> None:
    held, port = closed_port()
    with held:
        async with HookClient(f"http://127.0.0.1:{port}/") as client:
            result = await submit(client)
    assert (result.outcome, result.reason) == (Outcome.NOT_SENT, "connection_refused")
    assert (result.attempts, result.status, result.answer) == (2, None, None)


async def test_a_failed_name_lookup_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_such_name(*_: object, **__: object) -> list[object]:
        raise OSError("Name or service not known")

    monkeypatch.setattr(resolver, "look_up", no_such_name)
    async with HookClient("https://hooks.invalid/v1/ivr") as client:
        result = await submit(client)
    assert (result.outcome, result.reason, result.attempts) == (
        Outcome.NOT_SENT,
        "name_lookup",
        2,
    )


async def test_the_second_attempt_may_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = 0

    async def fails_once(host: str, port: int) -> list[Address]:
        nonlocal lookups
        lookups += 1
        if lookups == 1:
            raise OSError("Temporary failure in name resolution")
        return await look_up(host, port)

    monkeypatch.setattr(resolver, "look_up", fails_once)
    requests: list[bytes] = []
    async with (
        serving(answering(requests, DIAL)) as server,
        HookClient(f"http://localhost:{server.port}/") as client,
    ):
        result = await submit(client)
    assert (result.outcome, result.attempts, len(requests)) == (Outcome.ACCEPTED, 2, 1)


async def test_an_unknown_certificate_is_not_sent() -> None:
    requests: list[bytes] = []
    async with (
        serving(answering(requests, DIAL), server_tls()) as server,
        HookClient(server.url) as client,
    ):
        result = await submit(client)
    assert (result.outcome, result.reason) == (Outcome.NOT_SENT, "certificate")
    assert requests == []


async def test_a_certificate_for_another_name_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def to_loopback(_host: str, port: int) -> list[Address]:
        return await look_up("127.0.0.1", port)

    monkeypatch.setattr(resolver, "look_up", to_loopback)
    requests: list[bytes] = []
    async with (
        serving(answering(requests, DIAL), server_tls()) as server,
        HookClient(f"https://hooks.test:{server.port}/", ca_file=str(CERTIFICATE)) as client,
    ):
        result = await submit(client)
    assert (result.outcome, result.reason, requests) == (Outcome.NOT_SENT, "certificate", [])


async def plain_text(connection: Connection) -> None:
    await connection.reader.read(1)
    await connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await connection.gone()


async def leaves(connection: Connection) -> None:
    await connection.reader.read(1)


async def resets_the_handshake(connection: Connection) -> None:
    await connection.reader.read(1)
    connection.reset()


@pytest.mark.parametrize("script", [plain_text, leaves, resets_the_handshake])
async def test_a_failed_tls_handshake_is_not_sent(script: Script) -> None:
    async with serving(script) as server:
        async with HookClient(server.url.replace("http", "https")) as client:
            result = await submit(client)
        assert (result.outcome, result.attempts) == (Outcome.NOT_SENT, 2)
        assert result.reason == "tls"
        assert server.connections == 2


async def test_a_handshake_that_hangs_is_not_sent_after_the_connect_time_out() -> None:
    async with (
        serving(never_answers) as server,
        HookClient(server.url.replace("http", "https"), connect_seconds=0.05) as client,
    ):
        result = await submit(client)
    assert (result.outcome, result.reason, result.attempts) == (
        Outcome.NOT_SENT,
        "connect_timeout",
        2,
    )


async def test_a_deadline_that_falls_while_connecting_is_not_sent_and_not_tried_again() -> None:
    async with (
        serving(never_answers) as server,
        HookClient(server.url.replace("http", "https"), total_seconds=0.05) as client,
    ):
        result = await submit(client)
    assert (result.outcome, result.reason, result.attempts) == (
        Outcome.NOT_SENT,
        "connect_timeout",
        1,
    )


# Unknown: it may have been sent, so it is never sent again


async def reset_after_the_request(connection: Connection) -> None:
    await connection.request()
    connection.reset()


async def half_a_head(connection: Connection) -> None:
    await connection.request()
    await connection.send(DIAL[:20])


async def half_a_body(connection: Connection) -> None:
    await connection.request()
    await connection.send(DIAL[:-10])


async def reset_in_the_body(connection: Connection) -> None:
    await connection.request()
    await connection.send(DIAL[:-10])
    connection.reset()


async def half_a_chunk(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n<Resp")


@pytest.mark.parametrize(
    "script",
    [
        closes,
        resets,
        closes_after_the_request,
        reset_after_the_request,
        half_a_head,
        half_a_body,
        reset_in_the_body,
        half_a_chunk,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_connection_lost_after_it_was_had_is_unknown(
    script: Script, method: Method
) -> None:
    async with serving(script) as server, HookClient(server.url, method=method) as client:
        result = await submit(client)
    assert result.outcome is Outcome.UNKNOWN
    assert result.reason in {"connection_lost", "truncated"}
    assert (result.attempts, server.connections) == (1, 1)


@pytest.mark.parametrize("sent", [0, 5, 25, len(DIAL) - 10], ids=["0", "line", "head", "body"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_server_that_stops_anywhere_is_unknown_at_the_deadline(
    sent: int, method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadline = Deadline(monkeypatch)

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(DIAL[:sent])
        deadline.falls()
        await connection.gone()

    async with serving(script) as server:
        async with HookClient(server.url, method=method, total_seconds=60) as client:
            result = await submit(client)
            await server.left.wait()
        assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "timeout")
        assert (result.attempts, server.connections) == (1, 1)


@pytest.mark.parametrize(
    ("head", "drop", "status"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", None),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n", None),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" ", 200),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", 200),
    ],
    ids=["100", "102", "head", "body", "chunks"],
)
async def test_a_server_that_drips_is_unknown_at_the_deadline(
    head: bytes, drop: bytes, status: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadline = Deadline(monkeypatch)

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(head)
        for _ in range(60):
            await connection.send(drop)
            await asyncio.sleep(0.001)  # the pace of a drip, waiting for nothing
        deadline.falls()
        while not connection.writer.is_closing():
            await connection.send(drop)
            await asyncio.sleep(0.001)  # as above

    async with serving(script) as server, HookClient(server.url, total_seconds=60) as client:
        result = await submit(client)
    assert (result.outcome, result.reason, result.status) == (Outcome.UNKNOWN, "timeout", status)


# Kept connections


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_kept_connection_that_breaks_is_unknown_and_the_request_is_not_sent_again(
    method: Method,
) -> None:
    requests: list[bytes] = []

    async def script(connection: Connection) -> None:
        requests.append(await connection.request())
        await connection.send(DIAL)
        requests.append(await connection.request())

    async with (
        serving(script) as server,
        HookClient(server.url, method=method, keepalive=True) as client,
    ):
        assert (await submit(client)).outcome is Outcome.ACCEPTED
        result = await submit(client)
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "connection_lost")
    assert (len(requests), server.connections) == (2, 1)


async def test_a_kept_connection_seen_to_be_closed_is_replaced() -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(DIAL)

    async with serving(script) as server, HookClient(server.url, keepalive=True) as client:
        assert (await submit(client)).outcome is Outcome.ACCEPTED
        await server.left.wait()
        assert client._transport is not None
        (kept,) = client._transport._expiry
        while kept.usable:  # noqa: ASYNC110 - a kept connection tells nobody
            await asyncio.sleep(0)
        result = await submit(client)
    assert (result.outcome, result.attempts, server.connections) == (Outcome.ACCEPTED, 1, 2)


# Cancelled: nothing is left behind


def open_sockets() -> int:
    return sum(
        str(entry.readlink()).startswith("socket:")
        for entry in Path("/proc/self/fd").iterdir()
        if entry.is_symlink()  # the listing's own descriptor has gone by now
    )


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("sent", [None, 0, 25, len(DIAL) - 10])
async def test_a_cancelled_submission_leaves_no_task_and_no_connection(
    sent: int | None, *, tls: bool
) -> None:
    reached = asyncio.Event()

    async def script(connection: Connection) -> None:
        if sent is None:  # for https: in the handshake
            await connection.reader.read(1)
        else:
            await connection.request()
            await connection.send(DIAL[:sent])
        reached.set()
        await connection.gone()

    context = server_tls() if tls and sent is not None else None
    async with serving(script, context) as server:
        url = server.url if context or not tls else server.url.replace("http", "https")
        async with HookClient(url, ca_file=str(CERTIFICATE)) as client:
            before = asyncio.all_tasks()
            task = asyncio.create_task(submit(client))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.left.wait()
            for _ in range(3):
                await asyncio.sleep(0)
            assert asyncio.all_tasks() == before


async def test_a_name_lookup_outlives_its_submission_but_not_the_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = asyncio.Event()

    async def hangs(*_: object, **__: object) -> list[object]:
        asked.set()
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(resolver, "look_up", hangs)
    before = asyncio.all_tasks()
    async with HookClient("https://hooks.invalid/") as client:
        task = asyncio.create_task(submit(client))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks() - before) == 1  # the look-up, shared by all submissions
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_name_lookup_that_hangs_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(*_: object, **__: object) -> list[object]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(resolver, "look_up", hangs)
    async with HookClient("https://hooks.invalid/", connect_seconds=0.02) as client:
        result = await submit(client)
    assert (result.outcome, result.reason, result.attempts) == (
        Outcome.NOT_SENT,
        "connect_timeout",
        2,
    )


async def test_hundreds_of_failures_leave_no_socket() -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        connection.reset()

    async with serving(script) as server, HookClient(server.url) as client:
        await submit(client)
        before = open_sockets()
        for _ in range(10):
            await asyncio.gather(*(submit(client) for _ in range(20)))
        assert server.connections == 201
    assert open_sockets() <= before
