"""Traces each line's number through the dialplan, with the variables that it sets for the call.

A variable of a call overrides the global one of the same name, and what neither has is taken from
the context agi-bridge-site. So every number can have its own bridge and its own fallback.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from agi_bridge.doctor.dialplan import FREEPBX, SITE, Way, follow, spellings
from agi_bridge.doctor.pbx import MissingRightError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agi_bridge.doctor.dialplan import Route
    from agi_bridge.doctor.pbx import Pbx
    from agi_bridge.settings import Line, Settings

URL: Final = "AGI_BRIDGE_URL"
URL_2: Final = "AGI_BRIDGE_URL_2"
TOKEN: Final = "AGI_BRIDGE_TOKEN"  # noqa: S105 - the name of a variable
FALLBACK: Final = "AGI_BRIDGE_FALLBACK"
FALLBACK_GOTO: Final = "AGI_BRIDGE_FALLBACK_GOTO"
TEST_CALL: Final = "AGI_BRIDGE_TEST_CALL"
"""Only a test call has it, and its value is the URL of the doctor's ear."""

DEFAULT_URL: Final = "agi://127.0.0.1:4573/consent"
"""What the dialplan uses if AGI_BRIDGE_URL is not set."""

_FREEPBX_TRUNKS: Final = ("from-pstn",)
"""The context that calls from every trunk of FreePBX pass through."""


@dataclass(frozen=True, slots=True)
class NumberWay:
    """Where a number of a line leads from a context.

    Attributes:
        number: the number, spelled as an extension matches it.
        start: the context.
        route: where it leads.
        others: where it leads if the trunk spells it differently.
    """

    number: str
    start: str
    route: Route
    others: Mapping[str, Route]


async def ways_of(pbx: Pbx, settings: Settings, line: Line) -> list[NumberWay]:
    """Follow each number of a line from each context of the trunk; empty if none is known.

    Raises:
        MissingRightError: the context is that of an endpoint, which the account may not see.
    """
    starts = settings.ami.contexts or await _trunk_contexts(pbx, line)
    return [await _way(pbx, did, start) for start in starts for did in line.did]


async def _way(pbx: Pbx, did: str, start: str) -> NumberWay:
    """Follow a number as it is configured; if nothing matches it, as trunks may spell it."""
    routes = {each: await follow(each, start, pbx.context) for each in spellings(did)}
    number, route = next(
        ((each, led) for each, led in routes.items() if led.way is not Way.NOWHERE),
        next(iter(routes.items())),
    )
    return NumberWay(number, start, route, routes)


async def _trunk_contexts(pbx: Pbx, line: Line) -> tuple[str, ...]:
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


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What the dialplan sets for calls.

    Attributes:
        about: the line whose calls these are; empty: all calls.
        given: the variables of the call and the global ones, as far as they are set.
        site: what agi-bridge-site sets.
        freepbx: the calls come through FreePBX's Custom Destination, which has the fallback.
        returns: they return to it, as they do if it has Return = Yes.
    """

    about: str
    given: Mapping[str, str]
    site: Mapping[str, str]
    freepbx: bool = False
    returns: bool = True

    @property
    def url(self) -> str:
        """Where the bridge is looked for."""
        return self.given.get(URL) or self.site.get(URL) or DEFAULT_URL

    @property
    def second_url(self) -> str:
        """Where the second bridge is looked for; empty if there is none."""
        return self.given.get(URL_2) or self.site.get(URL_2, "")

    @property
    def token(self) -> str:
        """The token that calls bring; empty if none."""
        return self.given.get(TOKEN) or self.site.get(TOKEN, "")

    @property
    def fallback(self) -> tuple[str, str]:
        """The place and the telephone of the fallback; the site's hold only without both."""
        place, telephone = self.given.get(FALLBACK_GOTO, ""), self.given.get(FALLBACK, "")
        if place or telephone:
            return place, telephone
        return self.site.get(FALLBACK_GOTO, ""), self.site.get(FALLBACK, "")

    def has(self, *names: str) -> bool:
        """Whether one of these variables is set, by the call or globally."""
        return any(self.given.get(name) for name in names)


async def settings_of_calls(
    pbx: Pbx, settings: Settings, names: Sequence[str]
) -> list[CallSettings]:
    """Return the different values that these variables have in calls that reach the bridge.

    Where no way is known, those of a call that sets none itself.
    """
    common = {name: await pbx.variable(name) for name in names}
    site = await site_settings(pbx)
    found: list[CallSettings] = []
    for line in settings.lines.values():
        try:
            ways = await ways_of(pbx, settings, line)
        except MissingRightError:
            continue
        for way in ways:
            if way.route.way is Way.BRIDGE:
                own = {name: way.route.settings[name] for name in names & way.route.settings.keys()}
                about = f"lines.{line.name}" if own else ""
                freepbx, returns = way.route.context == FREEPBX, way.route.application != "goto"
                found.append(CallSettings(about, {**common, **own}, site, freepbx, returns))
    if found:
        return list(_different(found))
    unknown = CallSettings("", common, site)
    if not any(unknown.fallback) and await pbx.context(FREEPBX) is not None:
        return [replace(unknown, freepbx=True)]
    return [unknown]


async def settings_at(pbx: Pbx, number: str, start: str, names: Sequence[str]) -> CallSettings:
    """Return the variables of a call to a number that enters at a context."""
    route = await follow(number, start, pbx.context)
    common = {name: await pbx.variable(name) for name in names}
    own = {name: value for name, value in route.settings.items() if name in common}
    return CallSettings("", {**common, **own}, await site_settings(pbx))


def _different(found: Sequence[CallSettings]) -> Iterator[CallSettings]:
    for place, each in enumerate(found):
        if each not in found[:place]:
            yield each


async def site_settings(pbx: Pbx) -> Mapping[str, str]:
    """Return what agi-bridge-site sets where no variable says otherwise."""
    context = await pbx.context(SITE)
    parts = (
        step.arguments.partition("=")
        for step in (() if context is None else context.steps)
        if step.application.lower() == "set"
    )
    return {name.strip(): value.strip() for name, _, value in reversed([*parts])}
