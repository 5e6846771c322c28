"""Parses and classifies numbers by the numbering plans.

The plans are libphonenumber's data, with three additional rules:

* A North American number of valid format is accepted if its area code or exchange is newer than the
  data. New codes come into service several times a year, often before an update is installed. The
  number has the type UNKNOWN and the region `ZZ`.
* Numbers in a former format that other systems still use are converted (`_RENUMBERED`).
* A number has at most the fifteen digits of E.164. libphonenumber does not enforce this.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, TypeAlias

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberType
from phonenumbers.phonemetadata import PhoneNumberDesc
from phonenumbers.phonenumberutil import ValidationResult

from .number import InvalidNumber, PhoneNumber

NANP: Final = 1
"""The country code of the North American Numbering Plan, which 25 regions share."""
NANP_REGIONS: Final = frozenset(COUNTRY_CODE_TO_REGION_CODE[NANP])
TEXTABLE: Final = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
"""Types that can receive a text message."""
# ITU-T E.164 list of assigned codes: Inmarsat, global mobile satellite, international networks.
SATELLITE_CODES: Final = frozenset({870, 881, 882, 883})

_MOST_DIGITS: Final = 15  # ITU-T E.164, clause 6
_NO_REGION: Final = "ZZ"  # CLDR's code of an unknown region, libphonenumber's too
_ORDINARY_AREAS: Final = frozenset({"US", "CA"})
"""Regions that get nearly all new area codes and exchanges."""

# NPA-NXX-XXXX (NANPA, ATIS-0300051 and -0300055). Not an area code of subscribers: two like digits
# at the end (N11 and the easily recognisable codes, kept for services), N9X (expansion), 37X and
# 96X (reserved), 88X (toll-free, in use or reserved), 456 (inbound international), 710 (the US
# government), 950 (as an exchange it reaches carriers), and the rest of 5XX that is personal or
# reserved for it. Not an exchange: N11.
_VALID_NANP: Final = re.compile(
    r"(?!.(.)\1|.9|37|96|88|456|710|950|52[1-9]|53[258]|54[23579]|55[2346]|569|578|589)"
    r"[2-9][0-9]{2}(?!.11)[2-9][0-9]{6}"
)

# How most trunks of North America write a number. The parser takes it as it stands.
_NANP_E164: Final = re.compile(r"\+1([2-9][0-9]{9})")
_NANP_NATIONAL: Final = re.compile(r"1?([2-9][0-9]{9})")
_KNOWN_NUMBERS: Final = 1024
"""Numbers whose facts are remembered: a caller's number is shown, then keyed, then dialled."""

# By country code: the former format of a national number, and its present one. Applied only if the
# number is invalid today and valid after the change. libphonenumber itself converts Argentina's
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
    """Parse a number as dialled in a region, converted to the present numbering plan.

    Args:
        text: digits, with an optional leading `+`.
        region: the region in which the number would be dialled.
        complete: False for keyed digits, one of which may be missing. A number of a former plan is
            then never converted to a longer one.

    Raises:
        InvalidNumber: `not_valid` if the text is not a number, `too_long` if it exceeds E.164. It
            is not checked whether the number is assigned.
    """
    plain = _NANP_E164.fullmatch(text)
    if plain is None and region in _ORDINARY_AREAS:
        plain = _NANP_NATIONAL.fullmatch(text)
    if plain is not None:
        return phonenumbers.PhoneNumber(country_code=NANP, national_number=int(plain[1]))
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        long = error.error_type == phonenumbers.NumberParseException.TOO_LONG
        raise InvalidNumber("too_long" if long else "not_valid") from None
    if number.extension is not None:  # must not become part of the number
        raise InvalidNumber("not_valid")
    number = _renumbered(number, longer=complete)
    if len(e164(number)) > 1 + _MOST_DIGITS:
        raise InvalidNumber("too_long")
    return number


def e164(number: phonenumbers.PhoneNumber) -> str:
    """Return the number in E.164."""
    return f"+{number.country_code}{national(number)}"


def national(number: phonenumbers.PhoneNumber) -> str:
    """Return the digits after the country code."""
    digits = str(number.national_number)
    if number.italian_leading_zero:
        digits = "0" * (number.number_of_leading_zeros or 1) + digits
    return digits


def type_of(number: phonenumbers.PhoneNumber) -> int:
    """Return the type. UNKNOWN: a North American number that is newer than the data.

    Raises:
        InvalidNumber: `too_short`, `too_long` or `not_valid`.
    """
    found, _ = facts(number.country_code or 0, national(number))
    if found == PhoneNumberType.UNKNOWN and not _newer(number):
        raise InvalidNumber(_why_invalid(number))
    return found


def value(
    number: phonenumbers.PhoneNumber, found_type: int, regions: Collection[str] = ()
) -> PhoneNumber:
    """Return the number as a `PhoneNumber`.

    Some regions share numbers (Finland and Åland, Australia and its islands). The result then has
    the first of `regions` in which the number is valid.
    """
    return PhoneNumber(
        e164=e164(number),
        region=_region(number, found_type, regions),
        type=PhoneNumberType.to_string(found_type),
    )


def serves(regions: Collection[str], region: str) -> bool:
    """Return whether a number of `region` belongs to one of `regions`.

    A number newer than the data may belong to any region with ordinary area codes.
    """
    return region in regions or (region == _NO_REGION and not _ORDINARY_AREAS.isdisjoint(regions))


def is_possible(number: phonenumbers.PhoneNumber) -> bool:
    """Return whether the number has a possible length in its country."""
    reason = phonenumbers.is_possible_number_with_reason(number)
    return reason == ValidationResult.IS_POSSIBLE


def is_short(number: phonenumbers.PhoneNumber) -> bool:
    """Return whether the number is a short number in a region of its country code."""
    possible = len(national(number)) in _short_lengths(number.country_code or 0)
    return possible and phonenumbers.is_valid_short_number(number)


def refuse_services(number: phonenumbers.PhoneNumber) -> None:
    """Refuse services in the NANP that libphonenumber classifies as ordinary numbers.

    Central office code 976 is premium in every area, so no area code has these digits: a number
    that begins with them means the service. N11 codes are services, not exchanges.
    555-1212 is paid directory assistance. 600 and 622 to 699 are Canada's non-geographic codes; 600
    is used by satellite phones (CNAC, ATIS-0300115).

    Raises:
        InvalidNumber: `premium`, `service_code` or `satellite`.
    """
    if number.country_code != NANP:
        return
    digits = f"{number.national_number:010d}"
    area, exchange = digits[:3], digits[3:6]
    if exchange == "976" or digits[3:] == "5551212" or area in {"900", "976"}:
        raise InvalidNumber("premium")
    if exchange.endswith("11"):
        raise InvalidNumber("service_code")
    if area == "600":
        raise InvalidNumber("satellite")


@lru_cache(maxsize=_KNOWN_NUMBERS)
def facts(code: int, digits: str) -> tuple[int, str]:
    """Return libphonenumber's type and region of a national number, or an empty text.

    Both in one pass, with each pattern compiled once: `phonenumbers.region_code_for_number` and
    `number_type` say the same in several times the time.
    """
    plans = _plans(code)
    if len(plans) == 1:
        return plans[0].type_of(digits), plans[0].region
    for plan in plans:
        if plan.leads is None:
            found = plan.type_of(digits)
            if found != PhoneNumberType.UNKNOWN:
                return found, plan.region
        elif plan.leads(digits):
            return plan.type_of(digits), plan.region
    return PhoneNumberType.UNKNOWN, ""


_Match: TypeAlias = Callable[[str], re.Match[str] | None]


@dataclass(frozen=True, slots=True)
class _Kind:
    """The numbers of one description in a plan; no length listed: any."""

    type: int
    lengths: frozenset[int]
    matches: _Match

    def has(self, digits: str) -> bool:
        """Return whether a national number is one of them."""
        fits = not self.lengths or len(digits) in self.lengths
        return fits and self.matches(digits) is not None


@dataclass(frozen=True, slots=True)
class _Plan:
    """A region's plan, as `phonenumbers.number_type` reads it.

    Attributes:
        leads: matches the first digits of the region's numbers, where that is enough to know it.
        any: what all its numbers match.
        kinds: the types that come before fixed and mobile, in their order.
        ordinary: fixed and mobile numbers; `one_pattern`: the plan does not tell them apart.
    """

    region: str
    leads: _Match | None
    any: _Kind | None
    kinds: tuple[_Kind, ...]
    ordinary: tuple[_Kind | None, _Kind | None]
    one_pattern: bool

    def type_of(self, digits: str) -> int:
        """Return the type of a national number, UNKNOWN for one that is not valid."""
        if self.any is None or not self.any.has(digits):
            return PhoneNumberType.UNKNOWN
        for kind in self.kinds:
            if kind.has(digits):
                return kind.type
        fixed, mobile = self.ordinary
        is_fixed = fixed is not None and fixed.has(digits)
        if is_fixed and self.one_pattern:
            return PhoneNumberType.FIXED_LINE_OR_MOBILE
        is_mobile = not self.one_pattern and mobile is not None and mobile.has(digits)
        if is_fixed and is_mobile:
            return PhoneNumberType.FIXED_LINE_OR_MOBILE
        if is_fixed:
            return PhoneNumberType.FIXED_LINE
        return PhoneNumberType.MOBILE if is_mobile else PhoneNumberType.UNKNOWN


@cache
def _plans(code: int) -> tuple[_Plan, ...]:
    """Return the plans of a country code's regions, the main one first."""
    regions = COUNTRY_CODE_TO_REGION_CODE.get(code, ())
    found = ((r, PhoneMetadata.metadata_for_region_or_calling_code(code, r)) for r in regions)
    return tuple(_read_plan(region, plan) for region, plan in found if plan is not None)


def _read_plan(region: str, plan: PhoneMetadata) -> _Plan:
    kinds = (
        _kind(PhoneNumberType.PREMIUM_RATE, plan.premium_rate),
        _kind(PhoneNumberType.TOLL_FREE, plan.toll_free),
        _kind(PhoneNumberType.SHARED_COST, plan.shared_cost),
        _kind(PhoneNumberType.VOIP, plan.voip),
        _kind(PhoneNumberType.PERSONAL_NUMBER, plan.personal_number),
        _kind(PhoneNumberType.PAGER, plan.pager),
        _kind(PhoneNumberType.UAN, plan.uan),
        _kind(PhoneNumberType.VOICEMAIL, plan.voicemail),
    )
    return _Plan(
        region,
        None if plan.leading_digits is None else re.compile(plan.leading_digits).match,
        _kind(PhoneNumberType.UNKNOWN, plan.general_desc),
        tuple(kind for kind in kinds if kind is not None),
        (
            _kind(PhoneNumberType.FIXED_LINE, plan.fixed_line),
            _kind(PhoneNumberType.MOBILE, plan.mobile),
        ),
        plan.same_mobile_and_fixed_line_pattern,
    )


def _kind(type_: int, described: PhoneNumberDesc | None) -> _Kind | None:
    if described is None or not described.national_number_pattern:
        return None
    lengths = frozenset(described.possible_length)
    return _Kind(type_, lengths, re.compile(described.national_number_pattern).fullmatch)


@cache
def _short_lengths(code: int) -> Collection[int]:
    """Return how many digits a short number can have in the regions of a country code."""
    plans = map(PhoneMetadata.short_metadata_for_region, COUNTRY_CODE_TO_REGION_CODE.get(code, ()))
    short = (plan.short_code for plan in plans if plan is not None)
    return frozenset(n for each in short if each is not None for n in each.possible_length)


def _renumbered(number: phonenumbers.PhoneNumber, *, longer: bool) -> phonenumbers.PhoneNumber:
    """Convert a number of a former plan to the present one; others are returned unchanged."""
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
    """Return whether the number has a valid NANP format. Called for numbers not in the data."""
    return number.country_code == NANP and _VALID_NANP.fullmatch(national(number)) is not None


def _region(number: phonenumbers.PhoneNumber, found_type: int, regions: Collection[str]) -> str:
    if found_type == PhoneNumberType.UNKNOWN:
        return _island(national(number)) or _NO_REGION
    _, found = facts(number.country_code or 0, national(number))
    if found in regions:
        return found
    shared = COUNTRY_CODE_TO_REGION_CODE.get(number.country_code or 0, ())
    for region in regions if len(shared) > 1 else ():
        if region in shared and phonenumbers.is_valid_number_for_region(number, region):
            return region
    return found


def _island(digits: str) -> str | None:
    """Return the NANP region of an area code, if it is not the US or Canada.

    A Jamaican number with an exchange newer than the data thus keeps its region.
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
