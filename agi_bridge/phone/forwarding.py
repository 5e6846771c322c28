"""Checks the numbers that the hook asks to dial: untrusted input that can cost money."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberType

from .characters import compact
from .number import InvalidNumber, PhoneNumber
from .numbering import (
    SATELLITE_CODES,
    TEXTABLE,
    is_short,
    parsed,
    refuse_services,
    serves,
    type_of,
    value,
)

_FORWARDABLE: Final = TEXTABLE | {
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.VOIP,
    PhoneNumberType.TOLL_FREE,
    PhoneNumberType.UNKNOWN,
}
_TYPE_REASONS: Final = {
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.PERSONAL_NUMBER: "personal",
    PhoneNumberType.PAGER: "pager",
}


@dataclass(frozen=True, slots=True)
class ForwardPolicy:
    """The numbers that the hook may have a line dial.

    Attributes:
        regions: regions that may be dialled. A country code is not enough: 25 countries share +1.
        region: the line's region. Numbers in national format belong to it, and the trunk reaches
            its emergency numbers.
        own_numbers: the numbers of all lines, E.164. Dialling one would cause a loop.
        bare_digits: the trunk gets digits without `+`. Foreign numbers whose digits begin like a
            local emergency number (`91 1…` in the US) are then refused too.
    """

    regions: frozenset[str]
    region: str
    own_numbers: frozenset[str] = frozenset()
    bare_digits: bool = False

    def __repr__(self) -> str:
        own = len(self.own_numbers)
        return f"ForwardPolicy({sorted(self.regions)}, region={self.region!r}, own_numbers=<{own}>)"


@lru_cache(maxsize=256)
def forward(text: str, policy: ForwardPolicy) -> PhoneNumber:
    """Return the number that the hook asks to dial, if the line's policy allows it.

    Cached, because a business forwards to the same few numbers.

    Allowed: valid numbers of an allowed region that are fixed, mobile, VoIP or toll-free. Refused:
    premium (also 900 and 976), personal, pager, satellite, short and emergency numbers, and the
    numbers of the configured lines.

    Raises:
        InvalidNumber: the number may not be dialled; the caller goes to the default destination.
    """
    plain = compact(text)
    _refuse_emergency(plain, policy.region)
    number = parsed(plain, policy.region)
    found = value(number, _ordinary_type(number), sorted(policy.regions))
    if not serves(policy.regions, found.region):
        raise InvalidNumber("region")
    if is_short(number):
        raise InvalidNumber("short_number")
    _refuse_emergency(found.dialled("national"), found.region)
    if policy.bare_digits:
        _refuse_emergency(found.dialled("digits"), policy.region)
    if found.e164 in policy.own_numbers:
        raise InvalidNumber("own_number")
    return found


def _ordinary_type(number: phonenumbers.PhoneNumber) -> int:
    """Return the type if calls to it cost the usual rate and reach an ordinary phone."""
    if number.country_code in SATELLITE_CODES:
        raise InvalidNumber("satellite")
    try:
        found_type = type_of(number)
    except InvalidNumber:
        if is_short(number):
            raise InvalidNumber("short_number") from None
        raise
    refuse_services(number)
    if found_type not in _FORWARDABLE:
        raise InvalidNumber(_TYPE_REASONS.get(found_type, "type"))
    return found_type


def _refuse_emergency(text: str, region: str) -> None:
    """Refuse emergency numbers, and digits that begin with one: a switch may dial it early.

    A text with `+` never connects to an emergency service (`connects_to_emergency_number`).
    """
    if phonenumbers.connects_to_emergency_number(text, region):
        raise InvalidNumber("emergency")
