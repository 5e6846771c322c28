"""Recordings that the PBX fetches from the bridge over HTTP, and what callers hear when it cannot.

Between the two stands a front, as a reverse proxy would: it notes what is fetched, and breaks.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import socket
import wave
from typing import TYPE_CHECKING, Any, Literal

import pytest

from agi_bridge.lab.asterisk.provision import default_tree
from agi_bridge.speech import SHIPPED
from agi_bridge.web import AUDIO
from tests.support.bridge_fixture import AGREEMENT, FORWARD, BridgeFixture, talk
from tests.support.canned_bridge import CannedBridge
from tests.support.heard import exact, hears, milliseconds
from tests.support.listener import Listener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.lab.sip.phone import SipPhone
    from tests.asterisk.conftest import Pbx

pytestmark = pytest.mark.asterisk


class Front(Listener):
    """Hands connections on to the bridge's web.

    Attributes:
        port: the web's.
        mode: hands on, closes at once, or takes the request and is silent.
        only: how many requests are handed on at most, if it is not None; the others get no answer.
        fetched: the request lines that came, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.port = _free_port()
        self.mode: Literal["on", "closed", "silent"] = "on"
        self.only: int | None = None
        self.fetched: list[str] = []

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            if self.mode == "closed":
                return
            head = await reader.readuntil(b"\r\n\r\n")
            if self.only is not None and len(self.fetched) >= self.only:
                await reader.read()
                return
            self.fetched.append(head.partition(b"\r\n")[0].decode())
            if self.mode == "silent":
                await reader.read()  # until Asterisk gives up
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
            with contextlib.closing(far_writer):
                far_writer.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                while data := await far_reader.read(1 << 16):
                    writer.write(data)
                await writer.drain()


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with Front() as running:
        yield running


@pytest.fixture(autouse=True)
async def nothing_kept(pbx: Pbx) -> None:
    """Let the PBX forget what it fetched in another test."""
    await pbx.asterisk.cli("media cache delete all")


def tables(bridge: BridgeFixture, front: Front, **speech: Any) -> dict[str, dict[str, Any]]:
    given = {"prompts": str(bridge.prompts), "delivery": "http", "url": front.url, **speech}
    return {"speech": given, "web": {"port": front.port}}


def lengthen(recording: Path) -> None:
    """Cut the shipped recording after five seconds: 80 kB, which travel in several pieces."""
    with wave.open(str(SHIPPED / "en" / recording.name)) as sound:
        beginning = sound.readframes(5 * 8000)
        with wave.open(str(recording), "wb") as cut:
            cut.setparams(sound.getparams())
            cut.writeframes(beginning)


async def test_a_caller_hears_all_of_what_the_pbx_fetches_and_each_is_fetched_once(
    pbx: Pbx, bridge: BridgeFixture, front: Front, far_end: SipPhone, tmp_path: Path
) -> None:
    bridge.prompts = shutil.copytree(bridge.prompts, tmp_path / "prompts")
    disclosure = bridge.prompts / "en" / "disclosure.wav"
    lengthen(disclosure)
    await bridge.open(tables(bridge, front))
    call = await pbx.call()
    await bridge.agrees(call)
    there = await far_end.next_call(within=20)
    assert there.number == FORWARD
    await there.answered()
    for name in ("disclosure", "accepted"):
        recording = bridge.prompts / "en" / f"{name}.wav"
        assert exact(call, recording).milliseconds == pytest.approx(milliseconds(recording), abs=25)
    await bridge.stored(*AGREEMENT, "accepted")
    await there.hang_up()
    await call.ended()
    assert len(front.fetched) == len(set(front.fetched)) >= 4
    assert all(line.startswith(f"GET {AUDIO}") for line in front.fetched)
    assert pbx.log().count("WARNING") == 0
    front.fetched.clear()

    again = await pbx.call()
    await hears(again, disclosure, 500)
    await again.press("*")
    await bridge.hears(again, "declined")
    await again.hang_up()
    assert len(front.fetched) == 1  # for it was never heard before


async def test_the_pbx_plays_what_it_has_kept_when_the_bridge_has_been_restarted(
    pbx: Pbx, bridge: BridgeFixture, front: Front, far_end: SipPhone, shop: SipPhone
) -> None:
    await bridge.open(tables(bridge, front))
    call = await pbx.call()
    await bridge.hears(call, "disclosure")
    kept = list(front.fetched)
    await bridge.close()  # the caller goes on to the default; the bridge comes back
    await (await shop.next_call()).answered()
    await call.hang_up()

    await bridge.open(tables(bridge, front))
    call = await pbx.call()
    await bridge.hears(call, "disclosure")
    await bridge.agrees(call)
    await (await far_end.next_call(within=20)).answered()
    await bridge.hears(call, "accepted")
    await call.hang_up()
    assert len(front.fetched) == len(set(front.fetched)) > len(kept) >= 1


@pytest.mark.parametrize("mode", ["closed", "silent"])
async def test_a_caller_to_whom_nothing_can_be_played_reaches_the_default_without_a_text(
    pbx: Pbx, bridge: BridgeFixture, front: Front, shop: SipPhone, mode: Literal["closed", "silent"]
) -> None:
    front.mode = mode
    await bridge.open(tables(bridge, front))
    call = await pbx.call()
    there = await shop.next_call(within=20)
    await there.answered()
    await talk(call, there)
    await call.hang_up()
    await bridge.idle()
    assert await bridge.states() == []
    assert bridge.fake_hook.requests == []

    front.mode = "on"
    call = await pbx.call()
    await bridge.hears(call, "disclosure")
    await call.hang_up()


async def test_a_caller_whose_disclosure_is_kept_hears_it_while_nothing_can_be_fetched(
    pbx: Pbx, bridge: BridgeFixture, front: Front, shop: SipPhone
) -> None:
    await bridge.open(tables(bridge, front))
    front.only = 1  # a caller who hangs up late hears no next recording either
    call = await pbx.call()
    await bridge.hears(call, "disclosure")
    await call.hang_up()
    await pbx.silent()
    front.mode = "closed"
    call = await pbx.call()
    await bridge.hears(call, "disclosure")
    there = await shop.next_call(within=30)  # Asterisk asks for each format that it knows
    await there.answered()  # the next recording was never fetched
    await call.hang_up()
    await bridge.stored("disclosed", "abandoned", "disclosed", "declined")


@pytest.mark.parametrize("mode", ["on", "closed"])
async def test_a_text_that_only_the_hook_knows_is_fetched_or_passed_over(
    bridge: BridgeFixture,
    front: Front,
    shop: SipPhone,
    tmp_path: Path,
    mode: Literal["on", "closed"],
) -> None:
    bridge.fake_hook.forward = "</Dial><Say>The shop is closed until nine.</Say><Dial>"
    argv = [str(default_tree() / "bin" / "espeak-ng"), "-w", "{output}", "--stdin"]
    await bridge.open(tables(bridge, front, engines=[{"kind": "command", "command": argv}]))
    call = await bridge._pbx.call()
    await bridge.agrees(call)
    await bridge.hears(call, "accepted")
    front.mode = mode
    await (await shop.next_call()).answered()
    (spoken,) = (tmp_path / "speech").glob("*.wav")
    if mode == "on":
        await hears(call, spoken)
    else:
        assert exact(call, spoken).milliseconds == 0
    await call.hang_up()


async def test_callers_at_once_are_all_served(
    pbx: Pbx, bridge: BridgeFixture, front: Front
) -> None:
    await bridge.open(tables(bridge, front))
    calls = await asyncio.gather(*(pbx.call() for _ in range(10)))
    await asyncio.gather(*(bridge.hears(call, "disclosure") for call in calls))
    await asyncio.gather(*(call.hang_up() for call in calls))


async def test_a_short_address_would_not_be_played(
    pbx: Pbx,
) -> None:
    # If this fails, Asterisk has mended its media cache, and addresses no longer have to be long.
    short, long = "/a.wav", f"/{'a' * 128}.wav"
    sound = (SHIPPED / "en" / "goodbye.wav").read_bytes()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.0 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: {len(sound)}\r\n\r\n"
        writer.write(head.encode() + sound)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    commands = ["ANSWER", f'STREAM FILE {host}{short} ""', f'STREAM FILE {host}{long} ""']
    async with server, CannedBridge(*commands) as bridge:
        await pbx.use_bridge(bridge.url)
        call = await pbx.call()
        await call.ended()
    assert bridge.replies[1:] == [
        "200 result=-1 endpos=0",
        f"200 result=0 endpos={(len(sound) - 44) // 2}",
    ]


def _free_port() -> int:
    """Outside the range that the kernel gives out by itself."""
    for _ in range(200):
        port = random.randrange(20_000, 32_000)  # noqa: S311 - not a secret
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")
