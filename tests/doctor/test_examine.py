"""The doctor asks a scripted PBX everything, as far as its rights and its answers go."""

from __future__ import annotations

import pytest

from agi_bridge.doctor.findings import Id, Level
from agi_bridge.doctor.pbx import Context
from tests.support.doctor_findings import looked, wrong
from tests.support.scripted_pbx import DID, ScriptedPbx, steps


async def test_a_sound_pbx_has_no_finding(pbx: ScriptedPbx) -> None:
    findings = await looked(pbx)
    assert wrong(findings) == {}
    assert {each.id for each in findings} == {
        *(each for each in Id if each.startswith(("dialplan-", "d"))),
        Id.PBX_VERSION, Id.PBX_MODULES, Id.FALLBACK, Id.CODECS, Id.SOUNDS, Id.CDR, Id.CLOCK,
    } - {Id.DISK}  # fmt: skip


async def test_without_a_right_the_doctor_says_what_it_did_not_look_at(pbx: ScriptedPbx) -> None:
    pbx.rights = {"reporting"}
    findings = await looked(pbx)
    assert set(wrong(findings).values()) == {Level.NOT_LOOKED_AT}
    assert {each.what for each in findings if each.id is Id.PBX_MODULES} == {"needs system"}
    assert {Id.PBX_VERSION, Id.DIALPLAN_CONTEXTS, Id.DIALPLAN_URL} <= {
        each.id for each in findings if each.level is Level.OK
    }
    pbx.rights = set()
    assert set(wrong(await looked(pbx)).values()) == {Level.NOT_LOOKED_AT}


@pytest.mark.parametrize("action", ["CoreSettings", "ShowDialPlan", "PJSIPShowEndpoint", "Ping"])
async def test_a_pbx_that_stops_answering_is_one_fault(pbx: ScriptedPbx, action: str) -> None:
    pbx.fails_at = action
    found = wrong(await looked(pbx, synchronised=False))
    assert found.pop(Id.PBX_REACH) is Level.FAULT
    assert found.pop(Id.CLOCK) is Level.NOTE  # this machine's own
    assert set(found.values()) <= {Level.NOT_LOOKED_AT}
    assert not any(asked == action for asked, _ in pbx.asked[:-1] if action != "ShowDialPlan")


async def test_without_a_session_only_the_clock_is_judged() -> None:
    found = wrong(await looked(None, synchronised=False))
    assert found.pop(Id.CLOCK) is Level.NOTE
    assert set(found.values()) == {Level.NOT_LOOKED_AT}


async def test_no_finding_shows_a_number_or_a_password(pbx: ScriptedPbx) -> None:
    pbx.contexts["from-trunk"] = Context("from-trunk", steps(DID, "Hangup()"))
    pbx.variables["AGI_BRIDGE_FALLBACK"] = "PJSIP/14155550177@trunk2"
    pbx.variables["AGI_BRIDGE_FALLBACK_GOTO"] = "ctx,14155550178,1\x1b[2J"
    text = repr([*await looked(pbx), *await looked(ScriptedPbx(endpoints={}))])
    for secret in ("4155550111", "4155550177", "4155550178", "password", "\\x1b"):
        assert secret not in text
