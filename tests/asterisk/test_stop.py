"""A stop of the service in each state of a call, on a real PBX: what the caller gets."""

from __future__ import annotations

import json
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.lab.sip.call import End
from agi_bridge.lab.sip.phone import Behaviour, SipPhone
from tests.support.bridge_fixture import AGREEMENT, FORWARD, BridgeFixture, talk
from tests.support.heard import hears

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from agi_bridge.lab.sip.call import Call
    from tests.asterisk.conftest import Pbx

pytestmark = pytest.mark.asterisk

UNFINISHED = "no bridge finished this call"
"""A warning of the dialplan; a stop must not cause it."""
FAR = {"kind": "dial", "destination": "PJSIP/+14155550188@trunk"}
"""A default destination at the far end of the trunk, so that it is told from the fallback."""


@dataclass
class Stopping:
    """A service in its own process, to be stopped."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def logged(self, event: str) -> dict[str, Any]:
        """Wait for a line of its log."""
        assert self.process.stderr is not None
        while not (found := [line for line in self.lines if line["event"] == event]):
            text = await self.process.stderr.readline()
            assert text, f"it ended without {event}"
            self.lines.append(json.loads(text))
        return found[0]

    async def ended(self) -> dict[str, Any]:
        """Wait for its end in good order; return the line of its one call."""
        await self.logged("service.stopped")
        assert await self.process.wait() == 0
        return next(line for line in self.lines if line["event"] == "call")


@asynccontextmanager
async def running(bridge: BridgeFixture, **line: Any) -> AsyncIterator[Stopping]:
    async with bridge.process(**line) as process:
        yield Stopping(process)


async def declines(call: Call, bridge: BridgeFixture) -> None:
    await hears(call, bridge.prompts / "en" / "disclosure.wav", 200)
    await call.press("*")


async def hangs_up(there: Call, call: Call) -> None:
    """The far end ends the talk, and so the caller's call."""
    await there.hang_up()
    await call.ended()
    assert call.ended_by is End.THERE


# Inside a Dial


async def test_a_caller_who_talks_to_the_forward_number_goes_on_talking(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, shop: SipPhone
) -> None:
    async with running(bridge) as service:
        call = await pbx.call()
        await bridge.agrees(call)
        there = await far_end.next_call()
        await there.answered()
        service.stop()
        line = await service.ended()  # while they talk
        assert (line["result"], line["left"]) == ("left_to_pbx", "forward")
        await talk(call, there)
        await hangs_up(there, call)
    assert shop.calls == []
    assert UNFINISHED not in pbx.log()
    assert await bridge.states() == [*AGREEMENT, "accepted"]


async def test_a_caller_who_waits_for_the_forward_number_still_reaches_it(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, shop: SipPhone
) -> None:
    far_end.behaviour = Behaviour.RING
    async with running(bridge) as service:
        call = await pbx.call()
        await bridge.agrees(call)
        there = await far_end.next_call()
        service.stop()
        assert (await service.ended())["left"] == "forward"
        there.answer()
        await there.answered()
        await talk(call, there)
        await hangs_up(there, call)
    assert shop.calls == []
    assert UNFINISHED not in pbx.log()


async def test_a_forward_number_that_then_does_not_answer_leads_to_the_default(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, shop: SipPhone
) -> None:
    far_end.behaviour = Behaviour.RING
    async with running(bridge, ring_seconds=5) as service:
        call = await pbx.call()
        await bridge.agrees(call)
        await far_end.next_call()
        service.stop()
        await service.ended()
        there = await shop.next_call(within=20)
        await there.answered()
        await talk(call, there)
        await call.hang_up()
    assert UNFINISHED not in pbx.log()


async def test_a_caller_who_talks_to_the_default_destination_goes_on_talking(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, shop: SipPhone
) -> None:
    async with running(bridge, default=FAR) as service:
        call = await pbx.call()
        await declines(call, bridge)
        there = await far_end.next_call()
        await there.answered()
        service.stop()
        assert (await service.ended())["left"] == "default"
        await talk(call, there)
        await hangs_up(there, call)
    assert shop.calls == []
    assert UNFINISHED not in pbx.log()


async def test_a_default_destination_that_then_does_not_answer_leads_to_the_fallback(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, shop: SipPhone
) -> None:
    far_end.behaviour = Behaviour.RING
    async with running(bridge, default=FAR, ring_seconds=5) as service:
        call = await pbx.call()
        await declines(call, bridge)
        await far_end.next_call()
        service.stop()
        await service.ended()
        there = await shop.next_call(within=20)
        await there.answered()
        await call.hang_up()
    assert len(far_end.calls) == 1  # it is not rung twice
    assert UNFINISHED not in pbx.log()


# Before a Dial


async def test_a_dialogue_goes_on_to_its_end_and_the_dialplan_dials(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, shop: SipPhone
) -> None:
    async with running(bridge) as service:
        call = await pbx.call()
        await bridge.keys(call)
        service.stop()
        await service.logged("service.stopping")
        await bridge.answers(call)
        there = await far_end.next_call()
        await there.answered()
        assert there.number == FORWARD
        assert (await service.ended())["result"] == "dial"
        await talk(call, there)
        await hangs_up(there, call)
    assert shop.calls == []
    assert await bridge.states() == [*AGREEMENT, "accepted"]


async def test_a_caller_who_declines_meanwhile_reaches_the_default(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone
) -> None:
    async with running(bridge) as service:
        call = await pbx.call()
        await hears(call, bridge.prompts / "en" / "disclosure.wav", 200)
        service.stop()
        await service.logged("service.stopping")
        await call.press("*")
        await (await shop.next_call()).answered()
        assert (await service.ended())["result"] == "default"
        await call.hang_up()


async def test_a_caller_whose_hook_is_still_thinking_is_connected(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone
) -> None:
    bridge.fake_hook.scenario = "slow"
    async with running(bridge) as service:
        call = await pbx.call()
        await bridge.agrees(call)
        await bridge.fake_hook.received()
        service.stop()
        await service.logged("service.stopping")
        bridge.fake_hook.hold.set()
        there = await far_end.next_call()
        await there.answered()
        await service.ended()
        await talk(call, there)
        await call.hang_up()
    assert await bridge.states() == [*AGREEMENT, "accepted"]


async def test_new_callers_reach_the_fallback_while_it_drains(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone
) -> None:
    async with running(bridge) as service:
        first = await pbx.call()
        await hears(first, bridge.prompts / "en" / "disclosure.wav", 200)
        service.stop()
        await service.logged("service.stopping")
        second = await pbx.call(answered=False)
        there = await shop.next_call()
        await there.answered()
        await second.hang_up()
        await first.hang_up()
        await service.ended()


# Patience ends


async def test_a_dialogue_that_is_not_waited_for_goes_to_the_default_at_once(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, shop: SipPhone
) -> None:
    bridge.agi = {"drain_seconds": 0}
    async with running(bridge, default=FAR) as service:
        call = await pbx.call()
        await bridge.keys(call, "415")  # and no more digits
        service.stop()
        there = await far_end.next_call()
        await there.answered()
        line = await service.ended()
        assert (line["result"], line["ended"]) == ("default", "drain_forced")
        assert (await service.logged("service.drain_forced"))["calls"] == 1
        await call.hang_up()
    assert shop.calls == []
    assert await bridge.states() == ["disclosed", "abandoned"]


async def test_a_text_that_was_agreed_to_is_sent_although_its_call_is_not_waited_for(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone
) -> None:
    bridge.agi = {"drain_seconds": 0}
    bridge.fake_hook.scenario = "slow"
    async with running(bridge) as service:
        call = await pbx.call()
        await bridge.agrees(call)
        await bridge.fake_hook.received()
        service.stop()
        await (await shop.next_call()).answered()
        bridge.fake_hook.hold.set()
        await service.ended()
        await call.hang_up()
    assert await bridge.states() == [*AGREEMENT, "accepted"]


async def test_a_second_signal_sends_everybody_to_the_default_now(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone
) -> None:
    async with running(bridge) as service:
        call = await pbx.call()
        await hears(call, bridge.prompts / "en" / "disclosure.wav", 200)
        service.stop()
        await service.logged("service.stopping")
        service.stop()
        await (await shop.next_call()).answered()
        await service.ended()
        await call.hang_up()
