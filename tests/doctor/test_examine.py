"""Every finding about the PBX, on a scripted one: all is well, then one thing is wrong."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import pytest

from agi_bridge.doctor.examine import Situation, examine_pbx
from agi_bridge.doctor.findings import Finding, Id, Level
from agi_bridge.doctor.line_sounds import LineSounds, TestSound
from agi_bridge.doctor.pbx import Context
from tests.support.call_env import settings as make_settings
from tests.support.scripted_pbx import DID, SHIPPED, ScriptedPbx, endpoint, steps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.doctor.ami import AmiSession
    from agi_bridge.settings import Settings

TOKEN = "4c1ff8d9bdcb4d0f9e8a7b6c5d4e3f2a"

LINE = LineSounds(
    "shop", (DID,), ("en",), frozenset({"en"}), (), TestSound("/prompts/en/goodbye", 1.0, 8000)
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The PBX's recordings, complete in English."""
    folder = tmp_path / "data"
    names = ["vm-nobodyavail", "vm-goodbye", *(f"digits/{digit}" for digit in range(10))]
    for name in names:
        sound = folder / "sounds" / "en" / f"{name}.wav"
        sound.parent.mkdir(parents=True, exist_ok=True)
        sound.touch()
    return folder


@pytest.fixture
def pbx(data: Path) -> ScriptedPbx:
    made = ScriptedPbx()
    made.files["asterisk.conf"]["directories"] = [("astdatadir", str(data))]
    return made


def configured(tables: dict[str, dict[str, Any]] | None = None, **line: Any) -> Settings:
    agi = {"port": 4573, **(tables or {}).get("agi", {})}
    default = {"kind": "dial", "destination": "PJSIP/200"}
    given: dict[str, Any] = {"default": default, **line}
    return make_settings(tables={**(tables or {}), "agi": agi}, **given)


@cache
def plain() -> Settings:
    return configured()


async def looked(
    pbx: ScriptedPbx | None,
    settings: Settings | None = None,
    *,
    line: LineSounds = LINE,
    synchronised: bool = True,
) -> list[Finding]:
    situation = Situation(settings or plain(), [line], SHIPPED, lambda: synchronised)
    return [each async for each in examine_pbx(cast("AmiSession | None", pbx), situation)]


def wrong(findings: list[Finding]) -> dict[Id, Level]:
    return {each.id: each.level for each in findings if each.level is not Level.OK}


async def test_a_sound_pbx_has_no_finding(pbx: ScriptedPbx) -> None:
    findings = await looked(pbx)
    assert wrong(findings) == {}
    assert {each.id for each in findings} == {
        *(each for each in Id if each.startswith(("dialplan-", "d"))),
        Id.PBX_VERSION, Id.PBX_MODULES, Id.FALLBACK, Id.CODECS, Id.SOUNDS, Id.CDR, Id.CLOCK,
    } - {Id.DISK}  # fmt: skip


def edited(pbx: ScriptedPbx) -> None:
    ask = pbx.contexts["agi-bridge-ask"]
    pbx.contexts["agi-bridge-ask"] = replace(ask, steps=ask.steps[1:])


def older(pbx: ScriptedPbx) -> None:
    edited(pbx)
    del pbx.contexts["agi-bridge-version"]


def hidden(pbx: ScriptedPbx) -> None:
    pbx.contexts["from-trunk"] = Context("from-trunk", steps(DID, "Hangup()"), ("agi-bridge",))


def arrives_as(number: str) -> Callable[[ScriptedPbx], object]:
    went = steps("_+X.", f"Goto(agi-bridge,{number},1)")
    return lambda pbx: pbx.contexts.update({"from-trunk": Context("from-trunk", went)})


FAULTS: dict[str, tuple[Callable[[ScriptedPbx], object], Id, Level]] = {
    "too old": (lambda pbx: setattr(pbx, "version", "13.38.3"), Id.PBX_VERSION, Level.FAULT),
    "old": (lambda pbx: setattr(pbx, "version", "16.28.0~dfsg"), Id.PBX_VERSION, Level.NOTE),
    "unknown": (lambda pbx: setattr(pbx, "version", "GIT-master"), Id.PBX_VERSION, Level.NOTE),
    "module": (lambda pbx: pbx.missing_modules.add("func_uri"), Id.PBX_MODULES, Level.FAULT),
    "codec": (lambda pbx: pbx.missing_modules.add("codec_alaw"), Id.PBX_MODULES, Level.FAULT),
    "format": (lambda pbx: pbx.missing_modules.add("format_wav"), Id.PBX_MODULES, Level.FAULT),
    "edited": (edited, Id.DIALPLAN_CONTEXTS, Level.NOTE),
    "older": (older, Id.DIALPLAN_CONTEXTS, Level.NOTE),
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
    "dangerous": (
        lambda pbx: pbx.files["asterisk.conf"].update(options=[("live_dangerously", "yes")]),
        Id.DANGER,
        Level.FAULT,
    ),
    "keys in a log": (
        lambda pbx: pbx.files["logger.conf"].update(logfiles=[("full", "notice,dtmf")]),
        Id.DANGER,
        Level.FAULT,
    ),
    "numbers in a log": (
        lambda pbx: pbx.files["logger.conf"].update(logfiles=[("full", "error,verbose(3)")]),
        Id.DANGER,
        Level.NOTE,
    ),
    "cdr": (lambda pbx: setattr(pbx, "cdr", "Yes"), Id.CDR, Level.NOTE),
    "clocks differ": (lambda pbx: setattr(pbx, "now", 0.0), Id.CLOCK, Level.NOTE),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_each_fault_is_found_by_its_id_and_by_no_other(pbx: ScriptedPbx, name: str) -> None:
    seed, which, level = FAULTS[name]
    seed(pbx)
    findings = await looked(pbx)
    assert wrong(findings) == {which: level}
    (found,) = (each for each in findings if each.level is not Level.OK)
    assert found.why
    assert found.fix


async def test_a_dialplan_that_was_not_copied_is_one_fault_and_its_numbers_another(
    pbx: ScriptedPbx,
) -> None:
    for name in SHIPPED:
        del pbx.contexts[name]
    assert wrong(await looked(pbx)) == {
        Id.DIALPLAN_CONTEXTS: Level.FAULT,
        Id.DIALPLAN_DID: Level.FAULT,
    }


async def test_missing_digits_are_a_fault_unless_the_line_has_its_own(
    pbx: ScriptedPbx, data: Path
) -> None:
    for file in (data / "sounds" / "en" / "digits").iterdir():
        file.unlink()
    assert wrong(await looked(pbx)) == {Id.SOUNDS: Level.FAULT}
    assert wrong(await looked(pbx, line=replace(LINE, digits_from_pbx=frozenset()))) == {}


async def test_a_missing_apology_is_a_fault(pbx: ScriptedPbx) -> None:
    pbx.variables["AGI_BRIDGE_APOLOGY"] = "own-words&vm-goodbye"
    assert wrong(await looked(pbx)) == {Id.SOUNDS: Level.FAULT}


async def test_a_pbx_elsewhere_is_not_looked_at_for_sounds(pbx: ScriptedPbx) -> None:
    there = configured(tables={"ami": {"host": "192.0.2.9"}, "agi": {
        "host": "192.0.2.1", "allow": ["192.0.2.9/32"]}})  # fmt: skip
    pbx.variables["AGI_BRIDGE_URL"] = "agi://192.0.2.1:4573/consent"
    assert wrong(await looked(pbx, there)) == {Id.SOUNDS: Level.NOT_LOOKED_AT}
    pbx.variables["AGI_BRIDGE_URL"] = "agi://127.0.0.1:4573/consent"
    assert wrong(await looked(pbx, there)) == {
        Id.SOUNDS: Level.NOT_LOOKED_AT,
        Id.DIALPLAN_URL: Level.FAULT,
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


async def test_a_default_in_the_dialplan_must_exist(pbx: ScriptedPbx) -> None:
    place = {"kind": "dialplan", "context": "main", "extension": "s", "priority": 1}
    elsewhere = configured(default=place)
    assert wrong(await looked(pbx, elsewhere)) == {Id.DEFAULT_DESTINATION: Level.FAULT}
    pbx.contexts["main"] = Context("main", steps("s", "Hangup()"))
    assert wrong(await looked(pbx, elsewhere)) == {}
    assert wrong(await looked(pbx, configured(default={"kind": "hangup"}))) == {}


async def test_the_sites_own_context_sets_what_no_variable_does(pbx: ScriptedPbx) -> None:
    pbx.variables.clear()
    site = pbx.contexts["agi-bridge-site"]
    assert wrong(await looked(pbx)) == {Id.FALLBACK: Level.FAULT}
    named = steps(
        "s", "Set(AGI_BRIDGE_URL=agi://127.0.0.1:4573/x)", "Set(AGI_BRIDGE_FALLBACK=PJSIP/100)"
    )
    pbx.contexts["agi-bridge-site"] = replace(site, steps=named)
    assert wrong(await looked(pbx)) == {}
    other = steps(
        "s", "Set(AGI_BRIDGE_URL=agi://127.0.0.1:4574/x)", "Set(AGI_BRIDGE_FALLBACK=PJSIP/9)"
    )
    pbx.contexts["agi-bridge-site"] = replace(site, steps=other)
    assert wrong(await looked(pbx)) == {Id.DIALPLAN_URL: Level.FAULT, Id.FALLBACK: Level.FAULT}


async def test_freepbx_has_its_fallback_in_the_gui(pbx: ScriptedPbx) -> None:
    pbx.variables.pop("AGI_BRIDGE_FALLBACK")
    pbx.contexts["agi-bridge-freepbx"] = Context("agi-bridge-freepbx", ())
    assert wrong(await looked(pbx)) == {}


async def test_a_field_of_the_cdr_needs_its_module_and_the_records(pbx: ScriptedPbx) -> None:
    given = configured(tables={"agi": {"cdr_field": "agibridge"}})
    assert wrong(await looked(pbx, given)) == {Id.CDR: Level.NOTE}
    pbx.missing_modules.add("func_cdr")
    assert wrong(await looked(pbx, given)) == {Id.CDR: Level.NOTE, Id.PBX_MODULES: Level.FAULT}


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
    hidden(pbx)
    pbx.variables["AGI_BRIDGE_FALLBACK"] = "PJSIP/14155550177@trunk2"
    pbx.variables["AGI_BRIDGE_FALLBACK_GOTO"] = "ctx,14155550178,1\x1b[2J"
    text = repr([*await looked(pbx), *await looked(ScriptedPbx(endpoints={}))])
    for secret in ("4155550111", "4155550177", "4155550178", "password", "\\x1b"):
        assert secret not in text
