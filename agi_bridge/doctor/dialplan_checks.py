"""Findings about the dialplan: its contexts, where it looks for the bridge, DIDs, fallback."""

from __future__ import annotations

import hmac
import re
from ipaddress import ip_address, ip_network
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
)
from agi_bridge.doctor.dialplan_version import RENEW, VERSION, news_since, version_of
from agi_bridge.doctor.findings import Id, fault, not_looked_at, note, ok
from agi_bridge.doctor.numbers import TEST_CALL, TOKEN, URL, URL_2, settings_of_calls, ways_of
from agi_bridge.doctor.pbx import MissingRightError
from agi_bridge.net import is_loopback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from agi_bridge.doctor.dialplan import Route
    from agi_bridge.doctor.findings import Finding
    from agi_bridge.doctor.numbers import CallSettings, NumberWay
    from agi_bridge.doctor.pbx import Context, Pbx
    from agi_bridge.settings import Settings

_AGI_PORT: Final = 4573
_ANY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound
_SHOWN: Final = 3
_CALLED: Final = re.compile(r"\+?[0-9]+")
"""An extension that is a called number; `s` says nothing about it."""
HEALTH_PATH: Final = "/health"
"""The path that answers how the bridge is, and takes no calls."""
_COPY: Final = "copy dialplan/agi-bridge.conf next to extensions.conf, #include it, and run"
_RELOAD: Final = "asterisk -rx 'dialplan reload'"


async def contexts(pbx: Pbx, shipped: Mapping[str, Context]) -> AsyncIterator[Finding]:
    """Compare the contexts of the PBX with the shipped ones."""
    there = {name: await pbx.context(name) for name in SHIPPED_CONTEXTS}
    site = await pbx.context(SITE)
    missing = [name for name, found in {**there, SITE: site}.items() if found is None]
    if missing:
        what = f"the dialplan has no context {', '.join(missing)}"
        yield fault(Id.DIALPLAN_CONTEXTS, what, f"{_COPY} {_RELOAD}")
        return
    if site is not None and not any(step.application.lower() == "return" for step in site.steps):
        what = f"[{SITE}] has no Return(), so every call ends there"
        fix = f"copy [{SITE}] again, put your URL and fallback into it, and run {_RELOAD}"
        yield fault(Id.DIALPLAN_CONTEXTS, what, fix)
        return
    if (freepbx := await pbx.context(FREEPBX)) is not None and FREEPBX in shipped:
        there[FREEPBX] = freepbx
    changed = [
        f"[{name}] {place}"
        for name, found in there.items()
        if found is not None
        for place in differences(shipped[name], found)
    ]
    if not changed:
        yield ok(Id.DIALPLAN_CONTEXTS, f"{', '.join(there)}: as shipped")
        return
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    places = "; ".join(changed[:_SHOWN]) + more
    version, newest = version_of(await pbx.context(VERSION)), version_of(shipped[VERSION])
    if version < newest:
        what = f"the dialplan is version {version}, older than this program's {newest}: {places}"
        why = f"Calls work as before; {news_since(version)}."
        yield note(Id.DIALPLAN_CONTEXTS, f"{what} differ", RENEW, why=why)
        return
    what = f"the dialplan was edited: {places} differ from the shipped file"
    fix = (
        "if the change is not meant, copy dialplan/agi-bridge.conf again; if it is, keep it in"
        " a context of your own"
    )
    yield note(Id.DIALPLAN_CONTEXTS, what, fix)


async def url(pbx: Pbx, settings: Settings) -> AsyncIterator[Finding]:
    """Compare AGI_BRIDGE_URL and AGI_BRIDGE_TOKEN with `[agi]`; a number may have its own."""
    for calls in await settings_of_calls(pbx, settings, (URL, URL_2, TOKEN, TEST_CALL)):
        for finding in _judge_url(calls, settings):
            yield finding


def _judge_url(calls: CallSettings, settings: Settings) -> Iterator[Finding]:
    agi, about = settings.agi, calls.about
    if calls.has(TEST_CALL):
        why = "Asterisk hangs up every caller, in place of asking the bridge."
        fix = f"remove {TEST_CALL}: only the doctor sets it, for its own call"
        yield fault(Id.DIALPLAN_URL, f"{TEST_CALL} is set", fix, about=about, why=why)
        return
    if "$" in calls.url + calls.token:
        what = f"{URL} or {TOKEN} is made from other variables, which only a call can follow"
        yield not_looked_at(Id.DIALPLAN_URL, what, "run agi-bridge doctor --call", about=about)
        return
    here = f"agi://{_shown_host(agi.host, settings.ami.host)}:{agi.port}/consent"
    place = f"in the dialplan of {about}" if about else f"in [globals] or in [{SITE}]"
    problem = _url_problem(calls.url, settings)
    if problem:
        fix = f"set {URL} = {here} {place}, and run {_RELOAD}"
        yield fault(Id.DIALPLAN_URL, problem, fix, about=about)
    elif problem := _peer_problem(settings):
        fix = f"add {settings.ami.host} to agi.allow, and restart the bridge"
        yield fault(Id.DIALPLAN_URL, problem, fix, about=about)
    if calls.second_url and (wrong := form_problem(calls.second_url, URL_2)):
        why = "If this bridge refuses a call, the second one is not reached."
        fix = f"correct {URL_2}, or remove it"
        yield note(Id.DIALPLAN_URL, wrong, fix, about=about, why=why)
    wanted = agi.secret() or ""
    # A bridge without a token takes every call, whatever the dialplan sends.
    if wanted and not hmac.compare_digest(calls.token.encode(), wanted.encode()):
        what = f"{TOKEN} differs from agi.token" if calls.token else f"{TOKEN} is not set"
        why = "The bridge refuses every call from this PBX: all callers go to the fallback."
        fix = "set it to the content of agi.token"
        yield fault(Id.DIALPLAN_URL, what, fix, about=about, why=why)
    elif not problem:
        state = "set" if calls.has(URL) else "not set, so the dialplan's own"
        also = ", and the token agrees" if wanted else ""
        what = f"{URL} is {state}: port {agi.port} of this bridge{also}"
        yield ok(Id.DIALPLAN_URL, what, about=about)


def _peer_problem(settings: Settings) -> str:
    """Return why the bridge takes no connection from the PBX; empty if it does, or is not known."""
    networks = [ip_network(each) for each in settings.agi.allow]
    try:
        peer = ip_address(settings.ami.host)
    except ValueError:  # a name
        return ""
    if peer.is_loopback or not networks or any(peer in each for each in networks):
        return ""
    return f"agi.allow does not contain the PBX, {peer}: the bridge refuses its calls"


def _url_problem(text: str, settings: Settings) -> str:
    """Return what is wrong with the URL; empty if it leads to this bridge, as far as one sees."""
    agi = settings.agi
    if problem := form_problem(text, "AGI_BRIDGE_URL"):
        return problem
    parts = urlsplit(text)
    if parts.scheme == "hagi":
        return ""  # the host and port are in DNS; the test call shows where it leads
    host, port = parts.hostname or "", parts.port or _AGI_PORT
    if agi.port and port != agi.port:
        return f"AGI_BRIDGE_URL leads to port {port}, but this bridge listens on port {agi.port}"
    return _host_problem(host, agi.host, pbx_is_here=is_loopback(settings.ami.host))


def form_problem(text: str, name: str) -> str:
    """Return why no call can take a URL, wherever it leads; empty if one can."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return f"{name} is not a URL"
    if parts.scheme not in {"agi", "hagi"} or not host or text != text.strip():
        return f"{name} must begin with agi:// or hagi://"
    if not parts.path:
        return f"{name} has no path, so Asterisk takes the query for the port: add /consent"
    if parts.query or parts.fragment:
        return f"{name} ends in a query, to which the dialplan adds its own: no call has a number"
    if parts.path.rstrip("/") == HEALTH_PATH:
        return f"{name} has the path {HEALTH_PATH}, which takes no calls"
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
        about = f"lines.{line.name}"
        try:
            ways = await ways_of(pbx, settings, line)
        except MissingRightError as missing:
            ways = []
            fix = f"give the account the right {missing.right}, or set ami.contexts"
        else:
            fix = 'set ami.contexts, like ["from-trunk"]'
        if not ways:
            what = "not known where the trunk's calls enter"
            yield not_looked_at(Id.DIALPLAN_DID, what, fix, about=about)
        for way in ways:
            yield _did(settings, way, about)


def _did(settings: Settings, way: NumberWay, about: str) -> Finding:
    route, number, start = way.route, way.number, way.start
    found = _judge_did(route, number, start, about)
    if route.way is not Way.BRIDGE:
        return found
    if _CALLED.fullmatch(route.extension) and settings.line_for([route.extension]) is None:
        what = f"{number} from [{start}] reaches the bridge as {route.extension}, no line's number"
        fix = "pass the called number on whole: Goto(agi-bridge,${EXTEN},1)"
        return fault(Id.DIALPLAN_DID, what, fix, about=about)
    for other, led in way.others.items():
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
