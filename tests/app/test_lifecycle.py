"""The life of the process: start, signals, reload, drain, and what systemd is told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.app import lifecycle, service
from agi_bridge.app.background import Stop
from agi_bridge.app.ledger import open_ledger
from agi_bridge.call import resubmit
from agi_bridge.consent.ledger import Maintenance
from agi_bridge.settings import Settings
from agi_bridge.status import ForcedCalls
from tests.support.call_env import DID, KEY, settings, shipped_milliseconds, toml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agi_bridge.agi.testing import CallRecord
    from agi_bridge.hook.testing import FakeHook
    from tests.support.captured_log import Log

KEYED = "4155550123"

pytestmark = pytest.mark.usefixtures("spared_collector")


async def stopping_in_a_call(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> tuple[asyncio.Task[None], asyncio.Task[CallRecord], int]:
    """A service that has got SIGTERM while a call waits for the hook; the call, and the port."""
    fake_hook.scenario = "slow"
    serving = asyncio.create_task(lifecycle.serve(settings(tmp_path, fake_hook.url)))
    port = (await written.line("service.listening"))["port"]
    fake = FakeAsterisk(keys=f"{KEYED},1", sounds=shipped_milliseconds)
    caller = asyncio.create_task(fake.call("127.0.0.1", port, f"consent?to={DID}"))
    await fake_hook.received()
    os.kill(os.getpid(), signal.SIGTERM)
    await written.line("service.stopping")
    return serving, caller, port


async def test_serve_stops_at_a_signal_once_its_calls_have_ended(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> None:
    serving, caller, port = await stopping_in_a_call(tmp_path, fake_hook, written)
    with pytest.raises(OSError):  # noqa: PT011 - refused or reset, either says that nobody listens
        await FakeAsterisk().call("127.0.0.1", port)
    assert not serving.done()
    fake_hook.hold.set()
    assert (await caller).variables["AGI_BRIDGE_RESULT"] == "dial"  # the dialplan dials now
    await serving
    assert '"event": "service.stopped"' in written.getvalue()


async def test_a_second_signal_ends_the_calls(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> None:
    serving, caller, _ = await stopping_in_a_call(tmp_path, fake_hook, written)
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    assert "AGI_BRIDGE_RESULT" not in (await caller).variables
    assert (await written.line("service.drain_forced"))["calls"] == 1
    assert ForcedCalls.read(settings(tmp_path).state_dir).total == 1
    async with await open_ledger(settings(tmp_path), create=True) as ledger:
        assert (await ledger.events())[-1].type.value == "submitting"
        assert await ledger.recover() == 1


async def test_a_stop_lets_what_is_sent_again_end(
    tmp_path: Path, fake_hook: FakeHook, written: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resubmit, "FIRST_WAIT", timedelta(0))
    fake_hook.scenario = "refuse"
    await fake_hook.settled()
    all_day = {"opens": "00:00", "closes": "00:00"}
    configured = settings(tmp_path, fake_hook.url, hours=all_day)
    serving = asyncio.create_task(lifecycle.serve(configured))
    port = (await written.line("service.listening"))["port"]
    fake = FakeAsterisk(keys=f"{KEYED},1", sounds=shipped_milliseconds)
    await fake.call("127.0.0.1", port, f"consent?to={DID}")
    fake_hook.scenario = "slow"
    await fake_hook.received()
    os.kill(os.getpid(), signal.SIGTERM)
    await written.line("service.stopping")
    fake_hook.hold.set()
    await serving
    async with await open_ledger(settings(tmp_path)) as ledger:
        types = [event.type.value for event in await ledger.events()]
    assert types[-3:] == ["not_sent", "submitting", "accepted"]
    assert len(fake_hook.requests) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_while_it_starts_ends_it_at_once(
    tmp_path: Path, written: Log, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    reached = asyncio.Event()

    async def stuck(*_: Any, **__: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(service, "open_ledger", stuck)
    serving = asyncio.create_task(lifecycle.serve(settings(tmp_path)))
    await reached.wait()
    os.kill(os.getpid(), number)
    await serving
    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == [
        "service.stopped"
    ]
    assert not serving.cancelled()


@pytest.mark.parametrize("started", [False, True])
async def test_a_signal_more_ends_the_process_as_if_nobody_took_it(
    monkeypatch: pytest.MonkeyPatch, *, started: bool
) -> None:
    killed: list[tuple[int, int]] = []
    handled: list[tuple[int, object]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append((pid, number)))
    monkeypatch.setattr(signal, "signal", lambda number, to: handled.append((number, to)))
    task = asyncio.create_task(asyncio.Event().wait())
    life, stop = lifecycle._Life(task), Stop()
    life.started = started
    for _ in range(3 if started else 2):
        assert killed == []
        life.end(signal.SIGTERM, stop)
    assert killed == [(os.getpid(), signal.SIGTERM)]
    assert handled == [(signal.SIGTERM, signal.SIG_DFL)]
    assert stop.forced.is_set() is started
    task.cancel()
    await asyncio.wait({task})


async def test_a_cancellation_by_somebody_else_is_not_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = asyncio.Event()

    async def stuck(*_: Any, **__: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(service, "open_ledger", stuck)
    serving = asyncio.create_task(lifecycle.serve(settings(tmp_path)))
    await reached.wait()
    serving.cancel()
    await asyncio.wait({serving})
    assert serving.cancelled()


# -- draining ---------------------------------------------------------------------------------


class Patience:
    """A clock for the waits of a drain: the first `ended` are over at once, others never end."""

    def __init__(self, *, ended: int = 0) -> None:
        self._ended = ended
        self.asked: list[float] = []

    async def __call__(self, event: asyncio.Event, seconds: float) -> None:
        self.asked.append(seconds)
        if len(self.asked) > self._ended:
            await event.wait()


async def test_a_dialogue_has_drain_seconds_to_end_and_then_goes_to_the_default(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> None:
    asked = asyncio.Event()
    made = settings(tmp_path, fake_hook.url, {"agi": {"port": 0, "drain_seconds": 77}})
    async with service.running(made) as running:
        caller = asyncio.create_task(waiting_call(running.port, asked))
        await asked.wait()
        patience = Patience(ended=1)
        await running.drain(patience)
        call = await caller
        assert running.calls == 0
        assert running.state.draining
        assert not running.state.listening
        assert running.metrics.forced_calls.values[()] == 1
    assert patience.asked[0] == 77
    assert "AGI_BRIDGE_RESULT" not in call.variables
    assert call.variables["AGI_BRIDGE_DEFAULT"] == "PJSIP/100"
    assert (await written.line("service.drain_forced"))["calls"] == 1
    line = await written.line("call")
    assert (line["result"], line["ended"]) == ("default", "drain_forced")


async def test_what_was_agreed_is_submitted_although_patience_has_ended(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> None:
    fake_hook.scenario = "slow"
    async with service.running(settings(tmp_path, fake_hook.url)) as running:
        fake = FakeAsterisk(keys=f"{KEYED},1", sounds=shipped_milliseconds)
        caller = asyncio.create_task(fake.call("127.0.0.1", running.port, f"consent?to={DID}"))
        await fake_hook.received()
        draining = asyncio.create_task(running.drain(Patience(ended=1)))
        await caller  # is in the dialplan already
        assert not draining.done()
        fake_hook.hold.set()
        await draining
    async with await open_ledger(settings(tmp_path)) as ledger:
        assert (await ledger.events())[-1].type.value == "accepted"
    assert (await written.line("call"))["hook"] == "accepted"


async def test_a_caller_inside_a_dial_holds_up_nothing(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> None:
    dialling, hung_up = asyncio.Event(), asyncio.Event()

    class Talk:
        def time(self) -> float:
            return 0.0

        async def sleep(self, seconds: float) -> None:
            if dialling.is_set() and seconds > 0:
                await hung_up.wait()

    def note(event: Any) -> None:
        if event.kind == "dialling":
            dialling.set()

    async with service.running(settings(tmp_path, fake_hook.url)) as running:
        fake = FakeAsterisk(
            keys="*", sounds=shipped_milliseconds, pace=1.0, clock=Talk(), on_event=note
        )
        caller = asyncio.create_task(fake.call("127.0.0.1", running.port, f"consent?to={DID}"))
        await dialling.wait()
        await running.drain(Patience())
        assert running.calls == 0
        assert running.metrics.forced_calls.values[()] == 0
        hung_up.set()
        await caller
    line = await written.line("call")
    assert (line["result"], line["left"]) == ("left_to_pbx", "default")
    assert (await written.line("service.stopping"))["left_to_pbx"] == 1


async def waiting_call(port: int, asked: asyncio.Event) -> Any:
    """A caller who is asked for a number and never keys one, for as long as it takes."""

    class Silent(FakeAsterisk):
        async def next_key(self, timeout: float) -> str | None:  # noqa: ARG002, ASYNC109 - the PBX's own
            asked.set()
            await asyncio.Event().wait()
            return None

    class Instant:
        def time(self) -> float:
            return 0.0

        async def sleep(self, _seconds: float) -> None:
            await asyncio.sleep(0)

    fake = Silent(keys=None, sounds=shipped_milliseconds, pace=1.0, clock=Instant())
    return await fake.call("127.0.0.1", port, f"consent?to={DID}")


# -- signals that reload ----------------------------------------------------------------------


def written_settings(tmp_path: Path, fake_hook: FakeHook, **line: Any) -> Path:
    file = tmp_path / "agi-bridge.toml"
    file.write_text(toml(tmp_path / "state", fake_hook.url, **line))
    return file


async def test_a_thousand_hangups_are_harmless_and_the_last_one_counts(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> None:
    file = written_settings(tmp_path, fake_hook)
    loads: list[int] = []

    def load() -> Settings:
        loads.append(1)
        return Settings.load(file, {"SHOP_KEY": KEY})

    serving = asyncio.create_task(lifecycle.serve(load(), load))
    port = (await written.line("service.listening"))["port"]
    for number in range(1000):
        if number == 999:
            written_settings(tmp_path, fake_hook, ring_seconds=21)
        os.kill(os.getpid(), signal.SIGHUP)
        if number % 50 == 0:
            await asyncio.sleep(0)
    while (await written.line("config.reloaded", last=True))["outcome"] != "applied":
        await written.more()
    fake = FakeAsterisk(keys="*", sounds=shipped_milliseconds)
    call = await fake.call("127.0.0.1", port, f"consent?to={DID}")
    assert call.variables["AGI_BRIDGE_RING"] == "21"
    assert len(loads) < 20
    os.kill(os.getpid(), signal.SIGTERM)
    await serving


async def test_a_hangup_while_it_drains_changes_nothing(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> None:
    fake_hook.scenario = "slow"
    file = written_settings(tmp_path, fake_hook)
    load = partial(Settings.load, file, {"SHOP_KEY": KEY})
    serving = asyncio.create_task(lifecycle.serve(load(), load))
    port = (await written.line("service.listening"))["port"]
    fake = FakeAsterisk(keys=f"{KEYED},1", sounds=shipped_milliseconds)
    caller = asyncio.create_task(fake.call("127.0.0.1", port, f"consent?to={DID}"))
    await fake_hook.received()
    os.kill(os.getpid(), signal.SIGTERM)
    await written.line("service.stopping")
    os.kill(os.getpid(), signal.SIGHUP)
    fake_hook.hold.set()
    await caller
    await serving
    assert "config.reloaded" not in written.getvalue()


# -- systemd ----------------------------------------------------------------------------------


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The other end of NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.setblocking(False)  # noqa: FBT003 - positional only
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield receiver


async def test_systemd_is_told_of_each_part_of_the_life(
    tmp_path: Path, fake_hook: FakeHook, written: Log, systemd: socket.socket
) -> None:
    file = written_settings(tmp_path, fake_hook)
    load = partial(Settings.load, file, {"SHOP_KEY": KEY})
    serving = asyncio.create_task(lifecycle.serve(load(), load))
    await written.line("service.listening")
    os.kill(os.getpid(), signal.SIGHUP)
    await written.line("config.reloaded")
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    notifications = []
    while True:
        try:
            notifications.append(systemd.recv(4096).decode().splitlines())
        except BlockingIOError:
            break
    assert notifications[0] == ["STATUS=starting"]
    assert notifications[1][0] == "READY=1"
    assert notifications[1][1].startswith("STATUS=0 calls")
    reloading = next(lines for lines in notifications if "RELOADING=1" in lines)
    assert any(line.startswith("MONOTONIC_USEC=") for line in reloading)
    assert ["READY=1"] in notifications[notifications.index(reloading) :]
    assert notifications[-1] == ["STOPPING=1"]


async def test_systemd_gets_signs_of_life_from_the_event_loop(
    tmp_path: Path,
    fake_hook: FakeHook,
    written: Log,
    systemd: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    serving = asyncio.create_task(lifecycle.serve(settings(tmp_path, fake_hook.url)))
    await written.line("service.listening")
    notification = ""
    async with asyncio.timeout(20):
        while "WATCHDOG=1" not in notification:
            notification = (await asyncio.get_running_loop().sock_recv(systemd, 4096)).decode()
    assert "STATUS=0 calls" in notification
    os.kill(os.getpid(), signal.SIGTERM)
    await serving


async def test_systemd_hears_of_the_service_until_everything_is_stored(
    tmp_path: Path,
    fake_hook: FakeHook,
    written: Log,
    systemd: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last checkpoint may take as long as the watchdog is patient, and longer."""
    monkeypatch.setenv("WATCHDOG_USEC", "30000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    finish, storing, stored = Maintenance.finish, asyncio.Event(), asyncio.Event()

    async def slow(upkeep: Maintenance) -> None:
        storing.set()
        await stored.wait()
        await finish(upkeep)

    monkeypatch.setattr(Maintenance, "finish", slow)
    serving = asyncio.create_task(lifecycle.serve(settings(tmp_path, fake_hook.url)))
    await written.line("service.listening")
    os.kill(os.getpid(), signal.SIGTERM)
    await storing.wait()
    with suppress(BlockingIOError):
        while True:
            systemd.recv(4096)
    async with asyncio.timeout(20):
        heard = (await asyncio.get_running_loop().sock_recv(systemd, 4096)).decode().split("\n")
    stored.set()
    await serving
    assert "WATCHDOG=1" in heard
    assert f"EXTEND_TIMEOUT_USEC={lifecycle.EXTENSION_SECONDS * 1_000_000}" in heard


@pytest.mark.programs
def test_what_no_call_needs_is_not_loaded_before_calls_are_taken() -> None:
    """Callers of a bridge that restarts reach the fallback meanwhile: each module costs them."""
    later = {
        "agi_bridge.evidence",
        "agi_bridge.http_server",
        "agi_bridge.web",
        "alembic",
        "numpy",
        "starlette",
        "uvicorn",
    }
    program = (
        "import sys, agi_bridge.cli.main, agi_bridge.cli.serve, agi_bridge.app.lifecycle\n"
        f"print(*sorted({later} & sys.modules.keys()))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE)  # noqa: S603 - our own interpreter
    assert loaded.stdout.decode().split() == []
