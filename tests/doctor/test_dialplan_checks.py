"""What the doctor finds about the dialplan: one thing is wrong, on a scripted PBX."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agi_bridge.doctor.dialplan import read_shipped
from agi_bridge.doctor.findings import Id, Level
from agi_bridge.doctor.pbx import Context
from tests.support.doctor_findings import configured, found_alone, looked, wrong
from tests.support.scripted_pbx import DID, SHIPPED, VERSION_2, ScriptedPbx, steps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.doctor_findings import Faults

TOKEN = "4c1ff8d9bdcb4d0f9e8a7b6c5d4e3f2a"


def edited(pbx: ScriptedPbx) -> None:
    ask = pbx.contexts["agi-bridge-ask"]
    pbx.contexts["agi-bridge-ask"] = replace(ask, steps=ask.steps[1:])


def oldest(pbx: ScriptedPbx) -> None:
    edited(pbx)
    del pbx.contexts["agi-bridge-version"]


def version_2(pbx: ScriptedPbx) -> None:
    pbx.contexts.update(read_shipped(VERSION_2.read_text()))


def odd_version(pbx: ScriptedPbx) -> None:
    edited(pbx)
    pbx.contexts["agi-bridge-version"] = Context("agi-bridge-version", steps("s", "NoOp(\u00b2)"))


def without_its_site(pbx: ScriptedPbx) -> None:
    del pbx.contexts["agi-bridge-site"]


def site_without_return(pbx: ScriptedPbx) -> None:
    site = pbx.contexts["agi-bridge-site"]
    pbx.contexts["agi-bridge-site"] = replace(site, steps=site.steps[:-1])


def freepbx_edited(pbx: ScriptedPbx) -> None:
    ours = SHIPPED["agi-bridge-freepbx"]
    pbx.contexts["agi-bridge-freepbx"] = replace(ours, steps=ours.steps[1:])


def hidden(pbx: ScriptedPbx) -> None:
    pbx.contexts["from-trunk"] = Context("from-trunk", steps(DID, "Hangup()"), ("agi-bridge",))


def arrives_as(number: str) -> Callable[[ScriptedPbx], object]:
    went = steps("_+X.", f"Goto(agi-bridge,{number},1)")
    return lambda pbx: pbx.contexts.update({"from-trunk": Context("from-trunk", went)})


FAULTS: Faults = {
    "edited": (edited, Id.DIALPLAN_CONTEXTS, Level.NOTE),
    "oldest": (oldest, Id.DIALPLAN_CONTEXTS, Level.NOTE),
    "version 2": (version_2, Id.DIALPLAN_CONTEXTS, Level.NOTE),
    "odd version": (odd_version, Id.DIALPLAN_CONTEXTS, Level.NOTE),
    "every call a test call": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_TEST_CALL="yes"),
        Id.DIALPLAN_URL,
        Level.FAULT,
    ),
    "site missing": (without_its_site, Id.DIALPLAN_CONTEXTS, Level.FAULT),
    "site without a way back": (site_without_return, Id.DIALPLAN_CONTEXTS, Level.FAULT),
    "FreePBX's edited": (freepbx_edited, Id.DIALPLAN_CONTEXTS, Level.NOTE),
    "no path": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_URL="agi://127.0.0.1:4573"),
        Id.DIALPLAN_URL,
        Level.FAULT,
    ),
    "port": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_URL="agi://127.0.0.1:4574/consent"),
        Id.DIALPLAN_URL,
        Level.FAULT,
    ),
    "host": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_URL="agi://192.0.2.1/consent"),
        Id.DIALPLAN_URL,
        Level.FAULT,
    ),
    "scheme": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_URL="http://127.0.0.1:4573/"),
        Id.DIALPLAN_URL,
        Level.FAULT,
    ),
    "not a URL": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_URL="agi://127.0.0.1:port/"),
        Id.DIALPLAN_URL,
        Level.FAULT,
    ),
    "a query": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_URL="agi://127.0.0.1:4573/consent?line=1"),
        Id.DIALPLAN_URL,
        Level.FAULT,
    ),
    "asks for health": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_URL="agi://127.0.0.1:4573/health"),
        Id.DIALPLAN_URL,
        Level.FAULT,
    ),
    "the other family": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_URL="agi://[::1]:4573/consent"),
        Id.DIALPLAN_URL,
        Level.FAULT,
    ),
    "second is no URL": (
        lambda pbx: pbx.variables.update(AGI_BRIDGE_URL_2="192.0.2.2:4573"),
        Id.DIALPLAN_URL,
        Level.NOTE,
    ),
    "number cut": (
        arrives_as("${EXTEN:8}"),
        Id.DIALPLAN_DID,
        Level.FAULT,
    ),
    "other spelling hidden": (
        lambda pbx: pbx.contexts.update(
            {"from-trunk": Context("from-trunk", steps(DID[1:], "Hangup()"), ("agi-bridge",))}
        ),
        Id.DIALPLAN_DID,
        Level.NOTE,
    ),
    "not included": (
        lambda pbx: pbx.contexts.update({"from-trunk": Context("from-trunk", ())}),
        Id.DIALPLAN_DID,
        Level.FAULT,
    ),
    "hidden": (hidden, Id.DIALPLAN_DID, Level.FAULT),
}


async def test_an_older_dialplan_is_named_with_its_version_and_its_cure(pbx: ScriptedPbx) -> None:
    version_2(pbx)
    (found,) = (each for each in await looked(pbx) if each.id is Id.DIALPLAN_CONTEXTS)
    assert "version 2" in found.what
    assert "test call" in found.why
    assert "agi-bridge init" in found.fix


@pytest.mark.parametrize("name", FAULTS)
async def test_each_fault_is_found_by_its_id_and_by_no_other(pbx: ScriptedPbx, name: str) -> None:
    await found_alone(pbx, *FAULTS[name])


async def test_a_dialplan_that_was_not_copied_is_one_fault_and_its_numbers_another(
    pbx: ScriptedPbx,
) -> None:
    for name in SHIPPED:
        pbx.contexts.pop(name, None)
    assert wrong(await looked(pbx)) == {
        Id.DIALPLAN_CONTEXTS: Level.FAULT,
        Id.DIALPLAN_DID: Level.FAULT,
    }


async def test_the_token_must_agree_and_is_never_shown(pbx: ScriptedPbx, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    guarded = configured(tables={"agi": {"token": {"file": str(tmp_path / "token")}}})
    for given in ("", "another", TOKEN[:-1]):
        pbx.variables["AGI_BRIDGE_TOKEN"] = given
        findings = await looked(pbx, guarded)
        assert wrong(findings) == {Id.DIALPLAN_URL: Level.FAULT}
        assert TOKEN not in repr(findings)
        assert not given or given not in repr(findings).replace("another one", "")
    pbx.variables["AGI_BRIDGE_TOKEN"] = TOKEN
    assert wrong(await looked(pbx, guarded)) == {}


async def test_the_sites_own_context_sets_what_no_variable_does(pbx: ScriptedPbx) -> None:
    pbx.variables.clear()
    site = pbx.contexts["agi-bridge-site"]
    assert wrong(await looked(pbx)) == {Id.FALLBACK: Level.FAULT}
    named = steps(
        "s",
        "Set(AGI_BRIDGE_URL=agi://127.0.0.1:4573/x)",
        "Set(AGI_BRIDGE_FALLBACK=PJSIP/100)",
        "Return()",
    )
    pbx.contexts["agi-bridge-site"] = replace(site, steps=named)
    assert wrong(await looked(pbx)) == {}
    other = steps(
        "s",
        "Set(AGI_BRIDGE_URL=agi://127.0.0.1:4574/x)",
        "Set(AGI_BRIDGE_FALLBACK=PJSIP/9)",
        "Return()",
    )
    pbx.contexts["agi-bridge-site"] = replace(site, steps=other)
    assert wrong(await looked(pbx)) == {Id.DIALPLAN_URL: Level.FAULT, Id.FALLBACK: Level.FAULT}


@pytest.mark.parametrize(
    ("common", "own", "found"),
    [
        ("agi://127.0.0.1:9/x", "AGI_BRIDGE_URL=agi://127.0.0.1:4573/x", {}),
        ("", "__AGI_BRIDGE_URL=agi://127.0.0.1:9/x", {Id.DIALPLAN_URL: Level.FAULT}),
        ("", "AGI_BRIDGE_URL_2=there", {Id.DIALPLAN_URL: Level.NOTE}),
        ("", "AGI_BRIDGE_URL=${BRIDGE}", {Id.DIALPLAN_URL: Level.NOT_LOOKED_AT}),
    ],
)
async def test_a_number_may_have_its_own_bridge(
    pbx: ScriptedPbx, common: str, own: str, found: dict[Id, Level]
) -> None:
    pbx.variables["AGI_BRIDGE_URL"] = common
    there = steps(DID, f"Set({own})", "Goto(agi-bridge,${EXTEN},1)")
    pbx.contexts["from-trunk"] = Context("from-trunk", there)
    assert wrong(await looked(pbx)) == found


@pytest.mark.parametrize(
    ("allowed", "found"),
    [("192.0.2.9/32", {}), ("192.0.2.8/32", {Id.DIALPLAN_URL: Level.FAULT})],
)
async def test_the_bridge_must_let_the_pbx_in(
    pbx: ScriptedPbx, allowed: str, found: dict[Id, Level]
) -> None:
    pbx.variables["AGI_BRIDGE_URL"] = "agi://192.0.2.1:4573/consent"
    agi = {"host": "192.0.2.1", "allow": [allowed]}
    there = configured(tables={"ami": {"host": "192.0.2.9"}, "agi": agi})
    findings = wrong(await looked(pbx, there))
    assert findings.pop(Id.SOUNDS) is Level.NOT_LOOKED_AT
    assert findings == found


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "a\0b"])
async def test_a_name_of_the_pbx_that_would_be_another_header_is_not_asked_for(
    pbx: ScriptedPbx, name: str
) -> None:
    pbx.contexts["from-trunk"] = Context("from-trunk", (), (name, "agi-bridge"))
    pbx.variables["AGI_BRIDGE_FALLBACK"] = f"PJSIP/{name}"
    assert wrong(await looked(pbx)) == {Id.FALLBACK: Level.FAULT}
    assert all(name not in str(headers) for _, headers in pbx.asked)
