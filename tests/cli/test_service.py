"""Commands find the running service whatever is wrong with the file on disk."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from agi_bridge.control_client import SOCKET_NAME
from tests.support.commands import config, names, running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.commands import Running

pytestmark = pytest.mark.programs

BROKEN: dict[str, Callable[[str], str]] = {
    "no toml": lambda good: f"{good}\n[[[",
    "an editor stopped half way": lambda good: f"{good}\nbrand = ",
    "an unknown key": lambda good: f"nonsense = 1\n{good}",
    "a secret is gone": lambda good: good.replace("SHOP_KEY", "GONE"),
}


async def tells(*command: object) -> tuple[int, str, str]:
    async with running(*command) as program:
        out, err = await program.process.communicate()
        assert program.process.returncode is not None
        return program.process.returncode, out.decode(), err.decode()


async def started(bridge: Running) -> None:
    await bridge.logs("service.listening")


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_file_is_refused_by_the_service_and_seen(kind: str, tmp_path: Path) -> None:
    path = config(tmp_path)
    good = path.read_text()
    async with running("serve", "--config", path) as bridge:
        await started(bridge)
        path.write_text(BROKEN[kind](good))
        code, out, err = await tells("reload", "--config", path)
        assert (code, err) == (2, "")
        assert out.startswith("refused: ")
        assert (await bridge.logs("config.refused"))["reason"]
        code, out, _ = await tells("status", "--config", path)
        assert code == 0
        assert "ConfigStale" in out
        assert (await tells("health", "--config", path))[:2] == (0, "degraded\n")
        path.write_text(good)
        assert (await tells("reload", "--config", path))[0] == 0


@pytest.mark.parametrize("command", ["status", "health", "reload"])
async def test_without_a_service_a_broken_file_is_the_answer_and_no_traceback(
    command: str, tmp_path: Path
) -> None:
    for path in (tmp_path / "gone.toml", tmp_path / "broken.toml"):
        if path.name == "broken.toml":
            path.write_text("state_dir =\n[[[")
        code, _, err = await tells(command, "--config", path)
        assert code == 2
        first, *faults = err.splitlines()
        assert first == "agi-bridge: the configuration is wrong:"
        assert [path.name in fault for fault in faults] == [True]


@pytest.mark.parametrize("command", ["status", "health", "reload"])
async def test_a_service_that_hangs_is_told_within_seconds(command: str, tmp_path: Path) -> None:
    path = config(tmp_path)
    async with running("serve", "--config", path) as bridge:
        await started(bridge)
        bridge.process.send_signal(signal.SIGSTOP)
        try:
            code, _, err = await tells(command, "--config", path)
        finally:
            bridge.process.send_signal(signal.SIGCONT)
        assert code == 1
        assert err == "agi-bridge: the service did not answer within 10 s\n"


async def test_a_second_service_leaves_the_firsts_socket_alone(tmp_path: Path) -> None:
    path = config(tmp_path)
    async with running("serve", "--config", path) as first:
        await started(first)
        code, _, err = await tells("serve", "--config", path)
        assert code == 1
        assert "already running with this state_dir" in err
        assert (tmp_path / "state" / SOCKET_NAME).is_socket()
        assert (await tells("health", "--config", path))[1] == "ready\n"
    assert "state" in names(tmp_path)


async def test_a_log_on_a_full_disk_holds_up_nothing(tmp_path: Path) -> None:
    path = config(tmp_path)
    with open("/dev/full", "wb") as full:  # noqa: PTH123, ASYNC230 - a device
        async with running("serve", "--config", path, log=full) as bridge:
            while (await tells("health", "--config", path))[1] != "ready\n":
                assert bridge.process.returncode is None
            assert (await tells("reload", "--config", path))[0] == 0
            bridge.process.send_signal(signal.SIGTERM)
            assert await bridge.ends() == 0
