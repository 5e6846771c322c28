"""The doctor on a real Asterisk: one thing is wrong, and exactly its finding says so.

One PBX with a manager account serves all tests. Each fault is seeded while it runs, and taken back.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from agi_bridge.doctor import Id, Level
from tests.support.bridge_fixture import shorten
from tests.support.call_env import DID
from tests.support.doctors_pbx import LIMITED, TOKEN, free_tcp_port, wrong

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from agi_bridge.doctor import Report
    from tests.support.doctors_pbx import Surgery

pytestmark = [
    pytest.mark.asterisk,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("doctor"),
]


FAULT, NOTE, UNSEEN = Level.FAULT, Level.NOTE, Level.NOT_LOOKED_AT


async def test_a_sound_pbx_has_no_finding_and_carries_the_test_call(surgery: Surgery) -> None:
    report = await surgery.look(call=f"{DID}@from-trunk")
    assert wrong(report) == {}
    (version,) = (each for each in report.findings if each.id is Id.PBX_VERSION)
    old = "Asterisk 16." in await surgery.asterisk.cli("core show version")
    assert version.level is (NOTE if old else Level.OK)
    assert report.call is not None
    assert [step.name for step in report.call] == [
        "arrival",
        "did",
        "bridge",
        "sound",
        "key",
        "result",
    ]
    times = [step.milliseconds for step in report.call if step.milliseconds is not None]
    assert len(times) == len(report.call)
    assert times == sorted(times)
    assert await surgery.asterisk.channels() == 0


async def module_missing(at: Surgery) -> Report:
    await at.asterisk.cli("module unload func_uri.so")
    try:
        return await at.look()
    finally:
        await at.asterisk.cli("module load func_uri.so")


async def format_missing(at: Surgery) -> Report:
    await at.asterisk.cli("module unload format_wav.so")
    try:
        return await at.look()
    finally:
        await at.asterisk.cli("module load format_wav.so")


async def codec_missing(at: Surgery) -> Report:
    await at.asterisk.cli("module unload codec_ulaw.so")
    try:
        return await at.look()
    finally:
        await at.asterisk.cli("module load codec_ulaw.so")


async def driver_missing(at: Surgery) -> Report:
    await at.asterisk.cli("module unload chan_pjsip.so")
    try:
        return await at.look()
    finally:
        await at.asterisk.cli("module load chan_pjsip.so")


async def site_missing(at: Surgery) -> Report:
    old, new = "[agi-bridge-site]", "[agi-bridge-sight]"
    async with at.edited("agi-bridge.conf", old, new, "dialplan reload"):
        return await at.look()


async def context_edited(at: Surgery) -> Report:
    old, new = "default,1,GotoIf(", "default,1,Noop()\n same => n,GotoIf("
    async with at.edited("agi-bridge.conf", old, new, "dialplan reload"):
        return await at.look()


async def did_not_routed(at: Surgery) -> Report:
    old, new = "[from-trunk]\ninclude => agi-bridge", "[from-trunk]"
    async with at.edited("extensions.conf", old, new, "dialplan reload"):
        return await at.look()


async def did_hidden(at: Surgery) -> Report:
    old, new = "[from-trunk]\n", f"[from-trunk]\nexten => {DID},1,Hangup()\n"
    async with at.edited("extensions.conf", old, new, "dialplan reload"):
        return await at.look()


async def at_certain_times(at: Surgery) -> Report:
    old, new = (
        "[from-trunk]\ninclude => agi-bridge",
        "[from-trunk]\ninclude => agi-bridge,3:00-3:01",
    )
    async with at.edited("extensions.conf", old, f"{new},*,*,*", "dialplan reload"):
        return await at.look()


async def in_a_circle(at: Surgery) -> Report:
    there, back = (
        f"[{one}]\nexten => _[+0-9].,1,Goto({other},${{EXTEN}},1)\n"
        for one, other in (("from-trunk", "around"), ("around", "from-trunk"))
    )
    old = "[from-trunk]\ninclude => agi-bridge"
    async with at.edited("extensions.conf", old, there + back, "dialplan reload"):
        return await at.look()


async def number_cut(at: Surgery) -> Report:
    old = "[from-trunk]\n"
    new = f"{old}exten => {DID},1,NoOp()\n same => n,Goto(cut)\n same => n,Hangup()\n"
    new += " same => n(cut),Goto(agi-bridge,${EXTEN:8},1)\n"
    async with at.edited("extensions.conf", old, new, "dialplan reload"):
        return await at.look()


async def number_without_a_plus_goes_elsewhere(at: Surgery) -> Report:
    old, new = "[from-trunk]\n", f"[from-trunk]\nexten => {DID[1:]},1,Hangup()\n"
    async with at.edited("extensions.conf", old, new, "dialplan reload"):
        return await at.look()


async def wrong_port(at: Surgery) -> Report:
    async with at.variable("AGI_BRIDGE_URL", "agi://127.0.0.1:9/consent", at.url):
        return await at.look()


async def number_has_another_bridge(at: Surgery) -> Report:
    own = f"[from-trunk]\nexten => {DID},1,Set(AGI_BRIDGE_URL=agi://127.0.0.1:9/consent)\n"
    own += " same => n,Goto(agi-bridge,${EXTEN},1)\n"
    async with at.edited("extensions.conf", "[from-trunk]\n", own, "dialplan reload"):
        return await at.look()


async def url_without_a_path(at: Surgery) -> Report:
    short = at.url.removesuffix("/consent")
    async with at.variable("AGI_BRIDGE_URL", short, at.url):
        return await at.look()


async def token_differs(at: Surgery) -> Report:
    (at.folder / "token").write_text(TOKEN)
    given = at.settings({"agi": {"token": {"file": str(at.folder / "token")}}})
    async with at.variable("AGI_BRIDGE_TOKEN", TOKEN[:-1], ""):
        return await at.look(given)


async def fallback_missing(at: Surgery) -> Report:
    async with AsyncExitStack() as stack:  # on FreePBX the GUI would have it
        old, new = "[agi-bridge-freepbx]", "[no-freepbx]"
        edit = at.edited("extensions_local.conf", old, new, "dialplan reload")
        await stack.enter_async_context(edit)
        variable = at.variable("AGI_BRIDGE_FALLBACK", "", "PJSIP/100")
        await stack.enter_async_context(variable)
        return await at.look()


async def fallback_of_a_lost_driver(at: Surgery) -> Report:
    async with at.variable("AGI_BRIDGE_FALLBACK", "DAHDI/1", "PJSIP/100"):
        return await at.look()


async def fallback_has_no_such_label(at: Surgery) -> Report:
    async with at.variable("AGI_BRIDGE_FALLBACK_GOTO", "agi-bridge-go-on,fallback,bell", ""):
        return await at.look()


async def telephone_unregistered(at: Surgery) -> Report:
    async with at.variable("AGI_BRIDGE_FALLBACK", "PJSIP/softphone", "PJSIP/100"):
        return await at.look()


async def default_dead(at: Surgery) -> Report:
    place = {"kind": "dialplan", "context": "nowhere", "extension": "s", "priority": 1}
    return await at.look(at.settings(default=place))


async def default_leads_back(at: Surgery) -> Report:
    place = {"kind": "dialplan", "context": "from-trunk", "extension": DID, "priority": 1}
    return await at.look(at.settings(default=place))


async def fallback_leads_back(at: Surgery) -> Report:
    async with at.variable("AGI_BRIDGE_FALLBACK_GOTO", f"from-trunk,{DID},1", ""):
        return await at.look()


async def no_such_trunk(at: Surgery) -> Report:
    given = at.settings({"ami": {"contexts": ["from-trunk"]}}, dial_template="PJSIP/{number}@other")
    return await at.look(given)


async def inband(at: Surgery) -> Report:
    text = (at.asterisk.directory / "etc" / "pjsip.conf").read_text()
    trunk = text[text.index("[trunk]") :]
    changed = trunk.replace("dtmf_mode = rfc4733", "dtmf_mode = inband", 1)
    async with at.edited("pjsip.conf", trunk, changed, "module reload res_pjsip.so"):
        return await at.look()


async def direct_media(at: Surgery) -> Report:
    text = (at.asterisk.directory / "etc" / "pjsip.conf").read_text()
    trunk = text[text.index("[trunk]") :]
    changed = trunk.replace("direct_media = no", "direct_media = yes", 1)
    async with at.edited("pjsip.conf", trunk, changed, "module reload res_pjsip.so"):
        return await at.look()


async def poor_codec(at: Surgery) -> Report:
    text = (at.asterisk.directory / "etc" / "pjsip.conf").read_text()
    trunk = text[text.index("[trunk]") :]
    changed = trunk.replace("allow = ulaw\nallow = alaw", "allow = g729", 1)
    async with at.edited("pjsip.conf", trunk, changed, "module reload res_pjsip.so"):
        return await at.look()


async def no_digits(at: Surgery) -> Report:
    digits = at.data / "sounds" / "en" / "digits"
    digits.rename(digits.with_name("gone"))
    prompts = at.folder / "without-digits"
    try:
        return await at.look(at.settings({"speech": {"prompts": str(own_prompts(prompts))}}))
    finally:
        digits.with_name("gone").rename(digits)


def own_prompts(folder: Path) -> Path:
    """The shipped prompts, cut short, without digits."""
    shorten(folder)
    for file in folder.glob("*/digit-*"):
        file.unlink()
    return folder


async def keys_in_a_log(at: Surgery) -> Report:
    old, new = "notice,warning,error", "notice,warning,error,dtmf"
    async with at.edited("logger.conf", old, new, "logger reload"):
        return await at.look()


async def lives_dangerously(at: Surgery) -> Report:
    old, new = "[options]\n", "[options]\nlive_dangerously = yes\n"
    async with at.edited("asterisk.conf", old, new, "core show uptime"):
        return await at.look()


async def clock_adrift(at: Surgery) -> Report:
    return await at.look(synchronised=False)


async def wrong_password(at: Surgery) -> Report:
    (at.folder / "other.secret").write_text(LIMITED)
    given = at.settings({"ami": {"secret": {"file": str(at.folder / "other.secret")}}})
    return await at.look(given)


async def secret_missing(at: Surgery) -> Report:
    return await at.look(at.settings({"ami": {"secret": {"file": str(at.folder / "none")}}}))


async def ami_off(at: Surgery) -> Report:
    return await at.look(at.settings({"ami": {"port": free_tcp_port()}}))


async def bridge_stopped(at: Surgery) -> Report:
    given = at.settings().model_copy(update={"state_dir": at.folder / "no-bridge"})
    return await at.look(given)


SEEDED: dict[str, tuple[Callable[[Surgery], Awaitable[Report]], Id, Level]] = {
    "module missing": (module_missing, Id.PBX_MODULES, FAULT),
    "format missing": (format_missing, Id.PBX_MODULES, FAULT),
    "codec missing": (codec_missing, Id.PBX_MODULES, FAULT),
    "channel driver missing": (driver_missing, Id.PBX_MODULES, FAULT),
    "site missing": (site_missing, Id.DIALPLAN_CONTEXTS, FAULT),
    "context edited": (context_edited, Id.DIALPLAN_CONTEXTS, NOTE),
    "DID not routed": (did_not_routed, Id.DIALPLAN_DID, FAULT),
    "DID hidden by another extension": (did_hidden, Id.DIALPLAN_DID, FAULT),
    "included at certain times": (at_certain_times, Id.DIALPLAN_DID, UNSEEN),
    "two contexts in a circle": (in_a_circle, Id.DIALPLAN_DID, FAULT),
    "number cut": (number_cut, Id.DIALPLAN_DID, FAULT),
    "another spelling goes elsewhere": (
        number_without_a_plus_goes_elsewhere,
        Id.DIALPLAN_DID,
        NOTE,
    ),
    "wrong port": (wrong_port, Id.DIALPLAN_URL, FAULT),
    "another bridge for a number": (number_has_another_bridge, Id.DIALPLAN_URL, FAULT),
    "URL without a path": (url_without_a_path, Id.DIALPLAN_URL, FAULT),
    "token differs": (token_differs, Id.DIALPLAN_URL, FAULT),
    "fallback missing": (fallback_missing, Id.FALLBACK, FAULT),
    "fallback of a driver that is not there": (fallback_of_a_lost_driver, Id.FALLBACK, FAULT),
    "fallback without its label": (fallback_has_no_such_label, Id.FALLBACK, FAULT),
    "telephone unregistered": (telephone_unregistered, Id.FALLBACK, FAULT),
    "default destination dead": (default_dead, Id.DEFAULT_DESTINATION, FAULT),
    "default leads back": (default_leads_back, Id.DEFAULT_DESTINATION, FAULT),
    "fallback leads back": (fallback_leads_back, Id.FALLBACK, FAULT),
    "no such trunk": (no_such_trunk, Id.DIAL_TEMPLATE, FAULT),
    "inband DTMF": (inband, Id.DTMF, FAULT),
    "direct media": (direct_media, Id.DIRECT_MEDIA, NOTE),
    "poor codec": (poor_codec, Id.CODECS, NOTE),
    "no digits in a language": (no_digits, Id.SOUNDS, FAULT),
    "keys in a log": (keys_in_a_log, Id.DANGER, FAULT),
    "live_dangerously": (lives_dangerously, Id.DANGER, FAULT),
    "clock": (clock_adrift, Id.CLOCK, NOTE),
    "bridge stopped": (bridge_stopped, Id.SERVICE, FAULT),
}


@pytest.mark.parametrize("name", SEEDED)
async def test_a_seeded_fault_is_found_by_its_id_and_by_no_other(
    surgery: Surgery, name: str
) -> None:
    seed, which, level = SEEDED[name]
    assert wrong(await seed(surgery)) == {which: level}


@pytest.mark.parametrize(
    ("seed", "which"),
    [
        (wrong_password, Id.PBX_LOGIN),
        (secret_missing, Id.PBX_LOGIN),
        (ami_off, Id.PBX_REACH),
    ],
    ids=["AMI password wrong", "AMI secret missing", "AMI off"],
)
async def test_a_pbx_that_cannot_be_asked_is_one_fault(
    surgery: Surgery, seed: Callable[[Surgery], Awaitable[Report]], which: Id
) -> None:
    found = wrong(await seed(surgery))
    assert found.pop(which) is FAULT
    assert set(found.values()) == {UNSEEN}


async def test_without_the_right_system_the_rest_is_looked_at(surgery: Surgery) -> None:
    (surgery.folder / "limited.secret").write_text(LIMITED)
    secret = {"file": str(surgery.folder / "limited.secret")}
    given = surgery.settings({"ami": {"user": "limited", "secret": secret}})
    report = await surgery.look(given, call=f"{DID}@from-trunk")
    assert wrong(report) == dict.fromkeys(
        (
            Id.PBX_MODULES,
            Id.DIALPLAN_DID,
            Id.FALLBACK,
            Id.DEFAULT_DESTINATION,
            Id.DIAL_TEMPLATE,
            Id.SOUNDS,
            Id.DANGER,
            Id.CALL,
        ),
        UNSEEN,
    )
