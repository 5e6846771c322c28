"""The console beside a running service: its thread begins with the calls and ends with the stop."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from typing import TYPE_CHECKING

import httpx

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.app import background, service
from agi_bridge.app import console as app_console
from agi_bridge.app.history import number_tag
from agi_bridge.console import ConsoleServer
from agi_bridge.history import NumberKey, key_file
from agi_bridge.observe import configure_logging
from agi_bridge.status import KINDS
from tests.support.call_env import DID, settings, shipped_milliseconds
from tests.support.captured_log import Log
from tests.support.console_serving import NOBODY
from tests.support.history_calls import CALLER, NUMBER

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from agi_bridge.hook.testing import FakeHook
    from agi_bridge.status import Status


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
            refused = await log.line("console.not_listening")
            await until_problem(bridge.status, refused["reason"])
            document = bridge.status.document()
            assert document["console"] == {"problem": refused["reason"]}
            assert (document["level"], document["checks"]["console"]) == ("degraded", "down")
            assert "ConsoleDown" in {each["kind"] for each in document["problems"]}
            assert "agi_bridge_console_down 1\n" in bridge.status.metrics_text()
            fake = FakeAsterisk(keys="*", sounds=shipped_milliseconds)
            call = await fake.call("127.0.0.1", bridge.port, f"consent?to={DID}")
            assert call.variables["AGI_BRIDGE_RESULT"]
    assert threads() == []


async def test_without_a_console_there_is_no_thread(tmp_path: Path, fake_hook: FakeHook) -> None:
    async with service.running(settings(tmp_path, fake_hook.url)):
        assert threads() == []


async def test_a_console_that_ends_is_named_until_it_listens_again(
    tmp_path: Path, fake_hook: FakeHook, written: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    del written
    log = ThreadLog()
    configure_logging("info", log)
    monkeypatch.setattr(background, "CHORE_SECONDS", 0.2)
    run, runs = ConsoleServer.run, iter((ends_at_once, ends_at_once))

    async def run_at_last(server: ConsoleServer) -> None:
        await next(runs, run)(server)

    monkeypatch.setattr(ConsoleServer, "run", run_at_last)
    configured = settings(tmp_path, fake_hook.url, {"console": dict(NOBODY)})
    async with service.running(configured) as bridge:
        await log.line("console.failed")
        await until_problem(bridge.status, app_console.ENDED)
        assert KINDS["ConsoleDown"] in bridge.status.problems()
        await log.line("console.listening")
        await until_problem(bridge.status, None)
        assert bridge.status.readiness().checks["console"] == "ok"


async def until_problem(status: Status, problem: str | None) -> None:
    """Wait for what the console's thread says to this loop, or its end does."""
    async with asyncio.timeout(20):
        while status.state.console_problem != problem:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0)


async def ends_at_once(_: ConsoleServer) -> None:
    raise RuntimeError


def test_a_number_has_one_key_and_another_number_another(tmp_path: Path) -> None:
    configured = settings(tmp_path)
    assert number_tag(configured, NUMBER) == ""
    NumberKey.load(key_file(configured.state_dir), create=True)
    first = number_tag(configured, NUMBER)
    assert len(first) == 16
    assert first == number_tag(configured, NUMBER) != number_tag(configured, CALLER)
    assert NUMBER[2:] not in first
