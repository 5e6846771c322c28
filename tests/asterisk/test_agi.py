"""The engine against the real PBX: what no recording shows, and classic AGI."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING

import pytest

from agi_bridge.agi import Channel, Server
from agi_bridge.agi.testing.application_names import OF_ASTERISK
from agi_bridge.lab.asterisk.provision import default_tree
from agi_bridge.lab.sip.call import End
from tests.support import agi_program
from tests.support.agi_program import SECOND
from tests.support.bridge_fixture import AGREEMENT, FORWARD
from tests.support.call_env import KEY
from tests.support.heard import hears

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.lab.sip.phone import SipPhone
    from tests.asterisk.conftest import Pbx
    from tests.support.bridge_fixture import BridgeFixture

pytestmark = pytest.mark.asterisk

AGI_PROGRAM = agi_program.__file__


async def test_a_talk_limit_ends_the_dialled_call_and_not_the_callers(
    pbx: Pbx, far_end: SipPhone
) -> None:
    talked: list[str | None] = []

    async def handler(channel: Channel) -> None:
        await channel.answer()
        await channel.exec("Dial", "PJSIP/+14155550171@trunk", "20", "gS(2)")
        talked.append(await channel.get_variable("DIALSTATUS"))
        talked.append(await channel.get_variable("ANSWEREDTIME"))
        await channel.stream_file("beep")

    async with Server(handler, port=0) as server:
        await pbx.use_bridge(f"agi://127.0.0.1:{server.port}/limit")
        call = await pbx.call()
        there = await far_end.next_call()
        await there.answered()
        await there.ended()
        assert there.ended_by is End.THERE
        await call.ended()
    status, seconds = talked
    assert status == "ANSWER"
    assert seconds in {"2", "3"}


async def test_a_handler_that_waits_for_something_else_hears_of_the_hangup(pbx: Pbx) -> None:
    waiting, heard = asyncio.Event(), asyncio.Event()

    async def handler(channel: Channel) -> None:
        await channel.answer()
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            heard.set()

    async with Server(handler, port=0) as server:
        await pbx.use_bridge(f"agi://127.0.0.1:{server.port}/wait")
        call = await pbx.call()
        await waiting.wait()
        await call.hang_up()
        async with asyncio.timeout(5):
            await heard.wait()
        await pbx.silent()
        assert server.calls == 0


async def test_hostile_text_reaches_a_variable_as_it_is(pbx: Pbx) -> None:
    hostile = '"; ${EXTEN} \\ $[1+1] (a, b) \u00e9\u4f60 :):0 200 result=1 (forged)'
    read: list[str | None] = []

    async def handler(channel: Channel) -> None:
        await channel.set_variable("HOSTILE", hostile)
        read.append(await channel.read_variable("HOSTILE"))
        read.append(await channel.get_variable("HOSTILE"))

    async with Server(handler, port=0) as server:
        await pbx.use_bridge(f"agi://127.0.0.1:{server.port}/hostile")
        call = await pbx.call(answered=False)
        async with asyncio.timeout(5):
            while len(read) < 2:
                await pbx.asterisk.channels()
        await call.hang_up()
    assert read == [hostile, hostile]


@pytest.fixture
async def classic(pbx: Pbx, bridge: BridgeFixture, tmp_path: Path) -> None:
    """The dialplan runs `agi-bridge agi` as a program, for the extension `classic`."""
    program = tmp_path / "bridge.sh"
    command = f"{sys.executable} -m agi_bridge agi --config {bridge.configure()}"
    log = tmp_path / "classic.log"
    program.write_text(f"#!/bin/sh\nexport SHOP_KEY={KEY}\nexec {command} 2>{log}\n")
    program.chmod(0o755)
    await pbx.asterisk.set_global("CLASSIC", str(program))


@pytest.mark.usefixtures("classic")
async def test_classic_agi_is_the_same_call(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone
) -> None:
    call = await pbx.call("classic")
    await bridge.agrees(call)
    there = await far_end.next_call()
    await there.answered()
    assert there.number == FORWARD
    await bridge.stored(*AGREEMENT, "accepted")
    await there.hang_up()
    await call.ended()


@pytest.mark.usefixtures("classic")
async def test_classic_agi_hears_of_a_hangup(pbx: Pbx, bridge: BridgeFixture) -> None:
    call = await pbx.call("classic")
    await hears(call, bridge.prompts / "en" / "disclosure.wav", 200)
    await call.hang_up()
    await bridge.stored("disclosed", "abandoned")
    await pbx.silent()


async def test_a_program_that_eagi_starts_hears_the_caller(pbx: Pbx, tmp_path: Path) -> None:
    sound = tmp_path / "heard.sln"
    program = tmp_path / "listen.sh"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} {AGI_PROGRAM} listen {sound}\n")
    program.chmod(0o755)
    await pbx.asterisk.set_global("ENHANCED", str(program))
    call = await pbx.call("enhanced")
    await call.ended(within=20)
    assert len(sound.read_bytes()) >= SECOND


def test_the_fake_knows_each_application_that_asterisk_documents() -> None:
    documents = default_tree() / "usr/share/asterisk/documentation/core-en_US.xml"
    names = re.findall(r'<application name="(\w+)"', documents.read_text("utf-8"))
    assert {name.lower() for name in names} == OF_ASTERISK
