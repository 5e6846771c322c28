"""What the numbering plans say: a text parsed, put into its present form, and sorted by type.

The plans are libphonenumber's data. Three rules are added to them:

* A North American number of lawful form is no error for having an area code or an exchange that is
  newer than the data: new ones come into service several times a year, long before a release of
  this program is installed everywhere. It is of type UNKNOWN and region `ZZ`.
* Renumberings that other systems have not followed (`_RENUMBERED`) are.
* E.164 has at most fifteen digits, which libphonenumber does not insist on.
"""

import re
from collections.abc import Collection
from functools import cache
from typing import Final

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberType
from phonenumbers.phonenumberutil import ValidationResult

from .number import InvalidNumber, PhoneNumber

NANP: Final = 1
"""The country code of the North American Numbering Plan, which 25 regions share."""
NANP_REGIONS: Final = frozenset(COUNTRY_CODE_TO_REGION_CODE[NANP])
TEXTABLE: Final = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
"""Types that can get a text message."""
# ITU-T E.164 list of assigned codes: Inmarsat, global mobile satellite, international networks.
SATELLITE_CODES: Final = frozenset({870, 881, 882, 883})

_MOST_DIGITS: Final = 15  # ITU-T E.164, clause 6
# The longest short number of any plan has twelve digits (China); beyond that the look-up is idle.
_SHORT_DIGITS: Final = 12
_NO_REGION: Final = "ZZ"  # CLDR's code of an unknown region, libphonenumber's too
_ORDINARY_AREAS: Final = frozenset({"US", "CA"})
"""Regions whose new area codes and exchanges look like any other: nearly all that are assigned."""

# NPA-NXX-XXXX (NANPA, ATIS-0300051 and -0300055). Not an area code of subscribers: two like digits
# at the end (N11 and the easily recognisable codes, kept for services), N9X (expansion), 37X and
# 96X (reserved), 88X (toll-free, in use or reserved), 456 (inbound international), 710 (the US
# government), and the rest of 5XX that is personal or reserved for it. Not an exchange: N11.
_LAWFUL: Final = re.compile(
    r"(?!.(.)\1|.9|37|96|88|456|710|52[1-9]|53[258]|54[23579]|55[2346]|569|578|589)"
    r"[2-9][0-9]{2}(?!.11)[2-9][0-9]{6}"
)

# By country code: what a national number looked like, and how it became what it is. Applied to what
# is no number today and only if a number comes out of it. libphonenumber itself knows Argentina's
# (the 15 of mobiles is the 9 of E.164).
_RENUMBERED: Final = {
    # Mexico, August 2019: gone are the mobile 1 behind +52, and 01, 044 and 045 inside the country.
    52: (re.compile(r"(?:01|04[45]|1)([2-9][0-9]{9})"), r"\1"),
    # Brazil, 2012 to 2016: mobiles have a ninth digit, a 9, behind the area code.
    55: (re.compile(r"([1-9]{2})([6-9][0-9]{7})"), r"\g<1>9\2"),
    # Benin, November 2024: every number has got 01 in front.
    229: (re.compile(r"([0-9]{8})"), r"01\1"),
}


def parsed(text: str, region: str, *, complete: bool = True) -> phonenumbers.PhoneNumber:
    """The number that a text of digits and perhaps a `+` means in a region, in its present form.

    Args:
        text: nothing but digits, and perhaps a `+` in front.
        region: the network that it would be dialled in.
        complete: False for what a person keys, who may have left a digit out: then a former plan's
            number never becomes a longer one.

    Raises:
        InvalidNumber: `not_valid` for what is no number at all, `too_long` for one that E.164
            has no room for. Whether the number is in use is not asked.
    """
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        long = error.error_type == phonenumbers.NumberParseException.TOO_LONG
        raise InvalidNumber("too_long" if long else "not_valid") from None
    if number.extension is not None:  # never taken for part of the number
        raise InvalidNumber("not_valid")
    number = _renumbered(number, longer=complete)
    if len(e164(number)) > 1 + _MOST_DIGITS:
        raise InvalidNumber("too_long")
    return number


def e164(number: phonenumbers.PhoneNumber) -> str:
    """The number as it is written internationally."""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def national(number: phonenumbers.PhoneNumber) -> str:
    """The digits behind the country code."""
    return phonenumbers.national_significant_number(number)


def type_of(number: phonenumbers.PhoneNumber) -> int:
    """The type. UNKNOWN is a number of the North American plan that is newer than the data.

    Raises:
        InvalidNumber: `too_short`, `too_long` or `not_valid`.
    """
    found = phonenumbers.number_type(number)
    if found == PhoneNumberType.UNKNOWN and not _newer(number):
        raise InvalidNumber(_why_invalid(number))
    return found


def value(
    number: phonenumbers.PhoneNumber, found_type: int, regions: Collection[str] = ()
) -> PhoneNumber:
    """The number as a value.

    Where several regions share their numbers (Finland and Åland, Australia and its islands), it is
    of that one of `regions`, in their order, that it is valid in.
    """
    return PhoneNumber(
        e164=e164(number),
        region=_region(number, found_type, regions),
        type=PhoneNumberType.to_string(found_type),
    )


def serves(regions: Collection[str], region: str) -> bool:
    """Tell whether a number of `region` is one of `regions`.

    A number newer than the data may be of any region with ordinary area codes.
    """
    return region in regions or (region == _NO_REGION and not _ORDINARY_AREAS.isdisjoint(regions))


def is_possible(number: phonenumbers.PhoneNumber) -> bool:
    """Tell whether a number has a length that its country's numbers have."""
    reason = phonenumbers.is_possible_number_with_reason(number)
    return reason == ValidationResult.IS_POSSIBLE


def is_short(number: phonenumbers.PhoneNumber) -> bool:
    """A service reached by few digits in some region of the country code (`ShortNumberInfo`)."""
    return len(national(number)) <= _SHORT_DIGITS and phonenumbers.is_valid_short_number(number)


def refuse_services(number: phonenumbers.PhoneNumber) -> None:
    """Refuse services inside the NANP that libphonenumber files under ordinary types.

    Central office code 976 is premium in every area; N11 codes are services, not exchanges;
    555-1212 is paid directory assistance; 600 and 622 to 699 are Canada's non-geographic codes,
    600 being used by satellite phones (CNAC, ATIS-0300115).

    Raises:
        InvalidNumber: `premium`, `service_code` or `satellite`.
    """
    if number.country_code != NANP:
        return
    digits = f"{number.national_number:010d}"
    area, exchange = digits[:3], digits[3:6]
    if exchange == "976" or digits[3:] == "5551212" or area == "900":
        raise InvalidNumber("premium")
    if exchange.endswith("11"):
        raise InvalidNumber("service_code")
    if area == "600":
        raise InvalidNumber("satellite")


def _renumbered(number: phonenumbers.PhoneNumber, *, longer: bool) -> phonenumbers.PhoneNumber:
    """The number as it is since its country has changed its plan; itself if it has not."""
    rule = _RENUMBERED.get(number.country_code or 0)
    if rule is None:
        return number
    former, since = rule
    found = former.fullmatch(national(number))
    if found is None or phonenumbers.is_valid_number(number):
        return number
    digits = found.expand(since)
    if len(digits) > len(found[0]) and not longer:
        return number
    present = phonenumbers.parse(f"+{number.country_code}{digits}", None)
    return present if phonenumbers.is_valid_number(present) else number


def _newer(number: phonenumbers.PhoneNumber) -> bool:
    """Whether a number that the data does not know is of lawful form all the same."""
    return number.country_code == NANP and _LAWFUL.fullmatch(national(number)) is not None


def _region(number: phonenumbers.PhoneNumber, found_type: int, regions: Collection[str]) -> str:
    if found_type == PhoneNumberType.UNKNOWN:
        return _island(national(number)) or _NO_REGION
    found = phonenumbers.region_code_for_number(number) or ""
    if found in regions:
        return found
    shared = COUNTRY_CODE_TO_REGION_CODE.get(number.country_code or 0, ())
    for region in regions if len(shared) > 1 else ():
        if region in shared and phonenumbers.is_valid_number_for_region(number, region):
            return region
    return found


def _island(digits: str) -> str | None:
    """The region of the NANP that an area code belongs to, if it is not the US or Canada.

    So an exchange that the data does not know in Jamaica stays in Jamaica.
    """
    return next((r for r, codes in _area_codes() if codes.match(digits)), None)


@cache
def _area_codes() -> tuple[tuple[str, re.Pattern[str]], ...]:
    plans = {region: PhoneMetadata.metadata_for_region(region) for region in NANP_REGIONS}
    return tuple(
        (region, re.compile(plan.leading_digits))
        for region, plan in sorted(plans.items())
        if plan is not None and plan.leading_digits
    )


def _why_invalid(number: phonenumbers.PhoneNumber) -> str:
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason in {ValidationResult.TOO_SHORT, ValidationResult.IS_POSSIBLE_LOCAL_ONLY}:
        return "too_short"
    return "too_long" if reason == ValidationResult.TOO_LONG else "not_valid"
