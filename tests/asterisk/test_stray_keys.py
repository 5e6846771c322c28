"""Keys that nobody asked for, as they reach a real Asterisk: none of them is consent.

A key comes doubled (line noise, in-band and RFC 4733 digits together, a nervous finger), one digit
is too many, or 1 is pressed out of habit before the question.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.support.bridge_fixture import DIGITS, NUMBER, UNDERSTANDING
from tests.support.heard import arrives, beginning, hears

if TYPE_CHECKING:
    from agi_bridge.lab.sip.call import Call
    from agi_bridge.lab.sip.phone import SipPhone
    from tests.asterisk.conftest import Pbx
    from tests.support.bridge_fixture import BridgeFixture

pytestmark = pytest.mark.asterisk

TRIES = 3


def texted(bridge: BridgeFixture) -> list[str]:
    return [request.from_ for request in bridge.fake_hook.requests]


@pytest.mark.parametrize("keys", ["41555550121", "44155550123", "4155550123#1"])
@pytest.mark.usefixtures("shop")
async def test_a_digit_too_many_is_not_an_agreement(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, keys: str
) -> None:
    """The right number is asked for again, and no key that is left over begins it."""
    await bridge.open()
    call = await pbx.call()
    await bridge.keys(call, keys)
    await bridge.hears(call, "invalid-number")
    assert [event.type.value for event in await bridge.events() if event.type == "confirmed"] == []
    assert texted(bridge) == []
    await call.press(DIGITS)
    await bridge.answers(call)
    await (await far_end.next_call()).answered()
    assert texted(bridge) == [NUMBER]
    await call.hang_up()


@pytest.mark.usefixtures("shop")
async def test_1_counts_only_once_the_question_has_begun(pbx: Pbx, bridge: BridgeFixture) -> None:
    await bridge.open()
    call = await pbx.call()
    for moment, least in (("you-entered", 200.0), ("digit-4", 80.0), ("digit-1", 80.0)):
        await bridge.keys(call, DIGITS)
        await hears(call, bridge.prompts / "en" / f"{moment}.wav", least, within=40)
        call.media.packets.clear()  # what is heard from here on
        await call.press("1")
        await bridge.hears(call, "invalid-number" if moment != "digit-1" else "declined")
    assert texted(bridge) == []
    await call.hang_up()


async def test_hash_after_the_number_and_a_doubled_1_agree_once(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone
) -> None:
    await bridge.open()
    call = await pbx.call()
    await bridge.keys(call, f"{DIGITS}#")
    await bridge.answers(call, "11")
    await (await far_end.next_call()).answered()
    assert texted(bridge) == [NUMBER]
    await call.hang_up()


class OddCaller:
    """Keys a distinct number with slips at random; knows whether they have agreed."""

    def __init__(self, call: Call, bridge: BridgeFixture, number: str, seed: int) -> None:
        self.number = number
        self.agreed = False
        self._call = call
        self._random = Random(seed)  # noqa: S311 - not a secret
        self._asks = beginning(bridge.prompts / "en" / "enter-number.wav")
        self._question = beginning(bridge.prompts / "en" / "confirm-number.wav")

    async def speak(self) -> None:
        """Key until the number was right, or for as many tries as there are."""
        for _ in range(TRIES):
            await arrives(self._call, self._asks)
            slip = self._random.choice(["none", "hash", "doubled", "early", "late 2"])
            await self._press(self._with(slip))
            if slip == "early":  # reading back takes 5 s
                await asyncio.sleep(self._random.uniform(0, 2.5))
                await self._press(self._random.choice("0123456789"))
            if slip in {"none", "hash", "late 2"}:
                await arrives(self._call, self._question)
                await asyncio.sleep(UNDERSTANDING)
                await self._press("22" if slip == "late 2" else self._random.choice(["1", "11"]))
            if slip in {"none", "hash"}:
                self.agreed = True
                return
            self._call.media.packets.clear()  # what is heard from here on

    def _with(self, slip: str) -> str:
        if slip == "doubled":
            place = self._random.randrange(10)
            return self.number[: place + 1] + self.number[place:]
        return self.number + ("#" * self._random.randint(1, 3) if slip == "hash" else "")

    async def _press(self, keys: str) -> None:
        held, gap = self._random.uniform(0.05, 0.2), self._random.uniform(0.03, 0.3)
        await self._call.press(keys, duration=held, gap=gap)


@pytest.mark.usefixtures("shop")
async def test_whatever_is_keyed_only_a_number_keyed_alone_and_confirmed_is_texted(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone
) -> None:
    await bridge.open()
    telephone = await pbx.telephone("softphone", registers=False)
    telephone.quiet = far_end.quiet = True

    async def one(seed: int) -> OddCaller:
        call = await telephone.dial("+14155550111", caller_id=f"+1514555{seed:04}")
        await call.answered(within=30)
        caller = OddCaller(call, bridge, f"41555501{seed:02}", seed)
        await caller.speak()
        return caller

    callers = await asyncio.gather(*(one(seed) for seed in range(12, 28)))
    agreed = sorted(f"+1{caller.number}" for caller in callers if caller.agreed)
    for _ in agreed:
        await (await far_end.next_call(within=60)).answered()
    assert 0 < len(agreed) < len(callers)
    assert sorted(texted(bridge)) == agreed
    for call in telephone.calls:
        await call.hang_up()
    await bridge.idle(within=30)
    assert sorted(texted(bridge)) == agreed
