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
    pbx: Pbx, house: BridgeFixture, far_end: SipPhone
) -> None:
    house.prompts = SHIPPED
    await house.open()
    call = await pbx.call()
    await house.agrees(call)
    there = await far_end.next_call(within=20)
    assert there.number == FORWARD
    await there.answered()
    for name in ("disclosure", "accepted"):
        recording = SHIPPED / "en" / f"{name}.wav"
        assert exact(call, recording).milliseconds == pytest.approx(
            recording.stat().st_size / 16, abs=25
        )
    await talk(call, there)
    await house.stored(*AGREEMENT, "accepted")
    (request,) = house.fake_hook.requests
    assert request.from_ == NUMBER
    disclosed = (await house.events())[0]
    assert disclosed.body["complete"] is True
    await there.hang_up()
    await call.ended()
    await house.idle()
    assert pbx.log().count("WARNING") == 0


async def test_a_star_during_the_disclosure_connects_at_once_without_a_text(
    pbx: Pbx, house: BridgeFixture, shop: SipPhone
) -> None:
    house.prompts = SHIPPED
    await house.open()
    call = await pbx.call()
    await hears(call, SHIPPED / "en" / "disclosure.wav", 1000)
    await call.press("5*")
    there = await shop.next_call()
    await there.answered()
    await house.hears(call, "declined")
    assert exact(call, SHIPPED / "en" / "disclosure.wav").milliseconds < 10_000
    assert await house.states() == ["disclosed", "declined"]
    assert house.fake_hook.requests == []
    await call.hang_up()


async def test_a_wrong_number_then_the_right_one(
    pbx: Pbx, house: BridgeFixture, far_end: SipPhone
) -> None:
    await house.open()
    call = await pbx.call()
    await house.keys(call, "4115550123")
    await house.hears(call, "invalid-number")
    await call.press(DIGITS)
    await house.answers(call)
    await (await far_end.next_call()).answered()
    assert [request.from_ for request in house.fake_hook.requests] == [NUMBER]
    await call.hang_up()


async def test_a_caller_who_changes_the_number(
    pbx: Pbx, house: BridgeFixture, far_end: SipPhone
) -> None:
    await house.open()
    call = await pbx.call()
    await house.keys(call, "4155550124")
    await house.answers(call, "2")
    call.media.packets.clear()  # what is heard from here on
    await house.keys(call)
    await house.answers(call)
    await (await far_end.next_call()).answered()
    assert [request.from_ for request in house.fake_hook.requests] == [NUMBER]
    await call.hang_up()


async def test_fast_keys_are_not_lost(pbx: Pbx, house: BridgeFixture, far_end: SipPhone) -> None:
    """A dialler's keys: 60 ms long, 60 ms apart, from the middle of the prompt on."""
    await house.open()
    call = await pbx.call()
    await hears(call, house.prompts / "en" / "enter-number.wav", 200)
    await call.press(DIGITS, duration=0.06, gap=0.06)
    await house.answers(call)
    await (await far_end.next_call()).answered()
    assert [request.from_ for request in house.fake_hook.requests] == [NUMBER]
    await call.hang_up()


async def test_silence_leads_to_the_default_destination(
    pbx: Pbx, house: BridgeFixture, shop: SipPhone
) -> None:
    await house.open(consent={**IMPATIENT, "entry_tries": 2})
    call = await pbx.call()
    await (await shop.next_call(within=20)).answered()
    await house.hears(call, "no-input")
    await house.hears(call, "declined")
    assert (await house.events())[-1].body["reason"] == "no_input"
    await call.hang_up()


async def test_the_language_menu_leads_to_spanish(
    pbx: Pbx, house: BridgeFixture, far_end: SipPhone
) -> None:
    await house.open(languages=["en", "es"])
    call = await pbx.call()
    await house.hears(call, "language-menu-item", "es")
    await call.press("2")
    await house.keys(call, DIGITS, "es")
    await house.hears(call, "you-entered", "es")
    await hears(call, pbx.sound("digits/4", "es"))
    await house.answers(call, "1", "es")
    await (await far_end.next_call()).answered()
    assert (await house.events())[0].body["lang"] == "es"
    await call.hang_up()


# Hangups


async def test_a_hangup_before_the_number(pbx: Pbx, house: BridgeFixture) -> None:
    await house.open()
    call = await pbx.call()
    await hears(call, house.prompts / "en" / "disclosure.wav", 200)
    await call.hang_up()
    await house.idle()
    await house.stored("disclosed", "abandoned")


async def test_a_hangup_while_keying(pbx: Pbx, house: BridgeFixture) -> None:
    await house.open()
    call = await pbx.call()
    await house.keys(call, "4155")
    await call.hang_up()
    await house.idle()
    await house.stored("disclosed", "abandoned")


async def test_a_hangup_at_the_confirmation(pbx: Pbx, house: BridgeFixture) -> None:
    await house.open()
    call = await pbx.call()
    await house.keys(call, DIGITS)
    await house.hears(call, "you-entered")
    await call.hang_up()
    await house.idle()
    await house.stored("disclosed", "entered", "abandoned")
    assert house.fake_hook.requests == []


async def test_a_hangup_after_1_while_the_hook_thinks_still_texts_once(
    pbx: Pbx, house: BridgeFixture, far_end: SipPhone
) -> None:
    house.fake_hook.scenario = "slow"
    await house.open()
    call = await pbx.call()
    await house.agrees(call)
    await house.fake_hook.received()
    await call.hang_up()
    house.fake_hook.hold.set()
    await house.stored(*AGREEMENT, "accepted")
    await house.idle()
    assert len(house.fake_hook.requests) == 1
    assert far_end.calls == []


async def test_a_hangup_in_the_dialled_call(
    pbx: Pbx, house: BridgeFixture, far_end: SipPhone
) -> None:
    await house.open()
    call = await pbx.call()
    await house.agrees(call)
    there = await far_end.next_call()
    await there.answered()
    await call.hang_up()
    await there.ended()
    await house.idle()
    assert len(far_end.calls) == 1


# The hook


@pytest.mark.parametrize(
    ("scenario", "state"),
    [("refuse", "not_sent"), ("403", "refused"), ("garbage", "unknown"), ("500", "unknown")],
)
async def test_a_hook_that_fails_leads_to_the_default_destination(
    pbx: Pbx, house: BridgeFixture, shop: SipPhone, scenario: str, state: str
) -> None:
    house.fake_hook.scenario = scenario
    await house.fake_hook.settled()
    await house.open()
    call = await pbx.call()
    await house.agrees(call)
    await (await shop.next_call()).answered()
    await house.hears(call, "not-confirmed")
    await house.stored(*AGREEMENT, state)
    await call.hang_up()


async def test_a_hook_that_is_too_slow_leads_to_the_default_destination(
    pbx: Pbx, house: BridgeFixture, shop: SipPhone
) -> None:
    house.fake_hook.scenario = "slow"
    await house.open({"hook": {"total_seconds": 3}})
    call = await pbx.call()
    await house.agrees(call)
    await house.hears(call, "please-hold")
    await (await shop.next_call()).answered()
    await house.stored(*AGREEMENT, "unknown")
    await call.hang_up()


@pytest.mark.parametrize("language", ["en", "fr"])
async def test_a_text_of_the_hook_is_heard_in_the_callers_language(
    pbx: Pbx, house: BridgeFixture, shop: SipPhone, language: str
) -> None:
    house.fake_hook.scenario = "say"
    await house.open(languages=[language])
    call = await pbx.call()
    await house.keys(call, DIGITS, language)
    await house.answers(call, "1", language)
    await (await shop.next_call()).answered()
    await house.hears(call, "no-forwarding", language)
    await call.hang_up()


async def test_a_text_that_only_the_hook_knows_is_heard_through_the_engine(
    pbx: Pbx, house: BridgeFixture, shop: SipPhone, tmp_path: Path
) -> None:
    engine = default_tree() / "bin" / "espeak-ng"
    house.fake_hook.forward = '</Dial><Say>The shop is closed, until nine; "${EXTEN}".</Say><Dial>'
    argv = [str(engine), "-v", "{language}", "-w", "{output}", "--stdin"]
    espeak = {"kind": "command", "command": argv}
    await house.open({"speech": {"prompts": str(house.prompts), "engines": [espeak]}})
    call = await pbx.call()
    await house.agrees(call)
    await (await shop.next_call()).answered()
    (spoken,) = (tmp_path / "speech").rglob("*.wav")
    await hears(call, spoken)
    await call.hang_up()
