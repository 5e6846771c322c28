"""What `agi-bridge check` finds about each line: prompts, digits, default destination and key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from agi_bridge import phone
from agi_bridge.app.findings import Finding, Level, secret
from agi_bridge.app.speech import build_silent_library, line_libraries, outdated_prompts
from agi_bridge.settings import DialDefault, DialplanDefault, SayDefault
from agi_bridge.speech import DIGIT_PROMPTS, REQUIRED_PROMPTS, SHIPPED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.settings import Default, Line, Settings
    from agi_bridge.speech import Library

# "ten" as the shipped languages say it.
_TEN: Final = re.compile(r"\b(?:10|ten|diez|dix)\b", re.IGNORECASE)
_TEN_DIGITS: Final = 10
_NUMBER: Final = re.compile(r"\+?[0-9]{7,15}")
_SHOWN_NUMBER: Final = re.compile(r"\+?[0-9]{7,}")


def look(settings: Settings) -> Iterator[Finding]:
    """Yield the findings about each line, in the order of the file."""
    prompts = line_libraries(settings, build_silent_library(settings))
    for line in settings.lines.values():
        yield from _line(line, prompts[line.name])
        if old := outdated_prompts(settings, line, prompts[line.name]):
            words = "other words than the texts in force"
            text = f"{', '.join(old)}: {words}"
            fix = f"run agi-bridge prompts check --line {line.name}"
            yield Finding(Level.FAULT, f"lines.{line.name}", text, fix, "stale_prompts")


def _line(line: Line, prompts: Library) -> Iterator[Finding]:
    key = f"lines.{line.name}"
    numbers = ", ".join(phone.mask(did) for did in line.did)
    yield Finding(Level.OK, f"{key}.did", f"{numbers}; otherwise {_in_words(line.default)}")
    languages = ", ".join(line.languages)
    text = f"{languages}: all {len(REQUIRED_PROMPTS) + 1} prompts are there"
    yield Finding(Level.OK, f"{key}.languages", text)
    shipped = any(
        prompts.prompt(line.disclosure, language).wav.is_relative_to(SHIPPED)
        for language in line.languages
    )
    if line.disclosure == "disclosure" and shipped:
        text = "the shipped disclosure names neither brand nor policy address"
        fix = f"record your own, or run agi-bridge prompts render --line {line.name}"
        yield Finding(Level.NOTE, f"{key}.disclosure", text, fix, "shipped")
        if line.purpose == "marketing":
            text = "the shipped disclosure asks for texts about a request, not for advertising"
            fix = 'set disclosure = "disclosure-marketing" and render it'
            yield Finding(Level.NOTE, f"{key}.purpose", text, fix, "disclosure")
    yield from _asked_for(line, prompts)
    yield from _back_to_us(line)
    if line.digits == "own":
        yield from _digits(f"{key}.digits", line, prompts)
    yield from secret(f"{key}.hook_key", line.hook_key)


def _digits(key: str, line: Line, prompts: Library) -> Iterator[Finding]:
    for language in line.languages:
        if not all(prompts.has(name, language) for name in DIGIT_PROMPTS):
            missing = f"not all of {DIGIT_PROMPTS[0]} to {DIGIT_PROMPTS[-1]} are recorded"
            text = f"{language}: {missing}, so the PBX says its own"
            yield Finding(Level.NOTE, key, text, reason="missing")


def _in_words(default: Default) -> str:
    match default:
        case DialDefault():
            shown = _SHOWN_NUMBER.sub(lambda found: phone.mask(found[0]), default.destination)
            return f"dials {shown}"
        case DialplanDefault():
            return f"goes to {default.context},{default.extension},{default.priority}"
        case SayDefault():
            return f"says {default.prompt!r}"
        case _:
            return "hangs up"


def _asked_for(line: Line, prompts: Library) -> Iterator[Finding]:
    region = line.regions[0]
    usual = phone.usual_digits(region)
    if usual == (_TEN_DIGITS,):
        return
    for language in line.languages:
        if _TEN.search(prompts.prompt("enter-number", language).text):
            count = f"{usual[0]} to {usual[-1]}" if len(usual) > 1 else f"{usual[0]}"
            ending = ", and that # ends it" if len(usual) > 1 else ""
            text = (
                f"{language}: enter-number asks for ten digits, but numbers of {region} are keyed"
                f" with {count}"
            )
            fix = f"give the line a text that says so{ending}, and render or record it"
            yield Finding(Level.NOTE, f"lines.{line.name}.texts", text, fix, "digits")


def _back_to_us(line: Line) -> Iterator[Finding]:
    """A default destination that is a number of a line may be a loop, or another PBX behind us."""
    if not isinstance(line.default, DialDefault):
        return
    for found in _NUMBER.findall(line.default.destination):
        if phone.canonical(found, region=line.regions[0]) in line.own_numbers:
            text = (
                f"dials {phone.mask(found)}, which is a number of this bridge:"
                " through a public trunk the call would come back"
            )
            yield Finding(Level.NOTE, f"lines.{line.name}.default", text, reason="own_number")
