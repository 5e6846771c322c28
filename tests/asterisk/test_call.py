"""What a caller experiences: real SIP, RTP and keys, a real Asterisk 22, a real bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.lab.asterisk.provision import default_tree
from agi_bridge.speech import SHIPPED
from tests.support.bridge_fixture import AGREEMENT, DIGITS, FORWARD, NUMBER, BridgeFixture, talk
from tests.support.heard import exact, hears

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.lab.sip.phone import SipPhone
    from tests.asterisk.conftest import Pbx

pytestmark = pytest.mark.asterisk

IMPATIENT = {"first_digit_seconds": 1, "between_digits_seconds": 1, "entry_seconds": 9}


async def test_a_caller_who_agrees_hears_all_of_it_and_is_connected(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone
) -> None:
    bridge.prompts = SHIPPED
    await bridge.open()
    call = await pbx.call()
    await bridge.agrees(call)
    there = await far_end.next_call(within=20)
    assert there.number == FORWARD
    await there.answered()
    for name in ("disclosure", "accepted"):
        recording = SHIPPED / "en" / f"{name}.wav"
        assert exact(call, recording).milliseconds == pytest.approx(
            recording.stat().st_size / 16, abs=25
        )
    await talk(call, there)
    await bridge.stored(*AGREEMENT, "accepted")
    (request,) = bridge.fake_hook.requests
    assert request.from_ == NUMBER
    disclosed = (await bridge.events())[0]
    assert disclosed.body["complete"] is True
    await there.hang_up()
    await call.ended()
    await bridge.idle()
    assert pbx.log().count("WARNING") == 0


async def test_a_star_during_the_disclosure_connects_at_once_without_a_text(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone
) -> None:
    bridge.prompts = SHIPPED
    await bridge.open()
    call = await pbx.call()
    await hears(call, SHIPPED / "en" / "disclosure.wav", 1000)
    await call.press("5*")
    there = await shop.next_call()
    await there.answered()
    await bridge.hears(call, "declined")
    assert exact(call, SHIPPED / "en" / "disclosure.wav").milliseconds < 10_000
    assert await bridge.states() == ["disclosed", "declined"]
    assert bridge.fake_hook.requests == []
    await call.hang_up()


async def test_a_wrong_number_then_the_right_one(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone
) -> None:
    await bridge.open()
    call = await pbx.call()
    await bridge.keys(call, "4115550123")
    await bridge.hears(call, "invalid-number")
    await call.press(DIGITS)
    await bridge.answers(call)
    await (await far_end.next_call()).answered()
    assert [request.from_ for request in bridge.fake_hook.requests] == [NUMBER]
    await call.hang_up()


async def test_a_caller_who_changes_the_number(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone
) -> None:
    await bridge.open()
    call = await pbx.call()
    await bridge.keys(call, "4155550124")
    await bridge.answers(call, "2")
    call.media.packets.clear()  # what is heard from here on
    await bridge.keys(call)
    await bridge.answers(call)
    await (await far_end.next_call()).answered()
    assert [request.from_ for request in bridge.fake_hook.requests] == [NUMBER]
    await call.hang_up()


async def test_fast_keys_are_not_lost(pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone) -> None:
    """A dialler's keys: 60 ms long, 60 ms apart, from the middle of the prompt on."""
    await bridge.open()
    call = await pbx.call()
    await hears(call, bridge.prompts / "en" / "enter-number.wav", 200)
    await call.press(DIGITS, duration=0.06, gap=0.06)
    await bridge.answers(call)
    await (await far_end.next_call()).answered()
    assert [request.from_ for request in bridge.fake_hook.requests] == [NUMBER]
    await call.hang_up()


async def test_silence_leads_to_the_default_destination(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone
) -> None:
    await bridge.open(consent={**IMPATIENT, "entry_tries": 2})
    call = await pbx.call()
    await (await shop.next_call(within=20)).answered()
    await bridge.hears(call, "no-input")
    await bridge.hears(call, "declined")
    assert (await bridge.events())[-1].body["reason"] == "no_input"
    await call.hang_up()


async def test_the_language_menu_leads_to_spanish(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone
) -> None:
    await bridge.open(languages=["en", "es"])
    call = await pbx.call()
    await bridge.hears(call, "language-menu-item", "es")
    await call.press("2")
    await bridge.keys(call, DIGITS, "es")
    await bridge.hears(call, "you-entered", "es")
    await hears(call, pbx.sound("digits/4", "es"))
    await bridge.answers(call, "1", "es")
    await (await far_end.next_call()).answered()
    assert (await bridge.events())[0].body["lang"] == "es"
    await call.hang_up()


# Hangups


async def test_a_hangup_before_the_number(pbx: Pbx, bridge: BridgeFixture) -> None:
    await bridge.open()
    call = await pbx.call()
    await hears(call, bridge.prompts / "en" / "disclosure.wav", 200)
    await call.hang_up()
    await bridge.idle()
    await bridge.stored("disclosed", "abandoned")


async def test_a_hangup_while_keying(pbx: Pbx, bridge: BridgeFixture) -> None:
    await bridge.open()
    call = await pbx.call()
    await bridge.keys(call, "4155")
    await call.hang_up()
    await bridge.idle()
    await bridge.stored("disclosed", "abandoned")


async def test_a_hangup_at_the_confirmation(pbx: Pbx, bridge: BridgeFixture) -> None:
    await bridge.open()
    call = await pbx.call()
    await bridge.keys(call, DIGITS)
    await bridge.hears(call, "you-entered")
    await call.hang_up()
    await bridge.idle()
    await bridge.stored("disclosed", "entered", "abandoned")
    assert bridge.fake_hook.requests == []


async def test_a_hangup_after_1_while_the_hook_thinks_still_texts_once(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone
) -> None:
    bridge.fake_hook.scenario = "slow"
    await bridge.open()
    call = await pbx.call()
    await bridge.agrees(call)
    await bridge.fake_hook.received()
    await call.hang_up()
    bridge.fake_hook.hold.set()
    await bridge.stored(*AGREEMENT, "accepted")
    await bridge.idle()
    assert len(bridge.fake_hook.requests) == 1
    assert far_end.calls == []


async def test_a_hangup_in_the_dialled_call(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone
) -> None:
    await bridge.open()
    call = await pbx.call()
    await bridge.agrees(call)
    there = await far_end.next_call()
    await there.answered()
    await call.hang_up()
    await there.ended()
    await bridge.idle()
    assert len(far_end.calls) == 1


# The hook


@pytest.mark.parametrize(
    ("scenario", "state"),
    [("refuse", "not_sent"), ("403", "refused"), ("garbage", "unknown"), ("500", "unknown")],
)
async def test_a_hook_that_fails_leads_to_the_default_destination(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone, scenario: str, state: str
) -> None:
    bridge.fake_hook.scenario = scenario
    await bridge.fake_hook.settled()
    await bridge.open()
    call = await pbx.call()
    await bridge.agrees(call)
    await (await shop.next_call()).answered()
    await bridge.hears(call, "not-confirmed")
    await bridge.stored(*AGREEMENT, state)
    await call.hang_up()


async def test_a_hook_that_is_too_slow_leads_to_the_default_destination(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone
) -> None:
    bridge.fake_hook.scenario = "slow"
    await bridge.open({"hook": {"total_seconds": 3}})
    call = await pbx.call()
    await bridge.agrees(call)
    await bridge.hears(call, "please-hold")
    await (await shop.next_call()).answered()
    await bridge.stored(*AGREEMENT, "unknown")
    await call.hang_up()


@pytest.mark.parametrize("language", ["en", "fr"])
async def test_a_text_of_the_hook_is_heard_in_the_callers_language(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone, language: str
) -> None:
    bridge.fake_hook.scenario = "say"
    await bridge.open(languages=[language])
    call = await pbx.call()
    await bridge.keys(call, DIGITS, language)
    await bridge.answers(call, "1", language)
    await (await shop.next_call()).answered()
    await bridge.hears(call, "no-forwarding", language)
    await call.hang_up()


async def test_a_text_that_only_the_hook_knows_is_heard_through_the_engine(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone, tmp_path: Path
) -> None:
    engine = default_tree() / "bin" / "espeak-ng"
    bridge.fake_hook.forward = '</Dial><Say>The shop is closed, until nine; "${EXTEN}".</Say><Dial>'
    argv = [str(engine), "-v", "{language}", "-w", "{output}", "--stdin"]
    espeak = {"kind": "command", "command": argv}
    await bridge.open({"speech": {"prompts": str(bridge.prompts), "engines": [espeak]}})
    call = await pbx.call()
    await bridge.agrees(call)
    await (await shop.next_call()).answered()
    (spoken,) = (tmp_path / "speech").rglob("*.wav")
    await hears(call, spoken)
    await call.hang_up()
