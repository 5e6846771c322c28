"""What the doctor finds about the PBX itself: one thing is wrong, on a scripted one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agi_bridge.doctor.findings import Id, Level
from tests.support.doctor_findings import LINE, configured, found_alone, looked, wrong

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.doctor_findings import Faults
    from tests.support.scripted_pbx import ScriptedPbx


FAULTS: Faults = {
    "too old": (lambda pbx: setattr(pbx, "version", "13.38.3"), Id.PBX_VERSION, Level.FAULT),
    "old": (lambda pbx: setattr(pbx, "version", "16.28.0~dfsg"), Id.PBX_VERSION, Level.NOTE),
    "unknown": (lambda pbx: setattr(pbx, "version", "GIT-master"), Id.PBX_VERSION, Level.NOTE),
    "module": (lambda pbx: pbx.missing_modules.add("func_uri"), Id.PBX_MODULES, Level.FAULT),
    "codec": (lambda pbx: pbx.missing_modules.add("codec_alaw"), Id.PBX_MODULES, Level.FAULT),
    "format": (lambda pbx: pbx.missing_modules.add("format_wav"), Id.PBX_MODULES, Level.FAULT),
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
    "keys in a log of JSON": (
        lambda pbx: pbx.files["logger.conf"].update(logfiles=[("full", "[json]dtmf,notice")]),
        Id.DANGER,
        Level.FAULT,
    ),
    "channel driver": (
        lambda pbx: pbx.missing_modules.add("chan_pjsip"),
        Id.PBX_MODULES,
        Level.FAULT,
    ),
    "media": (
        lambda pbx: pbx.missing_modules.add("res_rtp_asterisk"),
        Id.PBX_MODULES,
        Level.FAULT,
    ),
    "cdr": (lambda pbx: setattr(pbx, "cdr", "Yes"), Id.CDR, Level.NOTE),
    "clocks differ": (lambda pbx: setattr(pbx, "now", 0.0), Id.CLOCK, Level.NOTE),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_each_fault_is_found_by_its_id_and_by_no_other(pbx: ScriptedPbx, name: str) -> None:
    await found_alone(pbx, *FAULTS[name])


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


async def test_a_field_of_the_cdr_needs_its_module_and_the_records(pbx: ScriptedPbx) -> None:
    given = configured(tables={"agi": {"cdr_field": "agibridge"}})
    assert wrong(await looked(pbx, given)) == {Id.CDR: Level.NOTE}
    pbx.missing_modules.add("func_cdr")
    assert wrong(await looked(pbx, given)) == {Id.CDR: Level.NOTE, Id.PBX_MODULES: Level.FAULT}


async def test_the_modules_of_pjsip_are_needed_by_lines_that_use_it(pbx: ScriptedPbx) -> None:
    pbx.missing_modules.add("chan_pjsip")
    by_local = configured(
        dial_template="Local/{number}@agi-bridge-go-on/n",
        default={"kind": "hangup"},
        tables={"ami": {"contexts": ["from-trunk"]}},
    )
    assert Id.PBX_MODULES not in wrong(await looked(pbx, by_local))
    ringing = {"kind": "dial", "destination": "DAHDI/1&PJSIP/200"}
    by_default = configured(
        dial_template="Local/{number}@agi-bridge-go-on/n",
        default=ringing,
        tables={"ami": {"contexts": ["from-trunk"]}},
    )
    assert wrong(await looked(pbx, by_default))[Id.PBX_MODULES] is Level.FAULT
