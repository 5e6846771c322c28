"""Which test calls are placed, and how long placing many may take."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from agi_bridge.doctor import Ear, Id, Level, Lines, Target, place_load, place_test_call
from agi_bridge.doctor.dialplan import read_shipped
from agi_bridge.doctor.pbx import Context
from agi_bridge.doctor.trial import PLACE_SECONDS
from tests.support.doctor_findings import LINE
from tests.support.scripted_pbx import DID, VERSION_2, ScriptedPbx, steps

if TYPE_CHECKING:
    from agi_bridge.doctor.ami import AmiSession
    from agi_bridge.doctor.findings import Finding

TARGET = Target(DID, "from-trunk")
LINES = Lines((LINE,), lambda _: LINE.name)


def placed(pbx: ScriptedPbx) -> int:
    return sum(action == "Originate" for action, _ in pbx.asked)


async def called(pbx: ScriptedPbx, target: Target = TARGET, *, load: int = 0) -> list[Finding]:
    """The findings of a test call whose ear nobody reaches; nothing is waited for."""
    session = cast("AmiSession", pbx)
    async with Ear() as ear:
        if load:
            return await place_load(session, ear, target, LINES, number=load, seconds=0.0)
        found, _ = await place_test_call(session, ear, target, LINES, 0.0, ask_bridge=False)
        return found


@pytest.mark.parametrize("load", [0, 3])
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    "own",
    ["Set(AGI_BRIDGE_FALLBACK_GOTO=shop,s,1)", "ExecIf($[1]?Set(AGI_BRIDGE_FALLBACK_GOTO=x))"],
)
async def test_no_call_is_placed_that_an_older_dialplan_could_let_ring(
    pbx: ScriptedPbx, own: str, load: int, *, old: bool
) -> None:
    if old:
        pbx.contexts.update(read_shipped(VERSION_2.read_text()))
    there = steps(DID, own, "Goto(agi-bridge,${EXTEN},1)")
    pbx.contexts["from-trunk"] = Context("from-trunk", there)
    found = await called(pbx, load=load)
    which = Id.LOAD if load else Id.CALL
    unseen = [each.fix for each in found if (each.id, each.level) == (which, Level.NOT_LOOKED_AT)]
    assert bool(unseen) is old
    assert all(unseen)
    assert placed(pbx) == (0 if old else load or 1)


@pytest.mark.parametrize("load", [0, 3])
async def test_a_number_that_leads_to_a_telephone_is_not_called(
    pbx: ScriptedPbx, load: int
) -> None:
    pbx.contexts["from-trunk"] = Context("from-trunk", steps(DID, "Dial(PJSIP/100)"))
    found = await called(pbx, load=load)
    which = Id.LOAD if load else Id.CALL
    assert [each.level for each in found if each.id is which] == [Level.NOT_LOOKED_AT]
    assert placed(pbx) == 0


async def test_an_older_dialplan_takes_the_calls_of_other_numbers(pbx: ScriptedPbx) -> None:
    pbx.contexts.update(read_shipped(VERSION_2.read_text()))
    await called(pbx)
    assert placed(pbx) == 1


@pytest.mark.parametrize("load", [0, 3])
async def test_a_number_without_an_extension_is_not_called(pbx: ScriptedPbx, load: int) -> None:
    (found,) = await called(pbx, Target(DID, "nowhere"), load=load)
    assert (found.id, found.level) == (Id.DIALPLAN_DID, Level.FAULT)
    assert placed(pbx) == 0


async def test_a_call_says_that_it_is_a_test_call_and_to_which_ear(pbx: ScriptedPbx) -> None:
    await called(pbx)
    (given,) = (headers for action, headers in pbx.asked if action == "Originate")
    variables = cast("list[str]", given["Variable"])
    values = dict(each.split("=", 1) for each in variables)
    assert values["AGI_BRIDGE_TEST_CALL"] == values["AGI_BRIDGE_URL"] != ""
    assert values["AGI_BRIDGE_TOKEN"] not in values["AGI_BRIDGE_TEST_CALL"]


async def test_placing_many_calls_ends_in_time_however_slow_the_pbx_is(pbx: ScriptedPbx) -> None:
    pbx.seconds_each = 1.0
    (found,) = await called(pbx, load=500)
    assert placed(pbx) == PLACE_SECONDS
    assert (found.id, found.level) == (Id.LOAD, Level.FAULT)
    assert found.what.startswith("0 of 500 ")
    assert "492 at placing" in found.what
