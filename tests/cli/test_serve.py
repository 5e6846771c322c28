"""`serve` as init systems meet it: what prevents its start, signals, the log, the disk."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.hook.testing import FakeHook
from agi_bridge.lab.softphone.sounds import Sounds
from tests.support.commands import DID, FULL, KEY, SECONDS, config, names, running
from tests.support.ledgers import older_ledger
from tests.support.listening_caller import Listening

if TYPE_CHECKING:
    from agi_bridge.agi.testing import CallRecord
    from tests.support.commands import Running

pytestmark = pytest.mark.programs


async def stopping_in_a_call(
    bridge: Running,
) -> tuple[Listening, asyncio.Task[CallRecord], int]:
    """Send SIGTERM to a bridge while it plays the disclosure; the caller, their call, its port."""
    port = (await bridge.logs("service.listening"))["port"]
    caller = Listening()
    call = asyncio.create_task(caller.call("127.0.0.1", port, f"consent?to=%2B{DID[1:]}"))
    await caller.there.wait()
    bridge.process.send_signal(signal.SIGTERM)
    await bridge.logs("service.stopping")
    return caller, call, port


async def test_a_port_that_is_taken_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    async with FakeHook() as taken:
        port = int(taken.url.rpartition(":")[2].partition("/")[0])
        async with running("serve", "--config", config(tmp_path, port=port)) as bridge:
            assert await bridge.ends() == 1
            assert bridge.process.stderr is not None
            errors = (await bridge.process.stderr.read()).decode()
    (line,) = errors.splitlines()
    assert line.startswith("agi-bridge: cannot start: ")
    assert f"agi: 127.0.0.1 port {port}: Address already in use" in line
    assert names(tmp_path) == ["agi-bridge.toml"]  # nothing was made before


async def test_a_state_dir_that_cannot_be_written_is_one_line_and_exit_code_1(
    tmp_path: Path,
) -> None:
    path = config(tmp_path)
    (tmp_path / "state").write_text("a file, not a folder")
    async with running("serve", "--config", path) as bridge:
        assert await bridge.ends() == 1
        assert bridge.process.stderr is not None
        errors = (await bridge.process.stderr.read()).decode()
    assert errors.startswith("agi-bridge: cannot start: ")
    assert str(tmp_path / "state") in errors
    assert len(errors.splitlines()) == 1


async def test_serve_upgrades_the_tables_of_an_older_version_only_if_it_is_told_to(
    tmp_path: Path,
) -> None:
    path = config(tmp_path)
    older_ledger(tmp_path / "state" / "consents.db")
    async with running("serve", "--config", path) as refused:
        assert await refused.ends() == 1
        assert refused.process.stderr is not None
        assert b"consents upgrade" in await refused.process.stderr.read()
    async with running("serve", "--config", path, "--upgrade") as bridge:
        assert (await bridge.logs("ledger.upgraded"))["before"] == "0001"
        await bridge.logs("service.listening")


async def test_serve_takes_a_call_and_softphone_sees_it_through(tmp_path: Path) -> None:
    async with (
        FakeHook(key=KEY) as hook,
        running("serve", "--config", config(tmp_path, hook.url)) as bridge,
    ):
        port = (await bridge.logs("service.listening"))["port"]
        url = f"agi://127.0.0.1:{port}/consent"
        call = ["softphone", DID, "--bridge", url, "--keys", "4155550123,1", "--fast"]
        async with running(*call) as softphone:
            out, _ = await softphone.process.communicate()
            assert softphone.process.returncode == 0
        line = await bridge.logs("call")
        bridge.process.send_signal(signal.SIGTERM)
        assert await bridge.ends() == 0

    assert "AGI_BRIDGE_RESULT done" in out.decode()
    assert "dials  PJSIP/+14155550199@trunk" in out.decode()
    assert (line["hook"], line["dial"], line["result"]) == ("accepted", "ANSWER", "done")
    assert [request.from_ for request in hook.requests] == ["+14155550123"]


async def test_a_signal_to_stop_lets_a_call_in_progress_end(tmp_path: Path) -> None:
    async with running("serve", "--config", config(tmp_path)) as bridge:
        caller, call, port = await stopping_in_a_call(bridge)
        await refused(port)
        caller.press.set()
        record = await call
        assert await bridge.ends() == 0
    assert record.variables["AGI_BRIDGE_RESULT"] == "default"  # the dialplan dials it


async def test_a_second_signal_to_stop_ends_calls_in_progress(tmp_path: Path) -> None:
    async with running("serve", "--config", config(tmp_path)) as bridge:
        _, call, _ = await stopping_in_a_call(bridge)
        bridge.process.send_signal(signal.SIGTERM)
        assert await bridge.ends() == 0
        record = await call
    assert record.variables.get("AGI_BRIDGE_RESULT") != "done"


async def listens(port: int) -> None:
    """Returns once somebody listens there."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            return


async def test_a_log_that_nobody_reads_holds_up_neither_calls_nor_the_end(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    path = config(tmp_path, port=unused_tcp_port)
    path.write_text(path.read_text().replace("[agi]", '[log]\nlevel = "debug"\n[agi]'))
    async with running("serve", "--config", path, log=FULL) as bridge:
        await listens(unused_tcp_port)
        for _ in range(10):
            fake = FakeAsterisk(keys="*", sounds=Sounds().milliseconds)
            record = await fake.call("127.0.0.1", unused_tcp_port, f"consent?to=%2B{DID[1:]}")
            assert record.variables["AGI_BRIDGE_RESULT"] == "done"
        bridge.process.send_signal(signal.SIGTERM)
        assert await bridge.ends() == 0


@pytest.mark.parametrize(
    ("number", "event"),
    [
        (signal.SIGHUP, "config.reloaded"),
        (signal.SIGUSR1, "signal.ignored"),
        (signal.SIGUSR2, "signal.ignored"),
    ],
)
async def test_signals_for_other_purposes_do_not_end_a_call(
    tmp_path: Path, number: signal.Signals, event: str
) -> None:
    async with running("serve", "--config", config(tmp_path)) as bridge:
        port = (await bridge.logs("service.listening"))["port"]
        caller = Listening()
        call = asyncio.create_task(caller.call("127.0.0.1", port, f"consent?to=%2B{DID[1:]}"))
        await caller.there.wait()
        bridge.process.send_signal(number)
        logged = await bridge.logs(event)
        assert logged.get("signal", number.name) == number.name
        caller.press.set()
        assert (await call).variables["AGI_BRIDGE_RESULT"] == "done"
        bridge.process.send_signal(signal.SIGTERM)
        assert await bridge.ends() == 0


async def test_signals_for_other_purposes_during_the_start_wait_for_its_end(
    tmp_path: Path,
) -> None:
    """A closed terminal, or a log rotation in the second of the start, is not an outage."""
    numbers = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
    async with running("serve", "--config", config(tmp_path)) as bridge:
        status = Path(f"/proc/{bridge.process.pid}/status")
        wanted = sum(1 << number - 1 for number in numbers)
        # Between fork and exec a child holds back every signal, SIGTERM too.
        looked_at = wanted | 1 << signal.SIGTERM - 1
        async with asyncio.timeout(SECONDS):
            while held_back(status) & looked_at != wanted:
                await asyncio.to_thread(status.read_bytes)  # takes long enough to be no busy loop
        for number in numbers:
            bridge.process.send_signal(number)
        await bridge.logs("service.listening")
        await bridge.logs("config.reloaded")
        assert held_back(status) & wanted == 0
        bridge.process.send_signal(signal.SIGTERM)
        assert await bridge.ends() == 0


def held_back(status: Path) -> int:
    """The signals that a process holds back (proc(5))."""
    (mask,) = [line for line in status.read_text().splitlines() if line.startswith("SigBlk:")]
    return int(mask.split()[1], 16)


async def refused(port: int) -> None:
    """Returns once nobody listens there any more."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:  # it was in the queue of the listener that just closed
                continue
            writer.close()


async def test_serve_leaves_the_disk_alone_outside_the_state_dir(tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("HOME", "TMPDIR", "cwd")}
    for place in places.values():
        place.mkdir()
    environ = {
        "PATH": os.defpath,
        **{name: str(place) for name, place in places.items() if name != "cwd"},
    }
    async with (
        FakeHook() as hook,
        running(
            "serve",
            "--config",
            config(tmp_path, hook.url),
            cwd=places["cwd"],
            environ=environ,
        ) as bridge,
    ):
        port = (await bridge.logs("service.listening"))["port"]
        fake = FakeAsterisk(keys="4155550123,1", sounds=Sounds().milliseconds)
        await fake.call("127.0.0.1", port, f"consent?to=%2B{DID[1:]}")
        bridge.process.send_signal(signal.SIGINT)
        assert await bridge.ends() == 0
    assert [names(place) for place in places.values()] == [[], [], []]
    assert names(tmp_path) == ["HOME", "TMPDIR", "agi-bridge.toml", "cwd", "state"]
    assert "consents.db" in names(tmp_path / "state")
