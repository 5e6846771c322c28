"""Places the test call, or many at once, and judges them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from agi_bridge.doctor import call as test_call
from agi_bridge.doctor.ami import AmiError
from agi_bridge.doctor.dialplan import Way, follow
from agi_bridge.doctor.dialplan_checks import HEALTH_PATH, form_problem
from agi_bridge.doctor.dialplan_version import RENEW, SAFE_TEST_CALLS, VERSION, version_of
from agi_bridge.doctor.examine import MEND_FIRST, lost
from agi_bridge.doctor.findings import Id, fault, not_looked_at, ok
from agi_bridge.doctor.numbers import FALLBACK_GOTO, TOKEN, URL, settings_at
from agi_bridge.doctor.pbx import MissingRightError, Pbx
from agi_bridge.doctor.pbx_checks import apology_of, missing_sounds, wanted_sounds

if TYPE_CHECKING:
    from agi_bridge.doctor.ami import AmiSession
    from agi_bridge.doctor.call import CallStep, Target
    from agi_bridge.doctor.dialplan import Route
    from agi_bridge.doctor.ear import Ear, TestCall
    from agi_bridge.doctor.findings import Finding
    from agi_bridge.doctor.line_sounds import Lines

CALL_SECONDS: Final = 4.0
"""What the PBX may take for all questions around a call."""
_UNANSWERED: Final = "the PBX did not answer"
PLACE_SECONDS: Final = 8.0
"""How long `--load` places calls, whatever their number: the PBX takes one in milliseconds."""


async def place_test_call(
    session: AmiSession, ear: Ear, target: Target, lines: Lines, seconds: float, *, ask_bridge: bool
) -> tuple[list[Finding], tuple[CallStep, ...]]:
    """Place one call and return its findings and its steps.

    `seconds`: how long the dialplan may take to hand it to a bridge. `ask_bridge`: have the PBX ask
    the running bridge how it is.
    """
    if not lines.all:
        return [_no_line(Id.CALL)], ()
    pbx = Pbx(session)
    pbx.allow(CALL_SECONDS)
    line = lines.find(target.did)
    sound = (line or lines.all[0]).sample
    try:
        if (obstacle := await _obstacle(pbx, target, Id.CALL)) is not None:
            return [obstacle], ()
        wanted = wanted_sounds([line] if line else [], await apology_of(pbx))
        asked = [f"{language}/{name}" for language, names in wanted.items() for name in names]
        bridge = await _health_url(pbx, target) if ask_bridge else ""
        call = ear.expect(sound, asked, bridge=bridge)
        if not await test_call.place(pbx, ear, target, call, seconds):
            what = f"the PBX refuses to call {target.did} in [{target.context}]"
            return [fault(Id.CALL, what, "see asterisk's messages log")], ()
    except MissingRightError as missing:
        return [test_call.needs_right(Id.CALL, missing)], ()
    except AmiError as error:
        return [lost(error), not_looked_at(Id.CALL, _UNANSWERED, MEND_FIRST)], ()
    await test_call.follow(call, seconds)
    steps = tuple(test_call.steps(call, lines.find(call.number)))
    findings = [*test_call.judge(call, steps, target, refused=ear.refused)]
    for language in wanted:
        prefix = f"{language}/"
        if absent := [
            name.removeprefix(prefix) for name in call.missing if name.startswith(prefix)
        ]:
            findings.append(missing_sounds(language, absent))
    if wanted and not call.missing and any(step.name == "sound" and step.ok for step in steps):
        shown = ", ".join(wanted)
        findings.append(ok(Id.SOUNDS, f"the PBX plays a prompt, and has its own in {shown}"))
    return findings, steps


async def _health_url(pbx: Pbx, target: Target) -> str:
    """Return where a real call would find the bridge, to be asked for its health.

    Empty if that is not known, or not a URL, which is a finding already.
    """
    calls = await settings_at(pbx, target.did, target.context, (URL, TOKEN))
    if "$" in calls.url + calls.token or form_problem(calls.url, URL):
        return ""
    place = calls.url.partition("//")[2].partition("/")[0]
    scheme = calls.url.partition(":")[0]
    token = f"?token={calls.token}" if calls.token else ""
    return f"{scheme}://{place}{HEALTH_PATH}{token}"


async def place_load(
    session: AmiSession,
    ear: Ear,
    target: Target,
    lines: Lines,
    *,
    number: int,
    seconds: float,
) -> list[Finding]:
    """Place many calls at once and say how many the PBX carried.

    What the PBX does not take within `PLACE_SECONDS` is not placed, and counts as not carried.
    """
    if not lines.all:
        return [_no_line(Id.LOAD)]
    pbx = Pbx(session)
    pbx.allow(CALL_SECONDS + PLACE_SECONDS)
    sound = (lines.find(target.did) or lines.all[0]).sample
    calls: list[TestCall] = []
    following: list[asyncio.Task[None]] = []
    try:
        if (obstacle := await _obstacle(pbx, target, Id.LOAD)) is not None:
            return [obstacle]
        ends_at = session.time() + PLACE_SECONDS
        while len(calls) < number and session.time() < ends_at:
            calls.append(ear.expect(sound))
            if await test_call.place(pbx, ear, target, calls[-1], seconds):
                following.append(asyncio.create_task(test_call.follow(calls[-1], seconds)))
    except MissingRightError as missing:
        return [test_call.needs_right(Id.LOAD, missing)]
    except AmiError as error:
        return [lost(error), not_looked_at(Id.LOAD, _UNANSWERED, MEND_FIRST)]
    finally:
        await asyncio.gather(*following)
    made = [tuple(test_call.steps(call, lines.find(call.number))) for call in calls]
    return [test_call.judge_load(calls, made, number)]


async def _obstacle(pbx: Pbx, target: Target, which: Id) -> Finding | None:
    """Return why no call is placed; None if one may be."""
    if not await pbx.exists(target.context, target.did):
        return _no_extension(target)
    route = await follow(target.did, target.context, pbx.context)
    if route.way is Way.ELSEWHERE and route.application.lower() == "dial":
        what = f"{target.did} leads to Dial in [{route.context}], so no call was placed"
        return not_looked_at(which, what, "see dialplan-did: lead the number to agi-bridge")
    return _would_ring(which, target) if await _may_ring(pbx, route) else None


async def _may_ring(pbx: Pbx, route: Route) -> bool:
    """Whether a telephone may ring if the call is lost.

    A dialplan before version 3 does not know a test call from others, and a fallback that the way
    of the number sets replaces the hangup that the call brings.
    """
    if version_of(await pbx.context(VERSION)) >= SAFE_TEST_CALLS:
        return False
    return FALLBACK_GOTO in route.settings


def _would_ring(which: Id, target: Target) -> Finding:
    what = (
        f"the way of {target.did} sets {FALLBACK_GOTO}, where an older dialplan lets a telephone"
        " ring for a test call that is lost: so no call was placed"
    )
    return not_looked_at(which, what, RENEW)


def _no_line(which: Id) -> Finding:
    what = "no line is configured, so no call was placed"
    return not_looked_at(which, what, "add [lines.NAME], or run agi-bridge init")


def _no_extension(target: Target) -> Finding:
    what = f"{target.did}@{target.context}: no such extension, so no call was placed"
    fix = f"add `include => agi-bridge` to [{target.context}], or correct --call"
    return fault(Id.DIALPLAN_DID, what, fix)
