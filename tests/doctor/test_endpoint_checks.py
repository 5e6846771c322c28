"""What the doctor finds about where calls go: one thing is wrong, on a scripted PBX."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.doctor.findings import Id, Level
from agi_bridge.doctor.pbx import Context, Step
from tests.support.doctor_findings import configured, found_alone, looked, wrong
from tests.support.scripted_pbx import DID, SHIPPED, ScriptedPbx, endpoint, steps

if TYPE_CHECKING:
    from tests.support.doctor_findings import Faults


FAULTS: Faults = {
    "no fallback": (lambda pbx: pbx.variables.pop("AGI_BRIDGE_FALLBACK"), Id.FALLBACK, Level.FAULT),
    "no such fallback": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_FALLBACK_GOTO="nowhere,1,1"),
        Id.FALLBACK,
        Level.FAULT,
    ),
    "fallback leads back": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_FALLBACK_GOTO=f"agi-bridge,{DID},1"),
        Id.FALLBACK,
        Level.FAULT,
    ),
    "fallback leads back by the trunk": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_FALLBACK_GOTO=f"from-trunk,{DID},1"),
        Id.FALLBACK,
        Level.FAULT,
    ),
    "fallback dials the bridge": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_FALLBACK=f"Local/{DID}@from-trunk/n"),
        Id.FALLBACK,
        Level.FAULT,
    ),
    "fallback is made in the call": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_FALLBACK="PJSIP/${SHOP}"),
        Id.FALLBACK,
        Level.NOT_LOOKED_AT,
    ),
    "fallback has no such label": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_FALLBACK_GOTO="agi-bridge-go-on,s,bell"),
        Id.FALLBACK,
        Level.FAULT,
    ),
    "fallback without technology": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_FALLBACK="100"),
        Id.FALLBACK,
        Level.FAULT,
    ),
    "fallback not registered": (
        lambda pbx: pbx.endpoints.update({"100": endpoint(contact="")}),
        Id.FALLBACK,
        Level.FAULT,
    ),
    "default does not answer": (
        lambda pbx: pbx.endpoints.update({"200": endpoint(contact="Unreachable")}),
        Id.DEFAULT_DESTINATION,
        Level.FAULT,
    ),
    "no default": (lambda pbx: pbx.endpoints.pop("200"), Id.DEFAULT_DESTINATION, Level.FAULT),
    "trunk does not answer": (
        lambda pbx: pbx.endpoints.update(trunk=endpoint(contact="Unreachable")),
        Id.DIAL_TEMPLATE,
        Level.FAULT,
    ),
    "inband": (
        lambda pbx: pbx.endpoints.update(trunk=endpoint(DtmfMode="inband")),
        Id.DTMF,
        Level.FAULT,
    ),
    "info": (
        lambda pbx: pbx.endpoints.update(trunk=endpoint(DtmfMode="info")),
        Id.DTMF,
        Level.NOTE,
    ),
    "no codec": (
        lambda pbx: pbx.endpoints.update(trunk=endpoint(Allow="(nothing)")),
        Id.CODECS,
        Level.FAULT,
    ),
    "g729": (
        lambda pbx: pbx.endpoints.update(trunk=endpoint(Allow="(g729)")),
        Id.CODECS,
        Level.NOTE,
    ),
    "direct media": (
        lambda pbx: pbx.endpoints.update(trunk=endpoint(DirectMedia="true")),
        Id.DIRECT_MEDIA,
        Level.NOTE,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_each_fault_is_found_by_its_id_and_by_no_other(pbx: ScriptedPbx, name: str) -> None:
    await found_alone(pbx, *FAULTS[name])


async def test_a_default_in_the_dialplan_must_exist(pbx: ScriptedPbx) -> None:
    place = {"kind": "dialplan", "context": "main", "extension": "s", "priority": 1}
    elsewhere = configured(default=place)
    assert wrong(await looked(pbx, elsewhere)) == {Id.DEFAULT_DESTINATION: Level.FAULT}
    pbx.contexts["main"] = Context("main", steps("s", "Hangup()"))
    assert wrong(await looked(pbx, elsewhere)) == {}
    assert wrong(await looked(pbx, configured(default={"kind": "hangup"}))) == {}


@pytest.mark.parametrize(
    "default",
    [
        {"kind": "dialplan", "context": "agi-bridge", "extension": DID, "priority": 1},
        {"kind": "dialplan", "context": "from-trunk", "extension": DID, "priority": 1},
        {"kind": "dialplan", "context": "main", "extension": "s", "priority": 2},
        {"kind": "dial", "destination": f"Local/{DID}@from-trunk"},
    ],
)
async def test_a_default_that_leads_back_to_the_bridge_is_a_fault(
    pbx: ScriptedPbx, default: dict[str, object]
) -> None:
    around = (Step("s", 1, "Hangup", ""), Step("s", 2, "Goto", f"from-trunk,{DID},1"))
    pbx.contexts["main"] = Context("main", around)
    found = wrong(await looked(pbx, configured(default=default)))
    assert found == {Id.DEFAULT_DESTINATION: Level.FAULT}


async def test_the_way_back_to_the_gui_is_no_circle(pbx: ScriptedPbx) -> None:
    pbx.contexts["agi-bridge-freepbx"] = SHIPPED["agi-bridge-freepbx"]
    chosen = {"kind": "dialplan", "context": "agi-bridge-freepbx", "extension": "chosen"}
    assert wrong(await looked(pbx, configured(default=chosen))) == {}


@pytest.mark.parametrize(
    ("own", "found"),
    [
        ("AGI_BRIDGE_FALLBACK=PJSIP/200", {}),
        ("__AGI_BRIDGE_FALLBACK_GOTO=main,s,1", {}),
        ("AGI_BRIDGE_FALLBACK=PJSIP/300", {Id.FALLBACK: Level.FAULT}),
        ("AGI_BRIDGE_FALLBACK=", {Id.FALLBACK: Level.FAULT}),
        ("AGI_BRIDGE_FALLBACK=${SHOP}", {Id.FALLBACK: Level.NOT_LOOKED_AT}),
    ],
)
async def test_a_number_may_have_its_own_fallback(
    pbx: ScriptedPbx, own: str, found: dict[Id, Level]
) -> None:
    pbx.variables.pop("AGI_BRIDGE_FALLBACK")
    pbx.contexts["main"] = Context("main", steps("s", "Queue(shop)"))
    there = steps(DID, f"Set({own})", "Goto(agi-bridge,${EXTEN},1)")
    pbx.contexts["from-trunk"] = Context("from-trunk", there)
    findings = await looked(pbx)
    assert wrong(findings) == found
    assert {each.about.partition(".")[0] for each in findings if each.id is Id.FALLBACK} == {
        "lines"
    }


async def test_freepbx_has_its_fallback_in_the_gui(pbx: ScriptedPbx) -> None:
    pbx.variables.pop("AGI_BRIDGE_FALLBACK")
    assert wrong(await looked(pbx)) == {Id.FALLBACK: Level.FAULT}
    pbx.contexts["agi-bridge-freepbx"] = SHIPPED["agi-bridge-freepbx"]
    assert wrong(await looked(pbx)) == {Id.FALLBACK: Level.FAULT}  # this number does not pass it
    there = steps(DID, "Gosub(agi-bridge-freepbx,s,1)")
    pbx.contexts["from-trunk"] = Context("from-trunk", there)
    assert wrong(await looked(pbx)) == {}
    no_return = steps(DID, "Goto(agi-bridge-freepbx,s,1)")
    pbx.contexts["from-trunk"] = Context("from-trunk", no_return)
    assert wrong(await looked(pbx)) == {Id.FALLBACK: Level.FAULT}
    del pbx.contexts["from-trunk"]  # the way is not known
    assert Id.FALLBACK not in wrong(await looked(pbx))


async def test_one_of_several_telephones_is_enough(pbx: ScriptedPbx) -> None:
    pbx.variables["AGI_BRIDGE_FALLBACK"] = "PJSIP/100&PJSIP/300&Local/1@from-trunk/n"
    assert wrong(await looked(pbx)) == {Id.FALLBACK: Level.NOTE}
    pbx.variables["AGI_BRIDGE_FALLBACK"] = "DAHDI/g1"
    assert wrong(await looked(pbx)) == {Id.FALLBACK: Level.NOT_LOOKED_AT}
    pbx.missing_modules.add("chan_dahdi")
    assert wrong(await looked(pbx)) == {Id.FALLBACK: Level.FAULT}


async def test_a_local_template_needs_its_context(pbx: ScriptedPbx) -> None:
    local = configured(
        dial_template="Local/{number}@outbound/n", tables={"ami": {"contexts": ["from-trunk"]}}
    )
    assert wrong(await looked(pbx, local)) == {Id.DIAL_TEMPLATE: Level.FAULT}
    pbx.contexts["outbound"] = Context("outbound", ())
    assert wrong(await looked(pbx, local)) == {}
    unknown = configured(dial_template="Local/{number}@outbound/n")
    assert wrong(await looked(pbx, unknown)) == {Id.DIALPLAN_DID: Level.NOT_LOOKED_AT}
