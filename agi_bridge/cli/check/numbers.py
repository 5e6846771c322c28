"""What `check` says of a line's numbers: whether callers are asked for what they have to key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from agi_bridge import phone
from agi_bridge.app.findings import Finding, Level
from agi_bridge.settings import DialDefault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.settings import Line
    from agi_bridge.speech import Library

# "ten" as the shipped languages say it.
_TEN: Final = re.compile(r"\b(?:10|ten|diez|dix)\b", re.IGNORECASE)
_TEN_DIGITS: Final = 10
_NUMBER: Final = re.compile(r"\+?[0-9]{7,15}")


def look(line: Line, prompts: Library) -> Iterator[Finding]:
    """Compare the words of a line's prompts, and its default destination, with its numbers."""
    yield from _asked_for(line, prompts)
    yield from _back_to_us(line)


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
