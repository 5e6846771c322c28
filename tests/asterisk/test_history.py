"""The call history of real calls: the timeline says what the caller did, in its order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.history import CallFilter, open_history
from tests.support.bridge_fixture import AGREEMENT, NUMBER, BridgeFixture

if TYPE_CHECKING:
    from agi_bridge.history import Call
    from agi_bridge.lab.sip.phone import SipPhone
    from tests.asterisk.conftest import Pbx

pytestmark = pytest.mark.asterisk


async def recorded(bridge: BridgeFixture) -> Call:
    """The only call of the history, once the service has ended."""
    await bridge.close()
    with open_history(bridge.state_dir, running=False) as reader:
        (call,) = reader.find(CallFilter())
        assert reader.find(CallFilter(number=NUMBER)) == ([call] if call.number else [])
    return call


def of(call: Call, kind: str) -> list[tuple[Any, ...]]:
    return [tuple(details) for _, each, *details in call.events if each == kind]


def when(call: Call, kind: str) -> int:
    return next(ms for ms, each, *_ in call.events if each == kind)


async def test_a_caller_who_agrees_and_talks_leaves_each_step_in_order(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone
) -> None:
    await bridge.open()
    call = await pbx.call()
    await bridge.agrees(call)
    there = await far_end.next_call(within=20)
    await there.answered()
    await there.hang_up()
    await call.ended()
    await bridge.stored(*AGREEMENT, "accepted")
    kept = await recorded(bridge)
    assert (kept.why, kept.hung_up) == ("accepted.forward", "far_end")
    times = [
        when(kept, kind)
        for kind in ("answered", "prompt", "key", "number", "confirm", "stored", "hook", "dial",
                     "dialled")
    ]  # fmt: skip
    assert times == sorted(times)
    assert (kept.ms or 0) >= times[-1]
    prompts = {name: (heard, length, how) for name, _, heard, length, how in of(kept, "prompt")}
    heard, length, how = prompts["disclosure"]
    assert (heard, how) == (length, "whole")
    heard, length, how = prompts["enter-number"]
    assert how == "key"
    assert 0 <= heard <= length
    assert len(of(kept, "key")) == len(NUMBER[2:]) + 1
    assert of(kept, "number") == [("valid",)]
    ((outcome, status, _, _),) = of(kept, "hook")
    assert (outcome, status) == ("accepted", 200)
    assert of(kept, "dialled") == [("forward", "ANSWER")]


async def test_a_caller_who_hangs_up_in_the_disclosure_has_heard_part_of_it(
    pbx: Pbx, bridge: BridgeFixture
) -> None:
    await bridge.open()
    call = await pbx.call()
    await bridge.hears(call, "disclosure")
    await call.hang_up()
    await bridge.stored("disclosed", "abandoned")
    kept = await recorded(bridge)
    assert (kept.why, kept.hung_up, kept.number) == ("unasked.hung_up", "caller", None)
    ((name, _, heard, length, how),) = of(kept, "prompt")
    assert (name, how) == ("disclosure", "hangup")
    assert heard <= length
    assert kept.events[-1][1] == "hung_up"
