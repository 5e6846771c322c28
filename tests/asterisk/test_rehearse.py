"""What `rehearse` promises of an ending is what a caller on the real Asterisk gets."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from agi_bridge.cli.rehearse.report import rehearsed
from agi_bridge.hook.testing import Scenario
from agi_bridge.lab.sip.phone import Behaviour, SipPhone
from tests.support.bridge_fixture import DIGITS, FORWARD, UNDERSTANDING, BridgeFixture
from tests.support.call_env import settings
from tests.support.heard import hears, keyed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from agi_bridge.cli.rehearse.report import Kind, Result
    from agi_bridge.lab.sip.call import Call
    from tests.asterisk.conftest import Pbx

pytestmark = pytest.mark.asterisk

DIGIT = re.compile(r"(?:digit-)?[0-9]|digits")
FALLBACK = "42"
"""The keys that a caller hears at the fallback of these tests."""

ENDINGS: Mapping[str, Scenario] = {
    "hook_dial": Scenario.DIAL,
    "hook_say": Scenario.SAY,
    "hook_not_linked": Scenario.NOT_LINKED,
    "hook_403": Scenario.INVALID_KEY,
    "hook_garbage": Scenario.GARBAGE,
    "far_end_busy": Scenario.DIAL,
    "star_unreached": Scenario.DIAL,
}


@pytest.fixture(scope="module")
def promised(short_prompts: Path) -> Mapping[str, Result]:
    """Every ending of the line, as it is rehearsed with the prompts of these tests."""
    given = settings(tables={"speech": {"prompts": str(short_prompts)}}, digits="own")
    ((_, results),) = asyncio.run(rehearsed(given, None)).lines
    return {result.ending.code: result for result in results}


@pytest.fixture
def result(promised: Mapping[str, Result], request: pytest.FixtureRequest) -> Result:
    """Return what was rehearsed of the ending that a test names."""
    return promised[request.param]


def presses(ending: str) -> dict[str, str]:
    """What the caller keys, by the prompt that asks for it."""
    if ending == "star_unreached":
        return {"disclosure": "*"}
    return {"enter-number": DIGITS, "confirm-number": "1"}


def prompts(result: Result) -> Iterator[str]:
    """The prompts that are promised, in order; the digits of a number are left out."""
    return (each.prompt for each in result.heard if not DIGIT.fullmatch(each.prompt))


async def follow(bridge: BridgeFixture, call: Call, result: Result) -> None:
    """Be that caller: hear each prompt after the one before, and answer it."""
    keys, before = presses(result.ending.code), 0.0
    for prompt in prompts(result):
        pressed = keys.get(prompt)
        path = bridge.prompts / "en" / f"{prompt}.wav"
        heard = await hears(call, path, 200 if pressed else None, within=40)
        assert heard.at >= before, prompt
        before = heard.at
        if prompt == "confirm-number":
            await asyncio.sleep(UNDERSTANDING)  # in the first second, no key is an answer
        if pressed:
            await call.press(pressed)


async def arrives(kind: Kind, call: Call, far_end: SipPhone, shop: SipPhone) -> None:
    """The call is where it was promised to be."""
    match kind:
        case "forward":
            there = await far_end.next_call(within=20)
            assert there.number == FORWARD
        case "default":
            there = await shop.next_call(within=20)
        case _:
            assert kind == "fallback"
            await keyed(call, FALLBACK, within=20)
            return
    await there.answered()
    await call.hang_up()


@pytest.mark.parametrize("result", ENDINGS, indirect=True)
async def test_a_real_caller_gets_what_was_rehearsed(
    result: Result, pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, shop: SipPhone
) -> None:
    code = result.ending.code
    await pbx.asterisk.set_global("AGI_BRIDGE_FALLBACK_GOTO", "elsewhere,s,1")
    bridge.fake_hook.scenario = ENDINGS[code]
    far_end.behaviour = Behaviour.BUSY if code == "far_end_busy" else Behaviour.ANSWER
    shop.behaviour = Behaviour.NOT_FOUND if code == "star_unreached" else Behaviour.ANSWER
    await bridge.open()
    call = await pbx.call()
    await follow(bridge, call, result)
    await arrives(result.kind, call, far_end, shop)
    await call.ended()
    await bridge.stored(*result.states)
    assert len(bridge.fake_hook.requests) == result.requests
