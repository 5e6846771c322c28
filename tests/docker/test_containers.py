"""Bridge and PBX in containers: whole calls as the profiles place them, kills, stops, alerts."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from agi_bridge.lab.sip.phone import SipPhone
from tests.docker.conftest import HOST
from tests.support.docker_engine import ROOT
from tests.support.heard import hears
from tests.support.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.lab.sip.call import Call
    from tests.docker.conftest import Containers
    from tests.support.docker_engine import DockerEngine

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

PBX: Final = ("172.30.45.11", 5060)
SECRETS: Final = ROOT / "docker" / "secrets"
BRIDGE: Final = "agi-bridge-bridge-1"
NUMBER: Final = "4155550123"
WATCHES: Final = "172.30.45.20"
WATCH: Final = """
  prometheus:
    networks: {{calls: {{ipv4_address: 172.30.45.20}}}}
    volumes: ["{folder}/prometheus.yml:/etc/prometheus/prometheus.yml:ro"]
"""
"""The same Prometheus, which looks every second and has an address that the test knows."""


def secret(name: str) -> str:
    return (SECRETS / name).read_text(encoding="ascii")


@asynccontextmanager
async def phones() -> AsyncIterator[tuple[SipPhone, SipPhone, SipPhone]]:
    """The customer's telephone, the shop's, and the far end of the trunk."""
    async with (
        SipPhone(user="softphone", password=secret("softphone_password"), server=PBX, host=HOST)
        as customer,
        SipPhone(user="100", password=secret("shop_password"), server=PBX, host=HOST) as shop,
        SipPhone(user="trunk", host=HOST, port=5062) as far,
    ):  # fmt: skip
        await customer.register()
        await shop.register()
        yield customer, shop, far


async def dialogue(containers: Containers, customer: SipPhone, *, agree: bool) -> Call:
    """Call, and come as far as the number; or agree."""
    prompts = containers.prompts / "en"
    call = await customer.dial("+14155550111", caller_id="+14155550100")
    await call.answered()
    await hears(call, prompts / "enter-number.wav", 200, within=40)
    await call.press(NUMBER)
    if agree:
        await answer(containers, call)
    return call


async def answer(containers: Containers, call: Call) -> None:
    await hears(call, containers.prompts / "en" / "confirm-number.wav", 200, within=40)
    await asyncio.sleep(1.1)  # in the question's first second no digit is an answer
    await call.press("1")


def states(containers: Containers, service: str = "bridge") -> list[str]:
    listed = json.loads(containers.bridge("consents", "list", "--json", service=service))
    return [record["state"] for record in listed]


def test_the_images_run_as_nobody_and_hold_no_secret(engine: DockerEngine) -> None:
    words = [secret(path.name) for path in SECRETS.iterdir() if "." not in path.name]
    for image, user in (("agi-bridge", "10001:10001"), ("agi-bridge-pbx", "10002:10002")):
        inspected = engine.inspect(image)
        assert inspected["Config"]["User"] == user
        described = json.dumps(inspected) + engine.docker("history", "--no-trunc", image)
        assert [word for word in words if word in described] == []
        files = engine.docker(
            "run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c",
            "grep -rlsE -e " + "'" + "|".join(words) + "' /etc /opt /home /root || true",
        )  # fmt: skip
        assert files == ""
    health = engine.inspect("agi-bridge")["Config"]["Healthcheck"]["Test"]
    assert health == ["CMD", "agi-bridge", "health"]


def test_the_image_for_sqlite_has_neither_postgresql_nor_what_built_it(
    engine: DockerEngine,
) -> None:
    script = "ls /opt/agi-bridge/lib/python3*/site-packages; command -v gcc curl pip psql || true"
    found = engine.docker(
        "run", "--rm", "--network", "none", "--entrypoint", "sh", "agi-bridge", "-c", script
    )
    assert "agi_bridge" in found
    for unwanted in ("psycopg", "/gcc", "/curl", "/pip", "/psql"):
        assert unwanted not in found


async def test_one_whole_call_as_the_profile_places_it(containers: Containers) -> None:
    await asyncio.to_thread(containers.up, short=False)
    output = await asyncio.to_thread(
        containers.compose, "--profile", "call", "run", "--rm", "--use-aliases", "caller"
    )
    assert output.rstrip().endswith("worked")
    assert states(containers) == ["accepted"]
    status = json.loads(containers.bridge("status", "--json"))
    assert status["level"] == "ready"
    assert status["calls"]["last_hour"] == {"done": 1}
    inspected = containers.engine.inspect(BRIDGE)
    assert inspected["HostConfig"]["ReadonlyRootfs"] is True
    assert inspected["HostConfig"]["CapDrop"] == ["ALL"]
    assert inspected["State"]["Health"]["Status"] == "healthy"
    for word in (secret("hook_key"), secret("agi_token")):
        assert word not in json.dumps(inspected)
        assert word not in log(containers)


async def test_a_bridge_killed_in_mid_call_loses_no_consent_and_no_caller(
    containers: Containers,
) -> None:
    await asyncio.to_thread(containers.up, "slow")
    async with phones() as (customer, shop, _):
        call = await dialogue(containers, customer, agree=True)
        async with asyncio.timeout(20):
            while await asyncio.to_thread(states, containers) != ["submitting"]:
                pass  # asking takes long enough to be no busy loop
        await asyncio.to_thread(containers.engine.docker, "kill", BRIDGE)
        rings = await shop.next_call(30)
        await rings.answered()
        await rings.hang_up()
        await call.ended()
    await asyncio.to_thread(containers.up, "slow")
    assert states(containers) == ["unknown"]
    assert containers.verdicts() == {"anchored": "holds", "completeness": "holds"}


async def test_a_bridge_stopped_in_mid_dialogue_lets_it_end(containers: Containers) -> None:
    await asyncio.to_thread(containers.up)
    async with phones() as (customer, _, far):
        call = await dialogue(containers, customer, agree=False)
        stopping = asyncio.create_task(
            asyncio.to_thread(containers.engine.docker, "stop", "--time", "330", BRIDGE)
        )
        async with asyncio.timeout(20):
            while "service.stopping" not in await asyncio.to_thread(log, containers):
                pass  # asking takes long enough to be no busy loop
        await answer(containers, call)
        rings = await far.next_call(30)
        await rings.answered()
        await rings.hang_up()
        await call.ended()
        await stopping
    assert containers.engine.inspect(BRIDGE)["State"]["ExitCode"] == 0
    await asyncio.to_thread(containers.up)
    assert states(containers) == ["accepted"]


async def test_the_pbx_of_the_profile_postgresql_asks_the_bridge_whose_ledger_is_one(
    containers: Containers,
) -> None:
    await asyncio.to_thread(containers.up_postgresql)
    said = await asyncio.to_thread(
        containers.compose, "--profile", "postgresql", "run", "--rm", "--use-aliases",
        "caller-postgresql",
    )  # fmt: skip
    assert said.rstrip().endswith("worked")
    assert states(containers, "bridge-postgresql") == ["accepted"]
    stored = containers.engine.docker(
        "exec", "agi-bridge-postgresql-1", "psql", "-U", "agi_bridge", "-tA",
        "-c", "SELECT count(*) FROM event WHERE type = 'accepted'",
    )  # fmt: skip
    assert stored.strip() == "1"
    names = containers.engine.docker("ps", "--all", "--format", "{{.Names}}").split()
    assert BRIDGE not in names
    inspected = containers.engine.inspect("agi-bridge-bridge-postgresql-1")
    assert secret("postgresql_password") not in json.dumps(inspected)


async def test_the_profile_watch_sees_the_calls_that_a_stop_did_not_wait_for(
    containers: Containers, tmp_path: Path
) -> None:
    written = (ROOT / "docker/prometheus/prometheus.yml").read_text(encoding="utf-8")
    (tmp_path / "prometheus.yml").write_text(written.replace("15s", "1s"), encoding="utf-8")
    watch = WATCH.format(folder=tmp_path)
    await asyncio.to_thread(containers.up, more=watch, also=("prometheus",))
    async with httpx.AsyncClient(
        base_url=f"http://{WATCHES}:9090", trust_env=False, timeout=10
    ) as client:
        prometheus = Prometheus(client)
        await becomes(prometheus, "agi_bridge_drain_forced_total", 0)
        async with phones() as (customer, shop, _):
            call = await dialogue(containers, customer, agree=False)
            for _ in range(2):  # the second signal does not wait
                await asyncio.to_thread(
                    containers.engine.docker, "kill", "--signal", "TERM", BRIDGE
                )
            rings = await shop.next_call(30)
            await rings.answered()
            await rings.hang_up()
            await call.ended()
        await asyncio.to_thread(containers.engine.docker, "wait", BRIDGE)
        await asyncio.to_thread(containers.up, more=watch, also=("prometheus",))
        firing = 'ALERTS{alertname="AgiBridgeDrainForced", alertstate="firing"}'
        await becomes(prometheus, firing, 1)
        assert "AgiBridgeDown" in await prometheus.rules()
    assert "DrainForced" in {
        each["kind"] for each in json.loads(containers.bridge("status", "--json"))["problems"]
    }


async def becomes(prometheus: Prometheus, expression: str, wanted: float) -> None:
    """Wait until a query has this value."""
    async with asyncio.timeout(60):
        while True:
            with suppress(httpx.HTTPError, ValueError):  # it does not answer yet
                found = await prometheus.query(expression)
                if found and float(found[0]["value"][1]) == wanted:
                    return
            await asyncio.sleep(0.2)


def log(containers: Containers) -> str:
    """What the bridge wrote to standard error."""
    return containers.engine.logs(BRIDGE)
