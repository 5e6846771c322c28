"""A reload: what it puts in force, for whom, and what a refused one leaves as it was."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.app import service
from agi_bridge.control_client import ControlError, ask
from agi_bridge.settings import Settings
from agi_bridge.speech import SHIPPED
from tests.support.call_env import DID, KEY, shipped_milliseconds, toml

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.agi.testing import CallRecord
    from agi_bridge.app.service import Service
    from agi_bridge.hook.testing import FakeHook
    from tests.support.captured_log import Log

KEYED = "4155550123"


class Bridge:
    """A running service and its file."""

    def __init__(self, folder: Path, hook: str) -> None:
        self.folder = folder
        self.hook = hook
        self.file = folder / "agi-bridge.toml"
        self.state_dir = folder / "state"
        self.service: Service

    def write(self, tables: dict[str, Any] | None = None, **line: Any) -> None:
        self.file.write_text(toml(self.state_dir, self.hook, tables, **line))

    def load(self) -> Settings:
        return Settings.load(self.file, {"SHOP_KEY": KEY})

    async def reload(self) -> dict[str, Any]:
        """Reload as `agi-bridge reload` does."""
        return await asyncio.to_thread(partial(ask, self.state_dir, "reload", seconds=20))

    async def call(self, keys: str = "*", **pbx: Any) -> CallRecord:
        pbx.setdefault("sounds", shipped_milliseconds)
        fake = FakeAsterisk(keys=keys, **pbx)
        return await fake.call("127.0.0.1", self.service.port, f"consent?to={DID}")


@pytest.fixture
async def bridge(tmp_path: Path, fake_hook: FakeHook, written: Log) -> AsyncIterator[Bridge]:
    del written
    made = Bridge(tmp_path, fake_hook.url)
    made.write()
    async with running(made):
        yield made


@asynccontextmanager
async def running(made: Bridge) -> AsyncIterator[None]:
    async with service.running(made.load(), load=made.load) as made.service:
        yield


def rang(call: CallRecord) -> str:
    return call.variables["AGI_BRIDGE_RING"]


async def test_new_calls_see_the_new_configuration(bridge: Bridge) -> None:
    assert rang(await bridge.call()) == "30"
    bridge.write(ring_seconds=21)
    answer = await bridge.reload()
    assert (answer["outcome"], answer["lines"], answer["restart"]) == ("applied", 1, [])
    assert answer["config"] == bridge.load().sha256
    assert rang(await bridge.call()) == "21"
    assert bridge.service.state.stale is None
    assert bridge.service.current.retired == 0


async def test_a_call_in_progress_keeps_what_it_began_with(
    bridge: Bridge, fake_hook: FakeHook
) -> None:
    fake_hook.scenario = "slow"
    caller = asyncio.create_task(bridge.call(f"{KEYED},1", dial="BUSY"))
    await fake_hook.received()
    bridge.write(default={"kind": "dial", "destination": "PJSIP/200"})
    assert (await bridge.reload())["outcome"] == "applied"
    assert bridge.service.current.retired == 1
    fake_hook.hold.set()
    dialled = [each.destination for each in (await caller).dialled]
    assert dialled[-1] == "PJSIP/100"
    assert [each.destination for each in (await bridge.call()).dialled] == ["PJSIP/200"]
    assert bridge.service.current.retired == 0


async def test_a_line_comes_and_goes(bridge: Bridge) -> None:
    bridge.write(did=["+14155550112"], business_number="+14155550112")
    await bridge.reload()
    assert (await bridge.call()).variables == {}  # the number is nobody's now
    bridge.write()
    await bridge.reload()
    assert rang(await bridge.call()) == "30"


@pytest.mark.parametrize(
    ("text", "invalid"),
    [
        ("not toml", True),
        ("", True),
        ("nonsense = 1\n", True),
    ],
)
async def test_a_wrong_configuration_changes_nothing_and_is_seen(
    bridge: Bridge, written: Log, text: str, *, invalid: bool
) -> None:
    before = bridge.service.current.services
    bridge.file.write_text(text)
    answer = await bridge.reload()
    assert (answer["outcome"], answer["invalid"]) == ("refused", invalid)
    assert answer["faults"]
    assert bridge.service.current.services is before
    assert bridge.service.state.stale
    assert bridge.service.metrics.config_reloads.values["refused",] == 1
    assert "not in force" in bridge.service.headline()
    assert (await written.line("config.refused"))["level"] == "error"
    assert rang(await bridge.call()) == "30"


async def test_the_configuration_mended_is_in_force_and_no_longer_stale(bridge: Bridge) -> None:
    bridge.file.write_text("nonsense")
    await bridge.reload()
    bridge.write(ring_seconds=21)
    assert (await bridge.reload())["outcome"] == "applied"
    assert bridge.service.state.stale is None
    assert rang(await bridge.call()) == "21"


async def test_something_that_cannot_be_used_is_refused_as_well(bridge: Bridge) -> None:
    engine = {"kind": "kokoro", "voices_at": str(bridge.folder / "gone")}
    bridge.write({"speech": {"engines": [engine]}})
    answer = await bridge.reload()
    assert answer["outcome"] == "refused"
    assert rang(await bridge.call()) == "30"


async def test_no_refusal_contains_a_number(bridge: Bridge, written: Log) -> None:
    bridge.write(default={"kind": "dial", "destination": "+14155550177"}, dial_template="x")
    answer = await bridge.reload()
    everything = f"{answer} {bridge.service.state.stale} {written.getvalue()}"
    assert answer["outcome"] == "refused"
    assert "4155550177" not in everything


async def test_what_holds_until_a_restart_is_named_and_the_rest_applied(bridge: Bridge) -> None:
    port = bridge.service.port
    bridge.write({"agi": {"port": 4999, "max_calls": 1}}, ring_seconds=21)
    answer = await bridge.reload()
    assert (answer["outcome"], answer["restart"]) == ("applied", ["agi.port"])
    assert answer["read_at_start"] == ["lines.shop.hook_key"]
    assert bridge.service.port == port
    assert bridge.service.state.stale == "agi.port: needs a restart"
    assert rang(await bridge.call()) == "21"
    assert bridge.service.server._limits.max_calls == 1


async def test_recordings_are_read_again_although_the_configuration_is_the_same(
    bridge: Bridge,
) -> None:
    folder = bridge.state_dir / "speech" / "lines" / "shop" / "en"
    folder.mkdir(parents=True)
    shutil.copyfile(SHIPPED / "en" / "goodbye.wav", folder / "disclosure.wav")
    (folder / "disclosure.txt").write_text("Goodbye.", encoding="utf-8")
    assert (await bridge.reload())["outcome"] == "unchanged"
    made = await bridge.call()
    assert str(folder / "disclosure") in made.played


async def test_revocations_follow_the_new_tokens(
    tmp_path: Path, fake_hook: FakeHook, written: Log, unused_tcp_port: int
) -> None:
    del written
    made = Bridge(tmp_path, fake_hook.url)
    token = tmp_path / "token"
    web = {"port": unused_tcp_port, "token": {"file": str(token)}}
    token.write_text("one")
    made.write({"web": web})
    url = f"http://127.0.0.1:{unused_tcp_port}/v1/revocations"
    async with running(made), httpx.AsyncClient(trust_env=False) as client:
        assert await status(client, url, "one") == 422
        token.write_text("two")
        assert (await made.reload())["restart"] == []
        assert await status(client, url, "two") == 422
        assert await status(client, url, "one") == 401


async def status(client: httpx.AsyncClient, url: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return (await client.post(url, json={}, headers=headers)).status_code


async def test_requests_that_wait_share_one_reload(bridge: Bridge) -> None:
    results = await asyncio.gather(*(bridge.service.reloader.reload() for _ in range(200)))
    assert {result.outcome for result in results} == {"unchanged"}
    assert bridge.service.metrics.config_reloads.values["unchanged",] <= 2


async def test_a_service_that_stops_reloads_no_more(bridge: Bridge) -> None:
    await bridge.service.drain()
    with pytest.raises(ControlError) as caught:
        await bridge.reload()
    assert caught.value.code == "draining"


async def test_what_is_to_be_sent_again_is_sent_with_the_new_hook(
    bridge: Bridge, fake_hook: FakeHook
) -> None:
    before = bridge.service.current.services
    bridge.write({"hook": {"context": "after"}})
    await bridge.reload()
    now = bridge.service.current.services
    assert now is not before
    assert now.resubmission_due is before.resubmission_due
    assert now.deferred_outcomes is before.deferred_outcomes
    assert now.dialled_calls is before.dialled_calls
    assert now.ledger is before.ledger
    fake_hook.scenario = "dial"
    await bridge.call(f"{KEYED},1")
    assert fake_hook.requests[-1].context == "after"


async def test_an_outage_of_the_hook_outlasts_a_reload_that_leaves_the_hook_as_it_is(
    bridge: Bridge, fake_hook: FakeHook
) -> None:
    bridge.write({"hook": {"breaker_failures": 1}})
    await bridge.reload()
    fake_hook.scenario = "500"
    await bridge.call(f"{KEYED},1")
    down = [kind.name for kind in bridge.service.status.problems()]
    assert "HookDown" in down
    bridge.write({"hook": {"breaker_failures": 1}}, ring_seconds=21)
    assert (await bridge.reload())["outcome"] == "applied"
    assert "HookDown" in [kind.name for kind in bridge.service.status.problems()]
    asked = len(fake_hook.requests)
    await bridge.call(f"{KEYED},1")
    assert len(fake_hook.requests) == asked  # the caller did not wait for it
    bridge.write({"hook": {"breaker_failures": 1, "context": "after"}})
    await bridge.reload()
    assert "HookDown" not in [kind.name for kind in bridge.service.status.problems()]
