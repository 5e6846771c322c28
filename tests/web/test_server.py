"""The listener: it begins, ends, and leaves the process alone."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from agi_bridge.web import REVOCATIONS, WebServer
from tests.support.web_serving import NUMBER, TOKEN, KeptRevocations, serving, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.consent import Revocation, RevocationResult
    from agi_bridge.settings import Settings


async def test_without_a_token_it_does_not_listen(tmp_path: Path, ledger: KeptRevocations) -> None:
    async with WebServer(settings(tmp_path, ""), ledger) as web:
        assert web.port is None


async def test_who_connects_at_once_is_served_and_later_refused(
    tmp_path: Path, ledger: KeptRevocations
) -> None:
    async with WebServer(settings(tmp_path), ledger) as web:
        port = web.port
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await writer.wait_closed()
    assert web.port is None
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_an_address_in_use_is_an_oserror(tmp_path: Path, ledger: KeptRevocations) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        lines = settings(tmp_path, 'token = {env = "WEB"}\n').model_copy()
        web = lines.web.model_copy(update={"port": taken.getsockname()[1]})
        with pytest.raises(OSError, match=rf"web: 127.0.0.1 port {web.port}: .* in use"):
            await WebServer(lines.model_copy(update={"web": web}), ledger).__aenter__()


async def test_signals_stay_with_the_service(tmp_path: Path, ledger: KeptRevocations) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    async with serving(settings(tmp_path), ledger) as client:
        await client.post(REVOCATIONS, json={"number": NUMBER})
        assert before == {number: signal.getsignal(number) for number in before}


async def test_the_answer_does_not_say_what_serves_it(
    tmp_path: Path, ledger: KeptRevocations
) -> None:
    async with serving(settings(tmp_path), ledger) as client:
        response = await client.post(REVOCATIONS, json={"number": NUMBER})
    assert "server" not in response.headers


class SlowLedger(KeptRevocations):
    """A ledger that takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def revoke(self, request: Revocation) -> RevocationResult:
        self.asked.set()
        await self.go.wait()
        return await super().revoke(request)


@asynccontextmanager
async def closed_in_mid_request(
    configured: Settings, ledger: SlowLedger
) -> AsyncIterator[tuple[asyncio.Task[httpx.Response], asyncio.Task[None]]]:
    """A request that the ledger has not answered, and the web closing meanwhile."""
    web = WebServer(configured, ledger)
    await web.__aenter__()
    url = f"http://127.0.0.1:{web.port}{REVOCATIONS}"
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        asking = asyncio.create_task(client.post(url, json={"number": NUMBER}, headers=headers))
        await ledger.asked.wait()
        closing = asyncio.create_task(web.__aexit__(None, None, None))
        await asyncio.sleep(0)  # it has begun
        yield asking, closing


async def test_a_request_in_progress_may_end_when_the_web_is_closed(tmp_path: Path) -> None:
    ledger = SlowLedger()
    async with closed_in_mid_request(settings(tmp_path), ledger) as (asking, closing):
        ledger.go.set()
        assert (await asking).status_code == 201
        await closing
    assert len(ledger.revoked) == 1


async def test_a_closing_that_is_cancelled_waits_for_no_request(tmp_path: Path) -> None:
    ledger = SlowLedger()
    async with closed_in_mid_request(settings(tmp_path), ledger) as (asking, closing):
        closing.cancel()
        await asyncio.wait({closing})
        assert closing.cancelled()
        ledger.go.set()
        await asyncio.wait({asking})
