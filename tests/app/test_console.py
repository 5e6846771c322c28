"""The console beside a running service: its thread begins with the calls and ends with the stop."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from typing import TYPE_CHECKING

import httpx

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.app import service
from agi_bridge.observe import configure_logging
from tests.support.call_env import DID, settings, shipped_milliseconds
from tests.support.captured_log import Log
from tests.support.console_serving import NOBODY

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.hook.testing import FakeHook


class ThreadLog(Log):
    """A log that other threads write to as well."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()

    def write(self, text: str) -> int:
        self._loop.call_soon_threadsafe(self._news.set)
        return super().write(text)


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name == "console"]


async def test_a_call_is_on_its_pages_while_it_lasts_and_afterwards(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> None:
    del written
    log = ThreadLog()
    configure_logging("info", log)
    configured = settings(tmp_path, fake_hook.url, {"console": dict(NOBODY)})
    async with service.running(configured) as bridge:
        port = (await log.line("console.listening"))["port"]
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
            fake = FakeAsterisk(keys="4155550123,1", sounds=shipped_milliseconds)
            fake_hook.scenario = "slow"
            call = asyncio.create_task(fake.call("127.0.0.1", bridge.port, f"consent?to={DID}"))
            found: list[str] = []
            async with client.stream("GET", "/live") as stream, asyncio.timeout(60):
                async for line in stream.aiter_lines():
                    found = re.findall(r"/calls/([0-9a-f]{14})", line)
                    if found:
                        break
            page = (await client.get(f"/calls/{found[0]}")).text
            assert found[0] in page
            await call
            ended = (await client.get(f"/calls/{found[0]}")).text
            assert 'class="lead"' in ended
            assert f"/calls/{found[0]}" in (await client.get("/calls")).text
        assert threads() == ["console"]
    assert threads() == []


async def test_a_stop_ends_pages_that_are_open(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> None:
    del written
    log = ThreadLog()
    configure_logging("info", log)
    configured = settings(tmp_path, fake_hook.url, {"console": dict(NOBODY)})
    async with httpx.AsyncClient(trust_env=False) as client:
        async with service.running(configured):
            port = (await log.line("console.listening"))["port"]
            stream = await client.send(
                client.build_request("GET", f"http://127.0.0.1:{port}/live"), stream=True
            )
            body = stream.aiter_bytes()
            assert await anext(body)
        async with asyncio.timeout(20):
            async for _ in body:
                pass  # it ends
    assert threads() == []


async def test_a_port_that_is_taken_is_one_error_and_calls_are_taken(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> None:
    del written
    log = ThreadLog()
    configure_logging("info", log)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        console = {**NOBODY, "port": taken.getsockname()[1]}
        async with service.running(
            settings(tmp_path, fake_hook.url, {"console": console})
        ) as bridge:
            await log.line("console.not_listening")
            fake = FakeAsterisk(keys="*", sounds=shipped_milliseconds)
            call = await fake.call("127.0.0.1", bridge.port, f"consent?to={DID}")
            assert call.variables["AGI_BRIDGE_RESULT"]
    assert threads() == []


async def test_without_a_console_there_is_no_thread(tmp_path: Path, fake_hook: FakeHook) -> None:
    async with service.running(settings(tmp_path, fake_hook.url)):
        assert threads() == []
