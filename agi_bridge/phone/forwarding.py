"""What the hook may have dialled: untrusted input that costs money if it is believed."""

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
    """Where a line lets the hook send its calls.

    Attributes:
        regions: regions that may be dialled; 25 countries share +1, so a country code is no bound.
        region: the line's own region: the default for numbers written in the national format, and
            the network whose emergency numbers the trunk would reach.
        own_numbers: the numbers of all lines, E.164: dialling one would bring the call back to us.
        bare_digits: the trunk gets digits without `+`. Then a foreign number whose digits begin
            like a local emergency number (`91 1…` in the US) is refused as well.
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
    """The number that the hook wants dialled, if the line's policy lets it be dialled.

    Remembered: a business forwards to the same few numbers.

    The policy, from the record's rules: of lawful form; fixed, mobile, VoIP or toll-free; never
    premium, 900, 976, personal, pager, satellite, short or emergency; an allowed region; not a
    line of ours.

    Raises:
        InvalidNumber: it may not be dialled; the caller goes to the line's default destination.
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
    """The type, if it is one that costs what a call costs and rings an ordinary phone."""
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
    """Also digits that merely begin with an emergency number: a switch may not wait for the rest.

    A text with `+` never connects to an emergency service (`connects_to_emergency_number`).
    """
    if phonenumbers.connects_to_emergency_number(text, region):
        raise InvalidNumber("emergency")
