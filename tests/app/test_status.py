"""The status of a whole service: command, listener, dialplan and metrics agree on its calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.app import service
from agi_bridge.control_client import ask
from agi_bridge.hook.testing import FakeHook
from tests.support.call_env import DID, settings, shipped_milliseconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.agi.testing import CallRecord
    from agi_bridge.app.service import Service

FORWARD = "+14155550199"
NUMBERS = ("4155550123", "14155550100", "14155550111", "14155550199")


@pytest.fixture
async def fake_hook() -> AsyncIterator[FakeHook]:
    async with FakeHook(forward=FORWARD) as running:
        yield running


async def call(server: Service, keys: str, path: str = f"consent?to={DID}") -> CallRecord:
    fake = FakeAsterisk(keys=keys, caller_id="14155550100", sounds=shipped_milliseconds)
    return await fake.call("127.0.0.1", server.port, path)


def listening(logs: list[Any]) -> list[int]:
    """The ports of status listeners that the log names."""
    return [log["port"] for log in logs if log["event"] == "status.listening"]


async def scrape(client: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    """The samples of a scrape that are not 0, by name and label values."""
    text = (await client.get("/metrics")).text
    assert [number for number in NUMBERS if number in text] == []
    return {
        (sample.name.removeprefix("agi_bridge_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.value
    }


async def test_a_call_is_seen_by_everybody_who_asks(tmp_path: Path, fake_hook: FakeHook) -> None:
    configured = settings(tmp_path, fake_hook.url)
    with capture_logs() as logs:
        async with service.running(configured) as server:
            async with asyncio.timeout(10):
                while not (ports := listening(logs)):  # noqa: ASYNC110 - the log has no event
                    await asyncio.sleep(0.01)
            base = f"http://127.0.0.1:{ports[0]}"
            async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
                before = await client.get("/readyz")
                assert (before.status_code, before.json()["status"]) == (200, "ready")
                health = await call(server, "", "health")
                assert health.variables == {"AGI_BRIDGE_HEALTH": "ready"}
                await call(server, "4155550123,1")
                await call(server, "*")
                await call(server, "", "consent?to=9")
                document: dict[str, Any] = await asyncio.to_thread(ask, tmp_path, "status")
                seen = await scrape(client)
    assert document["calls"]["last_hour"] == {"done": 2, "none": 1}
    assert document["calls"]["since_start"] == 3
    assert document["hook"]["last_success_at"] is not None
    assert document["waiting"] == {
        "unsent": 0,
        "for_person": {"consent": 0, "returned": 0, "revocation": 0, "message": 0},
    }
    assert document["ledger"]["free_bytes"] > 0
    assert seen["calls_total", "shop", "done"] == 2
    assert seen["calls_refused_total", "no_line"] == 1
    assert seen["consents_total", "shop", "accepted"] == 1
    assert seen["consents_total", "shop", "declined"] == 1
    assert seen["hook_requests_total", "accepted", "200"] == 1
    assert seen["dials_total", "shop", "forward", "ANSWER"] == 1
    assert seen["dials_total", "shop", "default", "ANSWER"] == 1
    assert seen["ledger_append_seconds_count",] >= 2
    assert seen["ready",] == 1
    assert "ledger_errors_total" not in {name for name, *_ in seen}


async def test_a_listener_that_is_off_leaves_command_and_calls(
    tmp_path: Path, fake_hook: FakeHook
) -> None:
    configured = settings(tmp_path, fake_hook.url, {"status": {"enabled": False}})
    with capture_logs() as logs:
        async with service.running(configured) as server:
            await call(server, "*")
            document = await asyncio.to_thread(ask, tmp_path, "status")
    assert document["calls"]["since_start"] == 1
    assert [log for log in logs if log["event"].startswith("status.")] == []


async def test_calls_that_a_stop_did_not_wait_for_are_seen_in_the_next_process(
    tmp_path: Path, fake_hook: FakeHook
) -> None:
    fake_hook.scenario = "slow"
    configured = settings(tmp_path, fake_hook.url)
    async with service.running(configured) as running:
        caller = asyncio.create_task(call(running, "4155550123,1"))
        await fake_hook.received()
        await running.count_forced(running.calls)
        await running.count_forced(running.calls)  # a second signal counts nobody twice
    fake_hook.hold.set()
    await caller
    for _ in range(2):  # a restart of that one is no new stop that did not wait
        with capture_logs() as logs:
            async with service.running(configured) as after, httpx.AsyncClient() as client:
                client.base_url = httpx.URL(f"http://127.0.0.1:{await port_of_status(logs)}")
                assert (await scrape(client))[("drain_forced_total",)] == 1
                document = ask_status(after)
                assert "DrainForced" in [each["kind"] for each in document["problems"]]


async def test_a_damaged_count_of_forced_calls_is_logged_and_holds_up_nothing(
    tmp_path: Path,
) -> None:
    configured = settings(tmp_path)
    configured.state_dir.mkdir(exist_ok=True)
    (configured.state_dir / "forced-calls.json").write_text("nonsense", encoding="ascii")
    with capture_logs() as logs:
        async with service.running(configured) as running:
            await running.count_forced(2)
    assert [log["reason"] for log in logs if log["event"] == "service.drain_forced_not_kept"] == [
        "not as it was written",
        "not as it was written",
    ]
    async with service.running(configured) as after:
        assert after.metrics.forced_calls.total() == 2


async def port_of_status(logs: list[Any]) -> int:
    """The port of the status listener, once it listens."""
    async with asyncio.timeout(30):
        while not listening(logs):  # noqa: ASYNC110 - the log has no event
            await asyncio.sleep(0.01)
    return listening(logs)[0]


def ask_status(running: Service) -> dict[str, Any]:
    """The document as the control socket gives it."""
    document: dict[str, Any] = running.control["status"](None)  # type: ignore[arg-type, assignment]  # it looks at no request
    return document
