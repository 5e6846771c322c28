"""The mobile number that a caller keys."""

import re
from collections.abc import Collection
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberType

from .number import InvalidNumber, PhoneNumber
from .numbering import (
    NANP,
    NANP_REGIONS,
    SATELLITE_CODES,
    TEXTABLE,
    is_short,
    parsed,
    refuse_services,
    serves,
    type_of,
    value,
)

_FRANCE: Final = 33
_NOT_DIGIT: Final = re.compile(r"[^0-9]")
_KEYED = TEXTABLE | {PhoneNumberType.UNKNOWN}


def keyed(digits: str, *, region: str, allowed_regions: Collection[str]) -> PhoneNumber:
    """The mobile number that a caller keyed, by the rules of the consent dialogue.

    Everything but 0-9 is dropped first: a `#` or `*` would be read as an extension.

    Args:
        digits: the keys as they came.
        region: the line's own region, whose national format is tried last.
        allowed_regions: regions that the line may text.

    Raises:
        InvalidNumber: the number is no valid number, not of a type that can be texted, or not of
            an allowed region. (A US landline cannot be told from a mobile.)
    """
    keys = _NOT_DIGIT.sub("", digits)
    if not keys:
        raise InvalidNumber("empty")
    number = _from_keys(keys, region, allowed_regions)
    found_type = type_of(number)
    refuse_services(number)
    if found_type not in _KEYED:
        raise InvalidNumber("type")
    if number.country_code in SATELLITE_CODES:
        raise InvalidNumber("satellite")
    if is_short(number):
        raise InvalidNumber("short_number")
    found = value(number, found_type, allowed_regions)
    if not serves(allowed_regions, found.region):
        raise InvalidNumber("region")
    return found


def _from_keys(keys: str, region: str, allowed: Collection[str]) -> phonenumbers.PhoneNumber:
    """The number that a row of keys means; not checked yet beyond its length.

    The common forms are built, not parsed: the parser would cost as much as all the checks.
    """
    # No NANP area code and no French national number begins like an international prefix.
    for prefix in ("011", "00"):
        if keys.startswith(prefix):
            return parsed("+" + keys[len(prefix) :], region)
    if keys.startswith("0") and "FR" in allowed and (region == "FR" or region in NANP_REGIONS):
        return _built(_FRANCE, keys[1:], 9)
    if region in NANP_REGIONS:
        return _built(NANP, keys.removeprefix("1"), 10)
    if _looks_nanp(keys) and not NANP_REGIONS.isdisjoint(allowed):
        return _built(NANP, keys.removeprefix("1"), 10)
    return parsed(keys, region)


def _looks_nanp(keys: str) -> bool:
    """Ten digits as the NANP writes them, or eleven with the leading 1."""
    return re.fullmatch(r"1?[2-9][0-9]{2}[2-9][0-9]{6}", keys) is not None


def _built(country_code: int, national: str, length: int) -> phonenumbers.PhoneNumber:
    if len(national) != length:
        raise InvalidNumber("too_short" if len(national) < length else "too_long")
    if national.startswith("0"):
        raise InvalidNumber("not_valid")  # as an integer it would silently become another number
    return phonenumbers.PhoneNumber(country_code=country_code, national_number=int(national))
