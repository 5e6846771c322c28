"""The rules of consent as callers meet them: real keys, a real Asterisk 22, a real ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.speech import SHIPPED
from tests.support.bridge_fixture import FORWARD, NUMBER, BridgeFixture
from tests.support.heard import exact, hears

if TYPE_CHECKING:
    from agi_bridge.lab.sip.phone import SipPhone
    from tests.asterisk.conftest import Pbx

pytestmark = pytest.mark.asterisk

OPT_OUT: dict[str, Any] = {"opt_out_key": "9"}


async def test_the_opt_out_key_is_offered_heard_and_obeyed(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone
) -> None:
    bridge.prompts = SHIPPED
    await bridge.open(consent=OPT_OUT, digits="pbx")
    call = await pbx.call(caller_id=NUMBER)
    await bridge.hears(call, "opt-out-offer")
    await hears(call, pbx.sound("digits/9"))
    await call.press("9")
    await hears(call, SHIPPED / "en" / "enter-number.wav", 500)  # this number never agreed
    await call.press("*")
    await (await shop.next_call()).answered()
    await bridge.hears(call, "opted-out")
    await call.hang_up()
    await bridge.idle()
    assert await bridge.states() == []


async def test_a_caller_without_caller_id_keys_the_number_to_opt_out(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone, far_end: SipPhone
) -> None:
    await bridge.open(consent={**OPT_OUT, "caller_id_trust": "any"})
    call = await pbx.call(caller_id="anonymous")
    await hears(call, bridge.prompts / "en" / "opt-out-offer.wav", 200)
    await call.press("9")
    await bridge.keys(call)
    await bridge.hears(call, "you-entered")
    call.media.packets.clear()  # the offer was heard before; now it is the question
    await bridge.answers(call, question="opt-out-offer")
    await (await shop.next_call()).answered()
    await bridge.hears(call, "opted-out")
    await call.hang_up()

    # From now on nobody else can have that number texted ...
    call = await pbx.call()
    await bridge.agrees(call)
    await (await shop.next_call()).answered()
    await bridge.hears(call, "declined")
    assert bridge.fake_hook.requests == []
    await call.hang_up()

    # ... but its owner may change their mind.
    call = await pbx.call(caller_id=NUMBER)
    await bridge.agrees(call)
    assert (await far_end.next_call()).number == FORWARD
    assert [request.from_ for request in bridge.fake_hook.requests] == [NUMBER]
    await call.hang_up()


async def test_a_returning_caller_hears_no_disclosure(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone
) -> None:
    await bridge.open(consent={"returning": "skip", "caller_id_trust": "any", "opt_out_key": "9"})
    call = await pbx.call(caller_id=NUMBER)
    await bridge.agrees(call)
    await (await far_end.next_call()).answered()
    await call.hang_up()
    await bridge.idle()
    call = await pbx.call(caller_id=NUMBER)
    await bridge.hears(call, "returning")
    there = await far_end.next_call()
    await there.answered()
    await bridge.hears(call, "accepted")
    assert exact(call, bridge.prompts / "en" / "disclosure.wav").milliseconds == 0
    assert [request.from_ for request in bridge.fake_hook.requests] == [NUMBER, NUMBER]
    assert (await bridge.states())[-3:] == ["returned", "submitting", "accepted"]
    await call.hang_up()


async def test_beyond_the_numbers_limit_the_caller_is_connected_without_a_text(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, shop: SipPhone
) -> None:
    await bridge.open(limits={"number_per_day": 1})
    call = await pbx.call()
    await bridge.agrees(call)
    await (await far_end.next_call()).answered()
    await call.hang_up()
    call = await pbx.call()
    await bridge.agrees(call)
    await (await shop.next_call()).answered()
    await bridge.hears(call, "declined")
    assert len(bridge.fake_hook.requests) == 1
    last = (await bridge.events())[-1]
    assert (last.type, last.body["reason"]) == ("declined", "number_limit")
    await call.hang_up()


async def test_the_record_names_the_call_as_the_pbx_does(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone
) -> None:
    await pbx.asterisk.set_global("AGI_BRIDGE_ATTESTATION", "B")
    await bridge.open()
    call = await pbx.call()
    await hears(call, bridge.prompts / "en" / "disclosure.wav", 200)
    await call.press("*")
    await (await shop.next_call()).answered()
    body = (await bridge.events())[0].body
    assert body["attestation"] == "B"
    assert body["linked_id"] == body["call_uid"] != ""
    await call.hang_up()
