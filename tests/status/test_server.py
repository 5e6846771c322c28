"""The listener over a real socket: who may read what, and that callers never wait for it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import pytest
from structlog.testing import capture_logs

from agi_bridge import net
from agi_bridge.settings import Secret, StatusSettings
from agi_bridge.status import StatusServer, server
from tests.support.statuses import Pretended

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKEN = "3f1c9e0a7b5d4826"


@asynccontextmanager
async def listening(service: Pretended, **given: object) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running status listener."""
    settings = StatusSettings.model_validate({"port": 0, **given})
    if settings.token is not None:
        settings.token.load({"STATUS": TOKEN})
    shown = StatusServer(settings, service.status)
    task = asyncio.create_task(shown.run())
    try:
        async with asyncio.timeout(10):
            await shown.listening.wait()
        base = f"http://127.0.0.1:{shown.port}"
        async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
            yield client
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_health_readiness_and_metrics() -> None:
    service = Pretended()
    async with listening(service) as client:
        assert (await client.get("/healthz")).text == "ok\n"
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        metrics = await client.get("/metrics")
        assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert metrics.text == service.status.metrics_text()


async def test_readiness_is_503_only_where_a_caller_would_gain_nothing() -> None:
    service = Pretended(hook_open=True)
    async with listening(service) as client:
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/readyz")).json()["status"] == "degraded"
        service.state.draining = True
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": b"Bearer \xff\xfe"}, 401),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"Authorization": f"bearer  {TOKEN}"}, 200),
    ],
)
async def test_a_token_guards_the_metrics_alone(header: dict[str, str], status: int) -> None:
    async with listening(Pretended(), token={"env": "STATUS"}) as client:
        answer = await client.get("/metrics", headers=header)
        assert answer.status_code == status
        assert ("agi_bridge_" in answer.text) is (status == 200)
        assert TOKEN not in answer.text
        assert (await client.get("/readyz")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/metrics/", "/metrics/../../etc/passwd", "/v1/revocations"])
async def test_there_is_nothing_else(path: str) -> None:
    async with listening(Pretended()) as client:
        assert (await client.get(path)).status_code == 404
        assert (await client.post("/metrics")).status_code == 405


async def test_a_port_that_is_taken_is_one_error_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(net, "RETRY_SECONDS", 0.0)
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    shown = StatusServer(StatusSettings(port=port), Pretended().status)
    loop, tried_again = asyncio.get_running_loop(), asyncio.Event()
    tries: list[int] = []

    def counted(host: str, port: int, name: str) -> list[socket.socket]:
        tries.append(port)
        if len(tries) > 2:
            loop.call_soon_threadsafe(tried_again.set)
        return net.bind(host, port, name)

    monkeypatch.setattr(server, "bind", counted)
    with capture_logs() as logs:
        task = asyncio.create_task(shown.run())
        async with asyncio.timeout(10):
            await tried_again.wait()
            taken.close()
            await shown.listening.wait()
        task.cancel()
        await asyncio.wait({task})
    assert [line["event"] for line in logs] == ["status.not_listening", "status.listening"]
    assert shown.port is None


def test_the_token_is_named_and_not_written_down() -> None:
    assert StatusSettings().secret() is None
    settings = StatusSettings.model_validate({"token": {"env": "STATUS"}})
    assert isinstance(settings.token, Secret)


HALF = b"GET /metrics HTTP/1.1\r\nHost: a"
HUNGRY = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 200


@pytest.mark.parametrize("sent", [b"", HALF, HUNGRY, b"\0" * 5000], ids=["", "half", "hungry", "0"])
async def test_strangers_who_hold_every_place_do_not_keep_an_administrator_out(
    sent: bytes,
) -> None:
    async with listening(Pretended()) as client:
        port = client.base_url.port
        loop = asyncio.get_running_loop()
        strangers = []
        try:
            for _ in range(3 * server.MAX_CONNECTIONS):
                stranger = socket.socket()
                strangers.append(stranger)
                stranger.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)  # reads nothing
                stranger.setblocking(False)  # noqa: FBT003 - positional only
                await loop.sock_connect(stranger, ("127.0.0.1", port))
                with suppress(OSError):
                    stranger.send(sent)
            assert (await client.get("/readyz")).status_code == 200
            assert (await client.get("/metrics")).status_code == 200
        finally:
            for stranger in strangers:
                stranger.close()
