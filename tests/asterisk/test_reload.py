"""Reloads under traffic, on a real PBX: no caller notices, and no consent is left open."""

from __future__ import annotations

import asyncio
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.control_client import ask
from tests.support.bridge_fixture import UNDERSTANDING, BridgeFixture
from tests.support.heard import arrives, beginning

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.lab.sip.phone import SipPhone
    from tests.asterisk.conftest import Pbx

pytestmark = pytest.mark.asterisk

CALLS = 100
AT_ONCE = 20
LINE: dict[str, Any] = {"limits": {"line_per_hour": 1000}, "digits": "own"}


def digits(i: int) -> str:
    """The number that a caller keys; none is the business's own."""
    return f"{'415' if i < 80 else '212'}55501{20 + i % 80}"


class Traffic:
    """Callers who agree and are connected, so many at once.

    Attributes:
        connected: the numbers that were reached at the far end.
    """

    def __init__(self, bridge: BridgeFixture, caller: SipPhone, far_end: SipPhone) -> None:
        self.connected: list[str] = []
        self._news = asyncio.Event()
        self._caller, self._far_end = caller, far_end
        caller.quiet = far_end.quiet = True
        self._asks = beginning(bridge.prompts / "en" / "enter-number.wav")
        self._confirms = beginning(bridge.prompts / "en" / "confirm-number.wav")
        self._places = asyncio.Semaphore(AT_ONCE)

    async def all(self) -> None:
        """Place all calls, and see each through."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._answer())
            for i in range(CALLS):
                group.create_task(self._call(i))

    async def reaches(self, count: int) -> None:
        """Wait until so many have been connected."""
        async with asyncio.timeout(240):
            while len(self.connected) < count:
                self._news.clear()
                await self._news.wait()

    async def _call(self, i: int) -> None:
        async with self._places:
            call = await self._caller.dial("+14155550111", caller_id=f"+1514555{i:04d}")
            await call.answered(within=30)
            await arrives(call, self._asks)
            await call.press(digits(i))
            await arrives(call, self._confirms)
            await asyncio.sleep(UNDERSTANDING)
            await call.press("1")
            await call.ended(within=60)

    async def _answer(self) -> None:
        """The far end takes each call, and hangs up when it is connected."""
        while len(self.connected) < CALLS:
            there = await self._far_end.next_call(within=60)
            await there.answered()
            self.connected.append(there.number)
            self._news.set()
            await there.hang_up()


@pytest.mark.timeout(300)
async def test_a_hundred_calls_across_five_reloads_are_all_connected(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, tmp_path: Path
) -> None:
    traffic = Traffic(bridge, await pbx.telephone("softphone", registers=False), far_end)
    bridge.fake_hook.scenario = "dial"  # whatever the number ends with
    async with bridge.process(**LINE) as process:
        drained = asyncio.create_task(_read_away(process.stderr))
        everyone = asyncio.create_task(traffic.all())

        await traffic.reaches(5)
        bridge.configure(**LINE, ring_seconds=21)
        assert (await reload(tmp_path))["outcome"] == "applied"

        await traffic.reaches(25)
        config = bridge.configure(**LINE, ring_seconds=22)
        command = [sys.executable, "-m", "agi_bridge", "reload", "--config", str(config)]
        command_process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE
        )
        assert b"reloaded: 1 line" in (await command_process.communicate())[0]
        assert command_process.returncode == 0

        await traffic.reaches(45)
        config.write_text("no configuration at all")
        refused = await reload(tmp_path)
        assert (refused["outcome"], refused["invalid"]) == ("refused", True)

        await traffic.reaches(65)
        bridge.configure(**LINE, ring_seconds=23)
        assert (await reload(tmp_path))["outcome"] == "applied"

        await traffic.reaches(80)
        process.send_signal(signal.SIGHUP)

        await everyone
        assert process.returncode is None
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        await drained
    await each_was_texted_once(bridge)


async def each_was_texted_once(bridge: BridgeFixture) -> None:
    texted = sorted(request.from_ for request in bridge.fake_hook.requests)
    assert texted == sorted(f"+1{digits(i)}" for i in range(CALLS))
    states = await bridge.states()
    assert states.count("accepted") == CALLS
    assert "unknown" not in states


async def reload(state_dir: Path) -> dict[str, Any]:
    return await asyncio.to_thread(partial(ask, state_dir, "reload", seconds=30))


async def _read_away(stream: asyncio.StreamReader | None) -> None:
    """Read a log that nobody looks at, so that it does not fill its pipe."""
    assert stream is not None
    while await stream.readline():
        pass
