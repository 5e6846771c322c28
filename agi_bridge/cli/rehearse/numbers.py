"""Numbers for a rehearsal: examples of libphonenumber, keyed and dialled by a line's own rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from agi_bridge import phone
from agi_bridge.cli.common import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.settings import Line

_TYPES: Final = (
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.FIXED_LINE,
)
_VARIANTS: Final = 40
"""How many neighbours of an example are tried."""


def keyed_number(line: Line) -> tuple[str, str]:
    """Return a mobile number that a caller of this line may key: its digits, and E.164.

    Raises:
        ToolError: there is no example for the line's regions.
    """
    for region in line.regions:
        for number in _examples(region):
            for digits in _ways(number):
                try:
                    found = phone.keyed(
                        digits,
                        region=line.regions[0],
                        allowed_regions=line.regions,
                        own_numbers=line.own_numbers,
                    )
                except phone.InvalidNumber:
                    continue
                return digits, found.e164
    raise ToolError(f"lines.{line.name}.regions: no number is known that a caller could key")


def forward_number(line: Line, other_than: str) -> str:
    """Return a number that the hook may have this line dial, in E.164.

    Raises:
        ToolError: there is no example for the line's forward regions.
    """
    policy = phone.ForwardPolicy(
        regions=frozenset(line.forward_regions),
        region=line.forward_regions[0],
        own_numbers=line.own_numbers,
        bare_digits=line.number_format == "digits",
    )
    for region in line.forward_regions:
        for number in _examples(region):
            text = phonenumbers.format_number(number, PhoneNumberFormat.E164)
            try:
                found = phone.forward(text, policy)
            except phone.InvalidNumber:
                continue
            if found.e164 != other_than:
                return found.e164
    raise ToolError(f"lines.{line.name}.forward_regions: no number is known that could be dialled")


def _examples(region: str) -> Iterator[phonenumbers.PhoneNumber]:
    """Yield valid numbers of a region: the examples, and their neighbours."""
    for kind in _TYPES:
        example = phonenumbers.example_number_for_type(region, kind)
        if example is None:
            continue
        for step in range(_VARIANTS):
            number = phonenumbers.PhoneNumber()
            number.merge_from(example)
            number.national_number = (example.national_number or 0) + step
            if phonenumbers.is_valid_number(number):
                yield number


def _ways(number: phonenumbers.PhoneNumber) -> Iterator[str]:
    """Yield how a number could be keyed: as at home, then with an international prefix."""
    for way in (PhoneNumberFormat.NATIONAL, PhoneNumberFormat.E164):
        digits = "".join(filter(str.isdecimal, phonenumbers.format_number(number, way)))
        yield from (digits, f"00{digits}", f"011{digits}")
