"""Whether a line's numbers come out right at the trunk: template, format and regions together.

Each may be in order by itself and the three still dial something else: `PJSIP/+{number}` gives a
number in E.164 a second `+`, and a French number in its national form is another one in the US.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import phonenumbers

from agi_bridge import phone

from .errors import Fault
from .types import NUMBER_PLACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .line import Line

_DIALLED_BEFORE: Final = re.compile(r"(?<![+0-9])[+0-9]*\Z")
_DIALLED_AFTER: Final = re.compile(r"[+0-9]*")


def check_dialling(line: Line) -> Iterator[Fault]:
    """Dial the examples of every region that may be forwarded to; yield what contradicts."""
    key = f"lines.{line.name}"
    head, _, tail = line.dial_template.partition(NUMBER_PLACE)
    before, after = _before(head), _after(tail)
    if after:
        fix = "let @, another sign or nothing follow {number}"
        yield Fault(f"{key}.dial_template", "has a digit or + right after {number}", fix)
    if before and line.number_format == "e164":
        what = f"puts {before!r} before a number that brings its own +"
        fix = 'set number_format = "digits", or take it out'
        yield Fault(f"{key}.dial_template", what, fix)
    elif "+" in before and not all(
        before + number.dialled(line.number_format) == number.e164 for number in _examples(line)
    ):
        what = f"puts {before!r} before a number that is no longer the same then"
        fix = 'write +{number} with number_format = "digits"'
        yield Fault(f"{key}.dial_template", what, fix)
    countries = {phonenumbers.country_code_for_region(region) for region in line.forward_regions}
    if line.number_format == "national" and len(countries) > 1:
        what = "would dial a number of one country as if it were another's"
        fix = 'write "e164" or "digits", or name forward_regions of one country code'
        yield Fault(f"{key}.number_format", what, fix)


def _before(head: str) -> str:
    found = _DIALLED_BEFORE.search(head)
    return found[0] if found else ""


def _after(tail: str) -> str:
    found = _DIALLED_AFTER.match(tail)
    return found[0] if found else ""


def _examples(line: Line) -> Iterator[phone.PhoneNumber]:
    for region in line.forward_regions:
        example = phonenumbers.example_number(region)
        if example is not None:
            text = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            number = phone.caller_id(text, region=region)
            if number is not None:
                yield number
