"""Findings about where calls go: fallback, default destinations, the trunk and its media."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from agi_bridge.doctor.dialplan import SITE, Way, follow
from agi_bridge.doctor.findings import Finding, Id, Level, fault, not_looked_at, note, ok
from agi_bridge.doctor.numbers import (
    FALLBACK,
    FALLBACK_GOTO,
    settings_of_calls,
    template_endpoint,
)
from agi_bridge.doctor.pbx import MissingRightError
from agi_bridge.settings import DialDefault, DialplanDefault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agi_bridge.doctor.numbers import CallSettings
    from agi_bridge.doctor.pbx import Endpoint, Pbx
    from agi_bridge.settings import Settings

_GOOD_DTMF: Final = frozenset({"rfc4733", "rfc2833", "auto"})
_TELEPHONE_CODECS: Final = frozenset(
    {"ulaw", "alaw", "g722", "slin", "slin16", "opus", "g726", "all"}
)
"""Codecs that carry speech and, beside rfc4733, tones well; the others compress much."""
_LOCAL: Final = re.compile(r"(?P<extension>[^@]+)@(?P<context>[^/]+)")
_DRIVERS: Final = frozenset({"chan_sip", "chan_iax2", "chan_dahdi"})
"""Channel drivers whose module is named after what Dial() calls them."""
_NO_CIRCLE: Final = "name a place where somebody or something answers"
_TRY: Final = "call it from a telephone of the PBX"
_SHOW: Final = "see asterisk -rx 'pjsip show endpoints'"


async def fallback(pbx: Pbx, settings: Settings) -> AsyncIterator[Finding]:
    """Look whom the dialplan rings if no bridge answers, for each number that has its own."""
    for calls in await settings_of_calls(pbx, settings, (FALLBACK, FALLBACK_GOTO)):
        if calls.freepbx and not calls.returns:
            what = "FreePBX's Custom Destination has Return = No: nobody is rung"
            fix = "set Return = Yes and a destination in the Custom Destination, and Apply Config"
            yield fault(Id.FALLBACK, what, fix, about=calls.about)
            continue
        if calls.freepbx:
            what = "the destination that FreePBX's Custom Destination names"
            yield ok(Id.FALLBACK, what, about=calls.about)
            continue
        async for finding in _judge_fallback(pbx, calls):
            yield finding


async def _judge_fallback(pbx: Pbx, calls: CallSettings) -> AsyncIterator[Finding]:
    place, telephone = calls.fallback
    if "$" in place + telephone:
        what = "the fallback is made from other variables, which only a call can follow"
        fix = "stop the bridge for a moment and call the number"
        yield not_looked_at(Id.FALLBACK, what, fix, about=calls.about)
    elif place:
        yield await _fallback_place(pbx, place, calls.about)
    elif telephone:
        about = calls.about or FALLBACK
        async for found in _dialled(pbx, Id.FALLBACK, telephone, about):
            yield found
    else:
        fix = f"set {FALLBACK} = PJSIP/100 in [globals] or [{SITE}], or _FALLBACK_GOTO"
        what = f"neither {FALLBACK} nor {FALLBACK_GOTO} is set"
        yield fault(Id.FALLBACK, what, fix, about=calls.about)


async def _fallback_place(pbx: Pbx, place: str, about: str) -> Finding:
    parts = (*(part.strip() for part in place.split(",")), "", "")
    context, extension, priority = parts[0], parts[1] or "s", parts[2] or "1"
    if not await pbx.exists(context, extension, priority):
        what = f"{FALLBACK_GOTO} names {place}, which does not exist"
        fix = "write a location that exists, like ext-queues,400,1"
        return fault(Id.FALLBACK, what, fix, about=about)
    if await _leads_back(pbx, context, extension, priority):
        what = f"{FALLBACK_GOTO} is {place}: back to the bridge that did not answer"
        return fault(Id.FALLBACK, what, _NO_CIRCLE, about=about)
    return ok(Id.FALLBACK, f"the dialplan goes to {place}", about=about)


async def _leads_back(pbx: Pbx, context: str, extension: str, priority: str = "1") -> bool:
    """Whether a place leads into the bridge again, or to itself."""
    route = await follow(extension, context, pbx.context, priority)
    return route.way in {Way.BRIDGE, Way.LOOP}


async def defaults(pbx: Pbx, settings: Settings) -> AsyncIterator[Finding]:
    """Look at the default destination of each line."""
    for line in settings.lines.values():
        about = f"lines.{line.name}.default"
        default = line.default
        if isinstance(default, DialDefault):
            async for found in _dialled(pbx, Id.DEFAULT_DESTINATION, default.destination, about):
                yield found
        elif isinstance(default, DialplanDefault):
            yield await _default_place(pbx, default, about)
        else:
            yield ok(
                Id.DEFAULT_DESTINATION, f"the bridge ends the call ({default.kind})", about=about
            )


async def _default_place(pbx: Pbx, default: DialplanDefault, about: str) -> Finding:
    context, extension, priority = default.context, default.extension, str(default.priority)
    place = f"{context},{extension},{priority}"
    if not await pbx.exists(context, extension, priority):
        what = f"{place} does not exist in the dialplan"
        fix = f"correct {about}, or add the extension"
        return fault(Id.DEFAULT_DESTINATION, what, fix, about=about)
    if await _leads_back(pbx, context, extension, priority):
        what = f"{place} leads back to the bridge: callers go around in a circle"
        return fault(Id.DEFAULT_DESTINATION, what, _NO_CIRCLE, about=about)
    return ok(Id.DEFAULT_DESTINATION, f"{place} exists", about=about)


async def trunks(pbx: Pbx, settings: Settings) -> AsyncIterator[Finding]:
    """Look at the endpoint of each dial template, and at its keys and media."""
    seen: set[str] = set()
    for line in settings.lines.values():
        about = f"lines.{line.name}.dial_template"
        name = template_endpoint(line.dial_template)
        if not name:
            async for found in _other_template(pbx, line.dial_template, about):
                yield found
            continue
        if name in seen:
            continue
        seen.add(name)
        endpoint = await pbx.endpoint(name)
        if endpoint is None:
            what = f"the PBX has no PJSIP endpoint {name}"
            yield fault(Id.DIAL_TEMPLATE, what, f"correct dial_template; {_SHOW}", about=about)
            continue
        if endpoint.reachable:
            yield ok(Id.DIAL_TEMPLATE, f"endpoint {name} is there", about=about)
        else:
            what = f"endpoint {name}: {_unreachable(endpoint)}"
            fix = f"check the trunk's address, its registration and the network; {_SHOW}"
            yield fault(Id.DIAL_TEMPLATE, what, fix, about=about)
        for media in (_dtmf(endpoint), _codecs(endpoint), _direct_media(endpoint)):
            yield media


async def _other_template(pbx: Pbx, template: str, about: str) -> AsyncIterator[Finding]:
    """A template that is not PJSIP: a Local channel's context can be looked for."""
    technology, _, rest = template.partition("/")
    local = _LOCAL.match(rest)
    if technology.lower() != "local" or local is None:
        what = f"only PJSIP and Local are looked at, not {technology}"
        yield not_looked_at(Id.DIAL_TEMPLATE, what, _TRY, about=about)
    elif await pbx.context(local["context"]) is None:
        what = f"the dialplan has no context {local['context']}"
        yield fault(Id.DIAL_TEMPLATE, what, "correct dial_template", about=about)
    else:
        yield ok(Id.DIAL_TEMPLATE, f"the context {local['context']} exists", about=about)


async def _dialled(pbx: Pbx, which: Id, destinations: str, about: str) -> AsyncIterator[Finding]:
    """Look at each destination that is dialled together; one that can ring is enough."""
    findings = [await _destination(pbx, which, each, about) for each in destinations.split("&")]
    if any(found.level is Level.OK for found in findings):
        for found in findings:
            if found.level is Level.FAULT:
                yield note(which, found.what, found.fix, about=about, why="Another one rings.")
            else:
                yield found
        return
    for found in findings:
        yield found


async def _destination(pbx: Pbx, which: Id, destination: str, about: str) -> Finding:
    technology, _, rest = destination.partition("/")
    if not rest:
        fix = f"write the technology too, like PJSIP/{destination}"
        return fault(which, f"{destination}: the PBX cannot dial it", fix, about=about)
    try:
        if technology.lower() == "local":
            return await _local(pbx, which, destination, about)
        if technology.upper() == "PJSIP":
            return await _pjsip(pbx, which, destination, about)
        return await _other_technology(pbx, which, destination, about)
    except MissingRightError as missing:
        fix = f"add {missing.right} to `write` of the account in manager.conf"
        return not_looked_at(which, f"{destination}: needs {missing.right}", fix, about=about)


async def _local(pbx: Pbx, which: Id, destination: str, about: str) -> Finding:
    local = _LOCAL.match(destination.partition("/")[2])
    if local is not None and await pbx.exists(local["context"], local["extension"]):
        if await _leads_back(pbx, local["context"], local["extension"]):
            what = f"{destination} leads back to the bridge: callers go around in a circle"
            return fault(which, what, _NO_CIRCLE, about=about)
        return ok(which, f"{destination} exists", about=about)
    return fault(which, f"{destination} does not exist", "correct the extension", about=about)


async def _pjsip(pbx: Pbx, which: Id, destination: str, about: str) -> Finding:
    name = destination.partition("/")[2].rpartition("@")[2].partition("/")[0]
    endpoint = await pbx.endpoint(name)
    if endpoint is not None and endpoint.reachable:
        return ok(which, f"{destination} can ring", about=about)
    if endpoint is None:
        what, fix = f"the PBX has no PJSIP endpoint {name}", f"correct the name; {_SHOW}"
    else:
        what = _unreachable(endpoint)
        fix = f"check that the telephone is on and registered; {_SHOW}"
    return fault(which, f"{destination}: {what}", fix, about=about)


async def _other_technology(pbx: Pbx, which: Id, destination: str, about: str) -> Finding:
    """A telephone that is not PJSIP's: without its driver, nothing can ring it."""
    driver = f"chan_{destination.partition('/')[0].lower()}"
    if driver in _DRIVERS and not await pbx.has_module(driver):
        what = f"{destination}: {driver} is not loaded, so nothing rings"
        fix = "write it as PJSIP/NAME, or load the module (Asterisk 21 and later have no chan_sip)"
        return fault(which, what, fix, about=about)
    what = f"{destination}: only PJSIP and Local are looked at"
    return not_looked_at(which, what, _TRY, about=about)


def _unreachable(endpoint: Endpoint) -> str:
    return "it does not answer (Unreachable)" if endpoint.contacts else "it is not registered"


def _dtmf(endpoint: Endpoint) -> Finding:
    about, mode = f"endpoint {endpoint.name}", endpoint.dtmf_mode
    if mode in _GOOD_DTMF:
        return ok(Id.DTMF, f"keys come as {mode} events", about=about)
    fix = f"set dtmf_mode = rfc4733 for {endpoint.name} in pjsip.conf"
    if mode in {"inband", "none", ""}:
        return fault(Id.DTMF, f"dtmf_mode is {mode or 'not known'}", fix, about=about)
    return note(Id.DTMF, f"dtmf_mode is {mode}; many trunks send rfc4733", fix, about=about)


def _codecs(endpoint: Endpoint) -> Finding:
    about, codecs = f"endpoint {endpoint.name}", endpoint.codecs
    listed = ", ".join(codecs)
    fix = f"set disallow = all, allow = ulaw, allow = alaw for {endpoint.name} in pjsip.conf"
    if not codecs or codecs == ("nothing",):
        return fault(Id.CODECS, "no codec is allowed", fix, about=about)
    if not _TELEPHONE_CODECS & set(codecs):
        return note(Id.CODECS, f"only {listed}: neither ulaw nor alaw", fix, about=about)
    return ok(Id.CODECS, listed, about=about)


def _direct_media(endpoint: Endpoint) -> Finding:
    about = f"endpoint {endpoint.name}"
    if not endpoint.direct_media:
        return ok(Id.DIRECT_MEDIA, "media passes through the PBX", about=about)
    fix = f"set direct_media = no for {endpoint.name} in pjsip.conf"
    return note(Id.DIRECT_MEDIA, "direct_media is on", fix, about=about)
