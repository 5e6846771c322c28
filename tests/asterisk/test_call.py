"""What a caller experiences: real SIP, RTP and keys, a real Asterisk 22, a real bridge."""

from __future__ import annotations

import asyncio
import math
import signal
from array import array
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from agi_bridge.speech import SHIPPED
from agi_bridge.tools import g711
from agi_bridge.tools.provision import default_tree
from agi_bridge.tools.sip_call import Call, End
from agi_bridge.tools.sip_phone import Behaviour, SipPhone
from agi_bridge.tools.stand_in import StandIn
from tests.asterisk.heard import exact, hears, recording
from tests.asterisk.house import DIGITS, FORWARD, NUMBER, House, shorten

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.asterisk.conftest import Pbx

pytestmark = pytest.mark.asterisk

AGREEMENT = ("disclosed", "entered", "confirmed", "submitting")
IMPATIENT = {"first_digit_seconds": 1, "between_digits_seconds": 1, "entry_seconds": 9}


@pytest.fixture(scope="session")
def short_prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prompts")
    shorten(folder)
    return folder


@pytest_asyncio.fixture
async def house(pbx: Pbx, short_prompts: Path, tmp_path: Path) -> AsyncIterator[House]:
    async with StandIn() as stand_in:
        made = House(pbx, short_prompts, tmp_path, stand_in)
        yield made
        await made.close()


def tone(hertz: float, seconds: float) -> array[int]:
    return array(
        "h", (int(8000 * math.sin(i * hertz * math.tau / 8000)) for i in range(int(8000 * seconds)))
    )


async def talk(call: Call, there: Call) -> None:
    """Both hear each other."""
    low, high = tone(440, 2), tone(1000, 2)
    call.play(low)
    there.play(high)
    await hears(there, low[: 8000 // 2])
    await hears(call, high[: 8000 // 2])


async def test_a_caller_who_agrees_hears_all_of_it_and_is_connected(
    pbx: Pbx, house: House, far_end: SipPhone
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
    (request,) = house.stand_in.requests
    assert request.from_ == NUMBER
    disclosed = (await house.events())[0]
    assert disclosed.body["complete"] is True
    await there.hang_up()
    await call.ended()
    await house.idle()
    assert pbx.log().count("WARNING") == 0


async def test_a_star_during_the_disclosure_connects_at_once_without_a_text(
    pbx: Pbx, house: House, shop: SipPhone
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
    assert house.stand_in.requests == []
    await call.hang_up()


async def test_a_wrong_number_then_the_right_one(pbx: Pbx, house: House, far_end: SipPhone) -> None:
    await house.open()
    call = await pbx.call()
    await house.keys(call, "4115550123")
    await house.hears(call, "invalid-number")
    await call.press(DIGITS)
    await house.hears(call, "you-entered")
    await call.press("1")
    await (await far_end.next_call()).answered()
    assert [request.from_ for request in house.stand_in.requests] == [NUMBER]
    await call.hang_up()


async def test_a_caller_who_changes_the_number(pbx: Pbx, house: House, far_end: SipPhone) -> None:
    await house.open()
    call = await pbx.call()
    await house.keys(call, "4155550124")
    await house.hears(call, "you-entered")
    await call.press("2")
    call.media.packets.clear()  # what is heard from here on
    await house.keys(call)
    await house.hears(call, "you-entered")
    await call.press("1")
    await (await far_end.next_call()).answered()
    assert [request.from_ for request in house.stand_in.requests] == [NUMBER]
    await call.hang_up()


async def test_fast_keys_are_not_lost(pbx: Pbx, house: House, far_end: SipPhone) -> None:
    """A dialler's keys: 60 ms long, 60 ms apart, from the middle of the prompt on."""
    await house.open()
    call = await pbx.call()
    await hears(call, house.prompts / "en" / "enter-number.wav", 200)
    await call.press(DIGITS, duration=0.06, gap=0.06)
    await house.hears(call, "you-entered")
    await call.press("1")
    await (await far_end.next_call()).answered()
    assert [request.from_ for request in house.stand_in.requests] == [NUMBER]
    await call.hang_up()


async def test_silence_leads_to_the_default_destination(
    pbx: Pbx, house: House, shop: SipPhone
) -> None:
    await house.open(consent={**IMPATIENT, "entry_tries": 2})
    call = await pbx.call()
    await (await shop.next_call(within=20)).answered()
    await house.hears(call, "no-input")
    await house.hears(call, "declined")
    assert (await house.events())[-1].body["reason"] == "no_input"
    await call.hang_up()


async def test_the_language_menu_leads_to_spanish(
    pbx: Pbx, house: House, far_end: SipPhone
) -> None:
    await house.open(languages=["en", "es"])
    call = await pbx.call()
    await house.hears(call, "language-menu-item", "es")
    await call.press("2")
    await house.keys(call, DIGITS, "es")
    await house.hears(call, "you-entered", "es")
    await hears(call, pbx.sound("digits/4", "es"))
    await call.press("1")
    await (await far_end.next_call()).answered()
    assert (await house.events())[0].body["lang"] == "es"
    await call.hang_up()


# Hangups


async def test_a_hangup_before_the_number(pbx: Pbx, house: House) -> None:
    await house.open()
    call = await pbx.call()
    await hears(call, house.prompts / "en" / "disclosure.wav", 200)
    await call.hang_up()
    await house.idle()
    await house.stored("disclosed", "abandoned")


async def test_a_hangup_while_keying(pbx: Pbx, house: House) -> None:
    await house.open()
    call = await pbx.call()
    await house.keys(call, "4155")
    await call.hang_up()
    await house.idle()
    await house.stored("disclosed", "abandoned")


async def test_a_hangup_at_the_confirmation(pbx: Pbx, house: House) -> None:
    await house.open()
    call = await pbx.call()
    await house.keys(call, DIGITS)
    await house.hears(call, "you-entered")
    await call.hang_up()
    await house.idle()
    await house.stored("disclosed", "entered", "abandoned")
    assert house.stand_in.requests == []


async def test_a_hangup_after_1_while_the_hook_thinks_still_texts_once(
    pbx: Pbx, house: House, far_end: SipPhone
) -> None:
    house.stand_in.scenario = "slow"
    await house.open()
    call = await pbx.call()
    await house.agrees(call)
    await house.stand_in.received()
    await call.hang_up()
    house.stand_in.hold.set()
    await house.stored(*AGREEMENT, "accepted")
    await house.idle()
    assert len(house.stand_in.requests) == 1
    assert far_end.calls == []


async def test_a_hangup_in_the_dialled_call(pbx: Pbx, house: House, far_end: SipPhone) -> None:
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
    pbx: Pbx, house: House, shop: SipPhone, scenario: str, state: str
) -> None:
    house.stand_in.scenario = scenario
    await house.stand_in.settled()
    await house.open()
    call = await pbx.call()
    await house.agrees(call)
    await (await shop.next_call()).answered()
    await house.hears(call, "not-confirmed")
    await house.stored(*AGREEMENT, state)
    await call.hang_up()


async def test_a_hook_that_is_too_slow_leads_to_the_default_destination(
    pbx: Pbx, house: House, shop: SipPhone
) -> None:
    house.stand_in.scenario = "slow"
    await house.open({"hook": {"total_seconds": 3}})
    call = await pbx.call()
    await house.agrees(call)
    await house.hears(call, "please-hold")
    await (await shop.next_call()).answered()
    await house.stored(*AGREEMENT, "unknown")
    await call.hang_up()


@pytest.mark.parametrize("language", ["en", "fr"])
async def test_a_text_of_the_hook_is_heard_in_the_callers_language(
    pbx: Pbx, house: House, shop: SipPhone, language: str
) -> None:
    house.stand_in.scenario = "say"
    await house.open(languages=[language])
    call = await pbx.call()
    await house.keys(call, DIGITS, language)
    await house.hears(call, "you-entered", language)
    await call.press("1")
    await (await shop.next_call()).answered()
    await house.hears(call, "no-forwarding", language)
    await call.hang_up()


async def test_a_text_that_only_the_hook_knows_is_heard_through_the_engine(
    pbx: Pbx, house: House, shop: SipPhone, tmp_path: Path
) -> None:
    engine = default_tree() / "bin" / "espeak-ng"
    house.stand_in.forward = '</Dial><Say>The shop is closed, until nine; "${EXTEN}".</Say><Dial>'
    argv = [str(engine), "-v", "{language}", "-w", "{output}", "--stdin"]
    await house.open({"speech": {"prompts": str(house.prompts), "engine": argv}})
    call = await pbx.call()
    await house.agrees(call)
    await (await shop.next_call()).answered()
    (spoken,) = (tmp_path / "speech").rglob("*.wav")
    await hears(call, spoken)
    await call.hang_up()


# The far end


@pytest.mark.parametrize(
    "behaviour", [Behaviour.BUSY, Behaviour.RING, Behaviour.CONGESTION, Behaviour.NOT_FOUND]
)
async def test_a_far_end_that_does_not_answer_leads_to_a_word_and_the_default(
    pbx: Pbx, house: House, far_end: SipPhone, shop: SipPhone, behaviour: Behaviour
) -> None:
    far_end.behaviour = behaviour
    await house.open(ring_seconds=5)
    call = await pbx.call()
    await house.agrees(call)
    there = await shop.next_call(within=20)
    await there.answered()
    await house.hears(call, "busy" if behaviour is Behaviour.BUSY else "no-answer")
    await talk(call, there)
    await call.hang_up()


async def test_if_the_default_does_not_answer_either_the_dialplans_last_resort_does(
    pbx: Pbx, house: House, shop: SipPhone
) -> None:
    default = {"kind": "dial", "destination": "PJSIP/softphone"}  # registered nowhere
    await house.open(default=default)
    call = await pbx.call()
    await hears(call, house.prompts / "en" / "disclosure.wav", 200)
    await call.press("*")
    await house.hears(call, "no-answer")
    await (await shop.next_call()).answered()
    await call.hang_up()


# Who dials


async def test_the_dialplan_dials_where_the_line_says_so(
    pbx: Pbx, house: House, far_end: SipPhone
) -> None:
    await house.open(dial="dialplan")
    call = await pbx.call()
    await house.agrees(call)
    there = await far_end.next_call()
    await there.answered()
    assert there.number == FORWARD
    await house.idle()  # the bridge is out of it
    await talk(call, there)
    await there.hang_up()
    await call.ended()


async def test_the_dialplan_takes_the_default_where_the_line_says_so(
    pbx: Pbx, house: House, far_end: SipPhone, shop: SipPhone
) -> None:
    far_end.behaviour = Behaviour.BUSY
    await house.open(dial="dialplan")
    call = await pbx.call()
    await house.agrees(call)
    await (await shop.next_call()).answered()
    await call.hang_up()


async def test_a_default_in_the_dialplan(pbx: Pbx, house: House) -> None:
    place = {"kind": "dialplan", "context": "elsewhere", "extension": "s", "priority": 1}
    await house.open(default=place)
    call = await pbx.call()
    await hears(call, house.prompts / "en" / "disclosure.wav", 200)
    await call.press("*")
    await call.ended()
    assert call.media.keys == "42"


# The bridge dies


async def test_a_bridge_killed_during_the_disclosure_leaves_the_caller_to_the_default(
    pbx: Pbx, house: House, shop: SipPhone
) -> None:
    house.prompts = SHIPPED
    async with house.process() as process:
        call = await pbx.call()
        await hears(call, SHIPPED / "en" / "disclosure.wav", 500)
        process.send_signal(signal.SIGKILL)
        await (await shop.next_call()).answered()
    await call.hang_up()


async def test_a_bridge_killed_in_the_bridged_call_does_not_end_it(
    pbx: Pbx, house: House, far_end: SipPhone, shop: SipPhone
) -> None:
    async with house.process() as process:
        call = await pbx.call()
        await house.agrees(call)
        there = await far_end.next_call()
        await there.answered()
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await talk(call, there)
        await there.hang_up()
        await call.ended()
    assert call.ended_by is End.THERE
    assert shop.calls == []
    await house.stored(*AGREEMENT, "accepted")


async def test_a_bridge_killed_while_the_hook_thinks_never_sends_again(
    pbx: Pbx, house: House, shop: SipPhone
) -> None:
    house.stand_in.scenario = "slow"
    async with house.process() as process:
        call = await pbx.call()
        await house.agrees(call)
        await house.stand_in.received()
        process.send_signal(signal.SIGKILL)
        await (await shop.next_call()).answered()
        await call.hang_up()
    assert await house.states() == list(AGREEMENT)
    await house.open()
    assert await house.states() == [*AGREEMENT, "unknown"]
    assert len(house.stand_in.requests) == 1


# Many


def beginning(path: Path) -> bytes:
    """The first 200 ms as Asterisk sends them (see `exact`)."""
    return g711.encode(array("h", (sample | 3 for sample in recording(path)[:1600])))


async def arrives(call: Call, sound: bytes) -> None:
    """Wait until exactly these bytes have come: cheap enough for fifty calls at once."""
    async with asyncio.timeout(60):
        while sound not in b"".join(packet.payload for packet in call.media.packets[-200:]):
            await call.media.news()


async def test_fifty_callers_at_once(pbx: Pbx, house: House, far_end: SipPhone) -> None:
    await house.open()
    caller = await pbx.telephone("softphone", registers=False)
    caller.quiet = far_end.quiet = True

    asks = beginning(house.prompts / "en" / "enter-number.wav")
    confirms = beginning(house.prompts / "en" / "you-entered.wav")

    async def one(i: int) -> None:
        call = await caller.dial("+14155550111", caller_id=f"+1514555{i:04d}")
        await call.answered(within=30)
        await arrives(call, asks)
        await call.press(f"41555501{i:02d}")
        await arrives(call, confirms)
        await call.press("1")

    everyone = [asyncio.create_task(one(i)) for i in range(10, 60)]
    there = [await far_end.next_call(within=60) for _ in everyone]
    await asyncio.gather(*everyone)
    for call in there:
        await call.answered()
    texted = sorted(request.from_ for request in house.stand_in.requests)
    assert texted == [f"+141555501{i:02d}" for i in range(10, 60)]
    assert (await house.states()).count("accepted") == 50
    for call in there:
        await call.hang_up()
    await house.idle()
