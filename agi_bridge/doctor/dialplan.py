"""The dialplan as values: which extension a number matches, where it leads, and what was edited."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from agi_bridge.doctor.branches import Command, commands
from agi_bridge.doctor.pbx import Context, Step

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

BRIDGE: Final = "agi-bridge"
"""The context that calls enter."""

ASK: Final = "agi-bridge-ask"
"""The context that hands a call to a bridge."""

SITE: Final = "agi-bridge-site"
"""The context with this PBX's own settings, where no variable says otherwise. It may differ."""

FREEPBX: Final = "agi-bridge-freepbx"
"""The target of FreePBX's Custom Destination (dialplan/agi-bridge-freepbx.conf)."""

_OURS: Final = frozenset({BRIDGE, ASK, FREEPBX})

CHOSEN: Final = "chosen"
"""The extension of FREEPBX that leads out of it again, to the destination in the GUI."""

SHIPPED_CONTEXTS: Final = (BRIDGE, ASK, "agi-bridge-go-on")

_CLASSES: Final = {"X": "0123456789", "Z": "123456789", "N": "23456789"}
_ANY: Final = 256
"""The size of the class of `.` and `!`, which match whatever follows."""
_LAST_SIGN: Final = 0x7E
"""The last sign of a range: what a PBX names beyond it would only take time."""
_FORMATTING: Final = str.maketrans("", "", " ().-/")
"""What people write into a number and no trunk sends."""
_MAX_JUMPS: Final = 12
_MAX_CONTEXTS: Final = 60
_COMMENT: Final = re.compile(r"(?<!\\);.*")
_DIGITS_OF: Final = re.compile(
    r"\$\{(?:EXTEN(?::(-?[0-9]{1,3}))?|FILTER\([+0-9-]+\\?,\$\{EXTEN(?::(-?[0-9]{1,3}))?\}\))\}"
)
_SETTING: Final = re.compile(r"^\s*_{0,2}(AGI_BRIDGE_\w+)=(.*)$")
"""What `Set` gives to this call alone, or with underscores to calls from it too."""
UNDECIDED: Final = "${...}"
"""In place of a value that a condition decides; with a `$`, as one made from variables."""
_PRIORITY: Final = re.compile(r"[0-9]{1,9}")
_JUMPS: Final = frozenset({"goto", "gosub"})
_ENDS: Final = frozenset({"hangup", "congestion", "busy"})
_CONTINUES: Final = frozenset(
    {
        "noop",
        "set",
        "mset",
        "answer",
        "verbose",
        "log",
        "ringing",
        "progress",
        "wait",
        "playback",
    }
)


class Way(StrEnum):
    """Where a number leads from a context."""

    BRIDGE = "bridge"
    """To the bridge."""
    NOWHERE = "nowhere"
    """No extension matches."""
    ELSEWHERE = "elsewhere"
    """An extension matches that ends the call, or dials."""
    LOOP = "loop"
    """The extensions lead back to one of them."""
    UNCLEAR = "unclear"
    """An extension matches whose way depends on what only a call knows."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a number leads, and the extension that decides it.

    `application` ends it, or leads to the bridge. `settings` are the variables AGI_BRIDGE_… that
    the way there sets for the call; `UNDECIDED` where only the call can tell the value.
    """

    way: Way
    context: str = ""
    extension: str = ""
    application: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


def spellings(did: str) -> tuple[str, ...]:
    """Return how a trunk may deliver a number, first as it is configured.

    Then without `+`, and in North America without the country code.
    """
    plain = did.translate(_FORMATTING)
    digits = plain.removeprefix("+")
    national = digits[1:] if re.fullmatch(r"1[2-9]\d{9}", digits) else digits
    return tuple(dict.fromkeys((plain, digits, national)))


async def follow(
    number: str,
    start: str,
    look_up: Callable[[str], Awaitable[Context | None]],
    priority: str = "1",
) -> Route:
    """Follow a number from a context, as far as the dialplan alone decides it.

    `look_up` returns a context by its name; `priority` may be a label.
    """
    given: dict[str, str] = {}
    route = await _follow(_place(start, number, priority), look_up, given)
    return replace(route, settings=given)


async def _follow(
    place: _Place, look_up: Callable[[str], Awaitable[Context | None]], given: dict[str, str]
) -> Route:
    seen: set[_Place] = set()
    for _ in range(_MAX_JUMPS):
        if place in seen:
            return Route(Way.LOOP, place.context, place.extension, "Goto")
        seen.add(place)
        found = await _find(place.context, place.extension, look_up, set())
        if found is None:
            return Route(Way.NOWHERE, place.context, place.extension)
        holder, steps, hours = found
        if hours:
            application = f"an include at certain times ({hours})"
            return Route(Way.UNCLEAR, holder.name, place.extension, application)
        if holder.name in _OURS and (holder.name, place.extension) != (FREEPBX, CHOSEN):
            return Route(Way.BRIDGE, holder.name, place.extension, place.by)
        led = _run(holder, steps, place, given)
        if isinstance(led, Route):
            return led
        place = led
    return Route(Way.UNCLEAR, place.context, place.extension, "Goto")


@dataclass(frozen=True, slots=True)
class _Place:
    context: str
    extension: str
    priority: int = 1
    label: str = ""
    """In place of the priority."""
    by: str = ""
    """The application that leads there."""


def _place(context: str, extension: str, priority: str) -> _Place:
    if _PRIORITY.fullmatch(priority):
        return _Place(context, extension, int(priority))
    return _Place(context, extension, label=priority)


def _run(
    holder: Context, steps: Sequence[Step], place: _Place, given: dict[str, str]
) -> _Place | Route:
    """Follow the steps of an extension to its first jump, or to what ends or hides the way.

    `given` gets the variables that they set for the bridge.
    """
    if not steps:
        return Route(Way.UNCLEAR, holder.name, place.extension, "switch")
    start = place.priority
    if place.label:
        labelled = [step.priority for step in steps if step.label == place.label]
        if not labelled:
            return Route(Way.UNCLEAR, holder.name, place.extension, "Goto")
        start = labelled[0]
    for step in sorted(steps, key=lambda step: step.priority):
        if step.priority < start:
            continue
        branches = commands(Command(step.application, step.arguments))
        _give([_settings(each) for each in branches], given)
        first, *others = (_lead(each, step, holder, place) for each in branches)
        if any(other != first for other in others):
            return Route(Way.UNCLEAR, holder.name, step.extension, step.application)
        if first is not None:
            return first
    return Route(Way.ELSEWHERE, holder.name, place.extension, "the end")


def _lead(
    command: Command | None, step: Step, holder: Context, place: _Place
) -> _Place | Route | None:
    """Return where a command leads; None to the next priority."""
    if command is None or command.name in _CONTINUES:
        return None
    name = command.name
    target = _target(command.arguments, place) if name in _JUMPS else None
    if target is not None and (name == "goto" or target.context in _OURS):
        return replace(target, by=name)
    if name == "gosub" and target is not None:
        return None  # it comes back
    way = Way.ELSEWHERE if name in _ENDS or name == "dial" else Way.UNCLEAR
    return Route(way, holder.name, step.extension, command.application.strip())


def _settings(command: Command | None) -> dict[str, str]:
    """Return the variables that a command sets for the bridge."""
    if command is None or command.name not in {"set", "mset"}:
        return {}
    parts = command.arguments.split(",") if command.name == "mset" else [command.arguments]
    found = (_SETTING.match(part) for part in parts)
    return {each[1]: each[2] for each in found if each is not None}


def _give(branches: Sequence[Mapping[str, str]], given: dict[str, str]) -> None:
    """Note what the branches of a step set: a value, if it is the same by each of them."""
    for name in {name for each in branches for name in each}:
        values = {each.get(name, given.get(name)) for each in branches}
        value = values.pop()
        given[name] = UNDECIDED if values or value is None else value


async def _find(
    name: str,
    extension: str,
    look_up: Callable[[str], Awaitable[Context | None]],
    seen: set[str],
) -> tuple[Context, list[Step], str] | None:
    """Find an extension as Asterisk does (pbx_find_extension): own first, then each include.

    Beside the context and its steps, return the times of an include on the way to it; empty if it
    holds at all times.
    """
    if name in seen or len(seen) >= _MAX_CONTEXTS:
        return None
    seen.add(name)
    context = await look_up(name)
    if context is None:
        return None
    best = best_match((step.extension for step in context.steps), extension)
    if best is not None:
        return context, [step for step in context.steps if step.extension == best], ""
    if context.has_switches:
        return context, [], ""
    for each in context.includes:
        # An include may have a time range: `name,9:00-17:00,mon-fri,*,*`.
        included, _, hours = each.replace("|", ",").partition(",")
        found = await _find(included, extension, look_up, seen)
        if found is not None:
            holder, steps, inner = found
            return holder, steps, inner or hours
    return None


def _target(arguments: str, place: _Place) -> _Place | None:
    """Return where Goto or Gosub leads; None if it depends on the call."""
    plain = _DIGITS_OF.sub(
        lambda found: place.extension[int(found[1] or found[2] or 0) :], arguments
    ).partition("(")[0]
    parts = [part.strip() for part in plain.split(",")]
    if "$" in plain or not re.fullmatch(r"\w+", last := parts[-1]):
        return None  # an expression
    match parts[:-1]:
        case []:
            return _place(place.context, place.extension, last)
        case [extension]:
            return _place(place.context, extension, last)
        case [context, extension]:
            return _place(context, extension or place.extension, last)
    return None


def best_match(extensions: Iterator[str], number: str) -> str | None:
    """Return the extension that Asterisk takes for a number: the name itself, else a pattern.

    Of several patterns the most specific wins, from the left (`ext_cmp_pattern` in main/pbx.c).
    """
    names = set(extensions)
    if number in names:
        return number
    found = [
        (sizes, name)
        for name in names
        if name.startswith("_") and (sizes := match(name, number)) is not None
    ]
    return min(found)[1] if found else None


def match(pattern: str, number: str) -> tuple[int, ...] | None:
    """Return how many signs each place of a pattern takes, if it matches the number.

    A pattern begins with `_`: `X` 0-9, `Z` 1-9, `N` 2-9, `[15-7]` these, `.` one sign or more, `!`
    any, `-` nothing.
    """
    sizes: list[int] = []
    rest, left = pattern[1:], number
    while rest:
        sign, rest = rest[0], rest[1:]
        if sign == "-":
            continue
        if sign in ".!":
            return (*sizes, _ANY + (sign == "!")) if left or sign == "!" else None
        if sign == "[":
            inside, closed, rest = rest.partition("]")
            if not closed:
                return None
            allowed = _ranges(inside)
        else:
            allowed = _CLASSES.get(sign.upper(), sign)
        if not left or left[0] not in allowed:
            return None
        sizes.append(len(allowed))
        left = left[1:]
    return None if left else tuple(sizes)


def _ranges(inside: str) -> str:
    signs: list[str] = []
    while inside:
        if len(inside) > 2 and inside[1] == "-":  # noqa: PLR2004 - a range has three signs
            signs += map(chr, range(ord(inside[0]), min(ord(inside[2]), _LAST_SIGN) + 1))
            inside = inside[3:]
        else:
            signs.append(inside[0])
            inside = inside[1:]
    return "".join(dict.fromkeys(signs))


def read_shipped(text: str) -> dict[str, Context]:
    """Read a dialplan file as pbx_config.so does, as far as the shipped one goes."""
    contexts: dict[str, list[Step]] = {}
    current: list[Step] = []
    extension, priority = "", 0
    for raw in text.splitlines():
        line = _COMMENT.sub("", raw).strip().replace("\\;", ";")
        if line.startswith("["):
            current = contexts.setdefault(line[1:].partition("]")[0], [])
        elif line.startswith(("exten", "same")):
            kind, _, rest = line.partition("=>")
            if kind.strip() == "exten":
                extension, _, rest = rest.strip().partition(",")
            where, _, command = rest.strip().partition(",")
            number, _, label = where.strip().partition("(")
            priority = priority + 1 if number == "n" else int(number)
            application, _, arguments = command.strip().partition("(")
            current.append(
                Step(
                    extension.strip(),
                    priority,
                    application.strip(),
                    arguments.removesuffix(")"),
                    label.removesuffix(")"),
                )
            )
    return {name: Context(name, tuple(steps)) for name, steps in contexts.items()}


def differences(shipped: Context, found: Context) -> list[str]:
    """Return what differs, as `extension,priority` in the order of the shipped file."""
    ours, theirs = _by_place(shipped.steps), _by_place(found.steps)
    places = [*ours, *(place for place in theirs if place not in ours)]
    return [
        f"{extension},{priority}"
        for extension, priority in places
        if ours.get((extension, priority)) != theirs.get((extension, priority))
    ]


def _by_place(steps: Sequence[Step]) -> dict[tuple[str, int], tuple[str, str, str]]:
    return {
        (step.extension, step.priority): (step.application.lower(), step.arguments, step.label)
        for step in steps
    }
