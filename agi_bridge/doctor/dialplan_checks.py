"""Findings about the dialplan: its contexts, where it looks for the bridge, DIDs, fallback."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from agi_bridge import phone
from agi_bridge.doctor.dialplan import (
    BRIDGE,
    FREEPBX,
    SHIPPED_CONTEXTS,
    SITE,
    Way,
    differences,
    follow,
    spellings,
)
from agi_bridge.doctor.findings import Id, fault, not_looked_at, note, ok
from agi_bridge.doctor.pbx import MissingRightError
from agi_bridge.net import is_loopback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from agi_bridge.doctor.dialplan import Route
    from agi_bridge.doctor.findings import Finding
    from agi_bridge.doctor.pbx import Context, Pbx
    from agi_bridge.settings import Line, Settings

VERSION: Final = "agi-bridge-version"
"""The context whose first step holds the version of the dialplan."""

_DEFAULT_URL: Final = "agi://127.0.0.1:4573/consent"
"""What the dialplan uses if AGI_BRIDGE_URL is not set."""
_AGI_PORT: Final = 4573
_SECOND: Final = "AGI_BRIDGE_URL_2"
_ANY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound
_SHOWN: Final = 3
_CALLED: Final = re.compile(r"\+?[0-9]+")
"""An extension that is a called number; `s` says nothing about it."""
_HEALTH: Final = "/health"
"""The path that answers how the bridge is, and takes no calls."""
_FREEPBX_TRUNKS: Final = ("from-pstn",)
"""The context that calls from every trunk of FreePBX pass through."""
_COPY: Final = "copy dialplan/agi-bridge.conf next to extensions.conf, #include it, and run"
_RELOAD: Final = "asterisk -rx 'dialplan reload'"


async def contexts(pbx: Pbx, shipped: Mapping[str, Context]) -> AsyncIterator[Finding]:
    """Compare the contexts of the PBX with the shipped ones."""
    there = {name: await pbx.context(name) for name in SHIPPED_CONTEXTS}
    missing = [name for name, found in there.items() if found is None]
    if missing:
        what = f"the dialplan has no context {', '.join(missing)}"
        yield fault(Id.DIALPLAN_CONTEXTS, what, f"{_COPY} {_RELOAD}")
        return
    changed = [
        f"[{name}] {place}"
        for name, found in there.items()
        if found is not None
        for place in differences(shipped[name], found)
    ]
    if not changed:
        yield ok(Id.DIALPLAN_CONTEXTS, f"{', '.join(SHIPPED_CONTEXTS)}: as shipped")
        return
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    places = "; ".join(changed[:_SHOWN]) + more
    version = await pbx.context(VERSION)
    if version is None or _version(version) < _version(shipped[VERSION]):
        what = f"the dialplan is older than this program: {places} differ"
        yield note(Id.DIALPLAN_CONTEXTS, what, f"{_COPY} {_RELOAD}")
        return
    what = f"the dialplan was edited: {places} differ from the shipped file"
    fix = (
        "if the change is not meant, copy dialplan/agi-bridge.conf again; if it is, keep it in"
        " a context of your own"
    )
    yield note(Id.DIALPLAN_CONTEXTS, what, fix)


def _version(context: Context) -> int:
    given = next((step.arguments for step in context.steps), "")
    return int(given) if given.isdigit() else 0


async def url(pbx: Pbx, settings: Settings) -> AsyncIterator[Finding]:
    """Compare AGI_BRIDGE_URL and AGI_BRIDGE_TOKEN with `[agi]`."""
    given = await pbx.setting("AGI_BRIDGE_URL", SITE)
    agi = settings.agi
    here = f"agi://{_shown_host(agi.host, settings.ami.host)}:{agi.port}/consent"
    fix = f"set AGI_BRIDGE_URL = {here} in [globals] or in [{SITE}], and run {_RELOAD}"
    problem = _url_problem(given or _DEFAULT_URL, settings)
    if problem:
        yield fault(Id.DIALPLAN_URL, problem, fix)
    second = await pbx.setting(_SECOND, SITE)
    if second and (wrong := _form_problem(second, _SECOND)):
        why = "If this bridge refuses a call, the second one is not reached."
        yield note(Id.DIALPLAN_URL, wrong, f"correct {_SECOND}, or remove it", why=why)
    token, wanted = await pbx.setting("AGI_BRIDGE_TOKEN", SITE), agi.secret() or ""
    # A bridge without a token takes every call, whatever the dialplan sends.
    if wanted and not hmac.compare_digest(token.encode(), wanted.encode()):
        what = "AGI_BRIDGE_TOKEN differs from agi.token" if token else "AGI_BRIDGE_TOKEN is not set"
        why = "The bridge refuses every call from this PBX: all callers go to the fallback."
        yield fault(Id.DIALPLAN_URL, what, "set it to the content of agi.token", why=why)
    elif not problem:
        state = "set" if given else "not set, so the dialplan's own"
        also = ", and the token agrees" if wanted else ""
        yield ok(
            Id.DIALPLAN_URL, f"AGI_BRIDGE_URL is {state}: port {agi.port} of this bridge{also}"
        )


def _url_problem(text: str, settings: Settings) -> str:
    """Return what is wrong with the URL; empty if it leads to this bridge, as far as one sees."""
    agi = settings.agi
    if problem := _form_problem(text, "AGI_BRIDGE_URL"):
        return problem
    parts = urlsplit(text)
    if parts.scheme == "hagi":
        return ""  # the host and port are in DNS; the test call shows where it leads
    host, port = parts.hostname or "", parts.port or _AGI_PORT
    if agi.port and port != agi.port:
        return f"AGI_BRIDGE_URL leads to port {port}, but this bridge listens on port {agi.port}"
    return _host_problem(host, agi.host, pbx_is_here=is_loopback(settings.ami.host))


def _form_problem(text: str, name: str) -> str:
    """Return why no call can take a URL, wherever it leads; empty if one can."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return f"{name} is not a URL"
    if parts.scheme not in {"agi", "hagi"} or not host or text != text.strip():
        return f"{name} must begin with agi:// or hagi://"
    if parts.query or parts.fragment:
        return f"{name} ends in a query, to which the dialplan adds its own: no call has a number"
    if parts.path.rstrip("/") == _HEALTH:
        return f"{name} has the path {_HEALTH}, which takes no calls"
    return ""


def _host_problem(host: str, listens: str, *, pbx_is_here: bool) -> str:
    """Compare the URL's host with the address that the bridge listens on."""
    if is_loopback(host):
        if not pbx_is_here:
            return f"AGI_BRIDGE_URL is {host}, the PBX itself, but this bridge is elsewhere"
        apart = is_loopback(listens) and ":" in host + listens and host != listens
        if apart and "localhost" not in {host, listens}:
            return f"AGI_BRIDGE_URL is {host}, but this bridge listens on {listens} only"
        if not is_loopback(listens) and listens not in _ANY_ADDRESS:
            return f"AGI_BRIDGE_URL is {host}, but this bridge listens on {listens} only"
    elif is_loopback(listens):
        return f"AGI_BRIDGE_URL leads to {host}, but this bridge listens on {listens} only"
    return ""


def _shown_host(host: str, pbx: str) -> str:
    if host in _ANY_ADDRESS:
        return "127.0.0.1" if is_loopback(pbx) else "ADDRESS-OF-THIS-MACHINE"
    return "127.0.0.1" if host == "localhost" else f"[{host}]" if ":" in host else host


async def dids(pbx: Pbx, settings: Settings) -> AsyncIterator[Finding]:
    """Follow each DID of each line from where the trunk's calls enter."""
    for line in settings.lines.values():
        try:
            starts = settings.ami.contexts or await trunk_contexts(pbx, line)
        except MissingRightError as missing:
            starts = ()
            fix = f"give the account the right {missing.right}, or set ami.contexts"
        else:
            fix = 'set ami.contexts, like ["from-trunk"]'
        about = f"lines.{line.name}"
        if not starts:
            what = "not known where the trunk's calls enter"
            yield not_looked_at(Id.DIALPLAN_DID, what, fix, about=about)
        for start in starts:
            for did in line.did:
                yield await _did(pbx, settings, did, start, about)


async def trunk_contexts(pbx: Pbx, line: Line) -> tuple[str, ...]:
    """Return the context of the endpoint that the line dials by: calls from it enter there."""
    name = template_endpoint(line.dial_template)
    endpoint = await pbx.endpoint(name) if name else None
    if endpoint is not None and endpoint.context:
        return (endpoint.context,)
    freepbx = await pbx.context(FREEPBX) is not None
    return _FREEPBX_TRUNKS if freepbx and await pbx.context(_FREEPBX_TRUNKS[0]) is not None else ()


def template_endpoint(template: str) -> str:
    """Return the endpoint of `PJSIP/{number}@trunk`; empty for anything else."""
    technology, _, rest = template.partition("/")
    number, at, name = rest.rpartition("@")
    return name.partition("/")[0] if technology.upper() == "PJSIP" and at and number else ""


async def _did(pbx: Pbx, settings: Settings, did: str, start: str, about: str) -> Finding:
    """Follow a number as it is configured; if nothing matches it, as trunks may spell it."""
    routes = {each: await follow(each, start, pbx.context) for each in spellings(did)}
    number, route = next(
        ((each, led) for each, led in routes.items() if led.way is not Way.NOWHERE),
        next(iter(routes.items())),
    )
    found = _judge_did(route, number, start, about)
    if route.way is not Way.BRIDGE:
        return found
    if _CALLED.fullmatch(route.extension) and settings.line_for([route.extension]) is None:
        what = f"{number} from [{start}] reaches the bridge as {route.extension}, no line's number"
        fix = "pass the called number on whole: Goto(agi-bridge,${EXTEN},1)"
        return fault(Id.DIALPLAN_DID, what, fix, about=about)
    for other, led in routes.items():
        if led.way is Way.ELSEWHERE:
            what = f"{found.what}, but spelled {_shape(other)} it ends in {_via(led)}"
            fix = f"if your trunk may deliver it so, let that extension go to {BRIDGE}"
            return note(Id.DIALPLAN_DID, what, fix, about=about)
    return found


def _shape(number: str) -> str:
    """Describe a spelling without the number itself."""
    return "with a plus" if number.startswith("+") else f"as {len(number)} digits"


def _via(route: Route) -> str:
    return f"{route.application} of extension {route.extension} of [{route.context}]"


def _judge_did(route: Route, number: str, start: str, about: str) -> Finding:
    shown = f"{number} from [{start}]"
    via = f"extension {route.extension} of [{route.context}]"
    include = f"add `include => agi-bridge` to [{start}], and run {_RELOAD}"
    match route.way:
        case Way.BRIDGE:
            return ok(Id.DIALPLAN_DID, f"{shown} reaches the bridge", about=about)
        case Way.NOWHERE:
            what = f"{shown}: no extension matches {route.extension} in [{route.context}]"
            return fault(Id.DIALPLAN_DID, what, include, about=about)
        case Way.LOOP:
            what = f"{shown} goes around in a circle at {via}"
            fix = f"let one of these extensions go to agi-bridge, then run {_RELOAD}"
            return fault(Id.DIALPLAN_DID, what, fix, about=about)
        case Way.ELSEWHERE:
            what = f"{shown} ends in {_via(route)}, not in the bridge"
            fix = f"remove that extension or let it go to agi-bridge, then run {_RELOAD}"
            return fault(Id.DIALPLAN_DID, what, fix, about=about)
    what = f"{shown}: {via} goes on by {route.application}, which only a call can follow"
    return not_looked_at(
        Id.DIALPLAN_DID,
        what,
        f"run agi-bridge doctor --call {phone.mask(number)}@{start} with the whole number",
        about=about,
    )
