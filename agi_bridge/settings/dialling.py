"""Checks that a line's template, number format and regions together dial the right numbers.

Each can be valid alone and the three still dial another number: `PJSIP/+{number}` puts a second `+`
before a number in E.164, and a French national number is a different number in the US.
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
    """Format example numbers of every forward region; yield a fault for each contradiction."""
    key = f"lines.{line.name}"
    head, _, tail = line.dial_template.partition(NUMBER_PLACE)
    before, after = _before(head), _after(tail)
    if after:
        fix = "put @, another sign or nothing after {number}"
        what = "has a digit or + right after {number}"
        yield Fault(f"{key}.dial_template", what, fix, "misdialled")
    if before and line.number_format == "e164":
        what = f"puts {before!r} before a number that already has a +"
        fix = 'set number_format = "digits", or remove it'
        yield Fault(f"{key}.dial_template", what, fix, "misdialled")
    elif "+" in before and not all(
        before + number.dialled(line.number_format) == number.e164 for number in _examples(line)
    ):
        what = f"puts {before!r} before the number, which makes it another number"
        fix = 'write +{number} with number_format = "digits"'
        yield Fault(f"{key}.dial_template", what, fix, "misdialled")
    countries = {phonenumbers.country_code_for_region(region) for region in line.forward_regions}
    if line.number_format == "national" and len(countries) > 1:
        what = "would dial one country's number as another country's"
        fix = 'use "e164" or "digits", or forward_regions of one country code'
        yield Fault(f"{key}.number_format", what, fix, "misdialled")


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
