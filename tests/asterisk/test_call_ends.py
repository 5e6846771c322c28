"""Where callers end up: far ends that fail, who dials, bridges that die, fifty at once."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agi_bridge.lab.sip.call import End
from agi_bridge.lab.sip.phone import Behaviour, SipPhone
from agi_bridge.speech import SHIPPED
from tests.support.bridge_fixture import AGREEMENT, FORWARD, UNDERSTANDING, BridgeFixture, talk
from tests.support.heard import arrives, beginning, hears

if TYPE_CHECKING:
    from tests.asterisk.conftest import Pbx

pytestmark = pytest.mark.asterisk


# The far end


@pytest.mark.parametrize(
    "behaviour", [Behaviour.BUSY, Behaviour.RING, Behaviour.CONGESTION, Behaviour.NOT_FOUND]
)
async def test_a_far_end_that_does_not_answer_leads_to_a_word_and_the_default(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, shop: SipPhone, behaviour: Behaviour
) -> None:
    far_end.behaviour = behaviour
    await bridge.open(ring_seconds=5)
    call = await pbx.call()
    await bridge.agrees(call)
    there = await shop.next_call(within=20)
    await there.answered()
    await bridge.hears(call, "busy" if behaviour is Behaviour.BUSY else "no-answer")
    await talk(call, there)
    await call.hang_up()


@pytest.mark.parametrize("behaviour", [Behaviour.BUSY, Behaviour.CONGESTION])
async def test_the_log_tells_a_dead_trunk_from_a_busy_line_though_the_default_answered(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, shop: SipPhone, behaviour: Behaviour
) -> None:
    far_end.behaviour, status = behaviour, behaviour.name
    with capture_logs() as logs:
        await bridge.open()
        call = await pbx.call()
        await bridge.agrees(call)
        there = await shop.next_call(within=20)
        await there.answered()
        await there.hang_up()
        await call.ended()
        await bridge.idle()
    (line,) = [log for log in logs if log["event"] == "call"]
    assert line["dials"] == [("forward", status), ("default", "ANSWER")]
    warned = [log["dialstatus"] for log in logs if log["event"] == "call.forward_not_reached"]
    assert warned == ([status] if behaviour is Behaviour.CONGESTION else [])


async def test_if_the_default_does_not_answer_either_the_dialplans_last_resort_does(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone
) -> None:
    default = {"kind": "dial", "destination": "PJSIP/softphone"}  # registered nowhere
    await bridge.open(default=default)
    call = await pbx.call()
    await hears(call, bridge.prompts / "en" / "disclosure.wav", 200)
    await call.press("*")
    await bridge.hears(call, "no-answer")
    await (await shop.next_call()).answered()
    await call.hang_up()


# Who dials


async def test_the_dialplan_dials_where_the_line_says_so(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone
) -> None:
    await bridge.open(dial="dialplan")
    call = await pbx.call()
    await bridge.agrees(call)
    there = await far_end.next_call()
    await there.answered()
    assert there.number == FORWARD
    await bridge.idle()  # the bridge is out of it
    await talk(call, there)
    await there.hang_up()
    await call.ended()


async def test_the_dialplan_takes_the_default_where_the_line_says_so(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, shop: SipPhone
) -> None:
    far_end.behaviour = Behaviour.BUSY
    await bridge.open(dial="dialplan")
    call = await pbx.call()
    await bridge.agrees(call)
    await (await shop.next_call()).answered()
    await call.hang_up()


async def test_a_default_in_the_dialplan(pbx: Pbx, bridge: BridgeFixture) -> None:
    place = {"kind": "dialplan", "context": "elsewhere", "extension": "s", "priority": 1}
    await bridge.open(default=place)
    call = await pbx.call()
    await hears(call, bridge.prompts / "en" / "disclosure.wav", 200)
    await call.press("*")
    await call.ended()
    assert call.media.keys == "42"


# The bridge dies


async def test_a_bridge_killed_during_the_disclosure_leaves_the_caller_to_the_default(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone
) -> None:
    bridge.prompts = SHIPPED
    async with bridge.process() as process:
        call = await pbx.call()
        await hears(call, SHIPPED / "en" / "disclosure.wav", 500)
        process.send_signal(signal.SIGKILL)
        await (await shop.next_call()).answered()
    await call.hang_up()


async def test_a_bridge_killed_in_the_bridged_call_does_not_end_it(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, shop: SipPhone
) -> None:
    async with bridge.process() as process:
        call = await pbx.call()
        await bridge.agrees(call)
        there = await far_end.next_call()
        await there.answered()
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await talk(call, there)
        await there.hang_up()
        await call.ended()
    assert call.ended_by is End.THERE
    assert shop.calls == []
    await bridge.stored(*AGREEMENT, "accepted")


async def test_a_bridge_killed_while_the_hook_thinks_never_sends_again(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone
) -> None:
    bridge.fake_hook.scenario = "slow"
    async with bridge.process() as process:
        call = await pbx.call()
        await bridge.agrees(call)
        await bridge.fake_hook.received()
        process.send_signal(signal.SIGKILL)
        await (await shop.next_call()).answered()
        await call.hang_up()
    assert await bridge.states() == list(AGREEMENT)
    await bridge.open()
    assert await bridge.states() == [*AGREEMENT, "unknown"]
    assert len(bridge.fake_hook.requests) == 1


# Many


async def test_fifty_callers_at_once(pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone) -> None:
    await bridge.open(limits={"line_per_hour": 1000})
    caller = await pbx.telephone("softphone", registers=False)
    caller.quiet = far_end.quiet = True

    asks = beginning(bridge.prompts / "en" / "enter-number.wav")
    confirms = beginning(bridge.prompts / "en" / "confirm-number.wav")

    async def one(i: int) -> None:
        call = await caller.dial("+14155550111", caller_id=f"+1514555{i:04d}")
        await call.answered(within=30)
        await arrives(call, asks)
        await call.press(f"41555501{i:02d}")
        await arrives(call, confirms)
        await asyncio.sleep(UNDERSTANDING)
        await call.press("1")

    everyone = [asyncio.create_task(one(i)) for i in range(20, 70)]
    there = [await far_end.next_call(within=60) for _ in everyone]
    await asyncio.gather(*everyone)
    for call in there:
        await call.answered()
    texted = sorted(request.from_ for request in bridge.fake_hook.requests)
    assert texted == [f"+141555501{i:02d}" for i in range(20, 70)]
    assert (await bridge.states()).count("accepted") == 50
    for call in there:
        await call.hang_up()
    await bridge.idle()
