"""Checks each line: prompts, digits, default destination and hook key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from agi_bridge import phone
from agi_bridge.app.disclosures import unfit, unfit_for_canada
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
_CANADA: Final = {
    "address": "does not give the mailing address",
    "withdrawal": "does not say that consent can be withdrawn",
}
_NUMBER: Final = re.compile(r"\+?[0-9]{7,15}")


def look(settings: Settings) -> Iterator[Finding]:
    """Yield the findings about each line, in the order of the file."""
    prompts = line_libraries(settings, build_silent_library(settings))
    for line in settings.lines.values():
        yield from _line(line, prompts[line.name])
        if old := outdated_prompts(settings, line, prompts[line.name]):
            text = f"prompts are out of date with the current texts: {', '.join(old)}"
            fix = f"run agi-bridge prompts check --line {line.name}"
            yield Finding(Level.FAULT, f"lines.{line.name}", text, fix, "stale_prompts")


def _line(line: Line, prompts: Library) -> Iterator[Finding]:
    key = f"lines.{line.name}"
    numbers = ", ".join(phone.mask(did) for did in line.did)
    yield Finding(
        Level.OK, f"{key}.did", f"{numbers}; default destination: {_describe(line.default)}"
    )
    languages = ", ".join(line.languages)
    text = f"{languages}: all {len(REQUIRED_PROMPTS) + 1} prompts found"
    yield Finding(Level.OK, f"{key}.languages", text)
    shipped = any(
        prompts.prompt(line.disclosure, language).wav.is_relative_to(SHIPPED)
        for language in line.languages
    )
    if line.disclosure == "disclosure" and shipped:
        text = "the shipped disclosure does not name the brand or the policy address"
        fix = f"record one for this brand, or run agi-bridge prompts render --line {line.name}"
        yield Finding(Level.NOTE, f"{key}.disclosure", text, fix, "shipped")
    for fault in unfit(line, prompts):
        yield Finding(Level.FAULT, fault.key, fault.what, fault.fix, fault.reason)
    for language, lack in unfit_for_canada(line, prompts):
        text = f"{language}: {_CANADA[lack]}, which Canada's CASL asks for"
        fix = 'set mailing_address, and disclosure = "disclosure-canada"; render it'
        yield Finding(Level.NOTE, f"{key}.disclosure", text, fix, "canada")
    yield from _digit_count(line, prompts)
    yield from _loop(line)
    if line.digits == "own":
        yield from _digits(f"{key}.digits", line, prompts)
    if line.hook_key is not None:
        yield from secret(f"{key}.hook_key", line.hook_key)


def _digits(key: str, line: Line, prompts: Library) -> Iterator[Finding]:
    for language in line.languages:
        if not all(prompts.has(name, language) for name in DIGIT_PROMPTS):
            missing = f"{DIGIT_PROMPTS[0]} to {DIGIT_PROMPTS[-1]} are not all recorded"
            text = f"{language}: {missing}, so the PBX says the digits in its own voice"
            yield Finding(Level.NOTE, key, text, reason="missing")


def _describe(default: Default) -> str:
    match default:
        case DialDefault():
            return f"dial {phone.mask_within(default.destination)}"
        case DialplanDefault():
            return f"go to {default.context},{default.extension},{default.priority}"
        case SayDefault():
            return f"say {default.prompt!r}"
        case _:
            return "hang up"


def _digit_count(line: Line, prompts: Library) -> Iterator[Finding]:
    region = line.regions[0]
    usual = phone.usual_digits(region)
    if usual == (_TEN_DIGITS,):
        return
    for language in line.languages:
        if _TEN.search(prompts.prompt("enter-number", language).text):
            count = f"{usual[0]} to {usual[-1]}" if len(usual) > 1 else f"{usual[0]}"
            ending = " and to end with #" if len(usual) > 1 else ""
            text = f"{language}: enter-number asks for ten digits; numbers in {region} have {count}"
            fix = f"write a text that asks for {count} digits{ending}, then render or record it"
            yield Finding(Level.NOTE, f"lines.{line.name}.texts", text, fix, "digits")


def _loop(line: Line) -> Iterator[Finding]:
    """A default destination that is a line's number may be a loop, or a PBX behind the bridge."""
    if not isinstance(line.default, DialDefault):
        return
    for found in _NUMBER.findall(line.default.destination):
        if phone.canonical(found, region=line.regions[0]) in line.own_numbers:
            text = (
                f"dials {phone.mask(found)}, a number that this bridge answers:"
                " over a public trunk the call comes back"
            )
            yield Finding(Level.NOTE, f"lines.{line.name}.default", text, reason="own_number")
