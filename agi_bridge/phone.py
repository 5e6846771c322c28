"""Phone numbers: from a caller's keys, from a caller ID, from the hook; and what may be dialled.

Three sources, three degrees of trust:

* `keyed`: digits that a caller keyed as the mobile number to be texted. Read by the habits of the
  keypad (ten digits, a leading 1, a French 0, an international prefix), then narrowed to numbers
  that can receive a text in a region that the line serves.
* `caller_id`: what the trunk says about the caller. Often absent, sometimes forged: never an error.
* `forward`: what the hook asks us to dial. Untrusted input that costs money if it is believed:
  nothing but a checked number of an allowed region and an ordinary type comes out.

Nothing here puts a number into an exception's text or a `repr`.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumberType
from phonenumbers.phonenumberutil import ValidationResult

LIBRARY_VERSION: Final[str] = phonenumbers.__version__
"""Version of the numbering-plan data in force, for the consent record (`lib_version`)."""

NumberFormat = Literal["e164", "national", "digits"]
"""How a trunk wants a number: `+14155550123`, `4155550123` or `14155550123`."""

_COUNTRY_CODES: Final = frozenset(COUNTRY_CODE_TO_REGION_CODE)
_NANP: Final = 1
_NANP_REGIONS: Final = frozenset(COUNTRY_CODE_TO_REGION_CODE[_NANP])
_FRANCE: Final = 33

_TEXTABLE: Final = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
_FORWARDABLE: Final = _TEXTABLE | {
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.VOIP,
    PhoneNumberType.TOLL_FREE,
}
_TYPE_REASONS: Final = {
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.PERSONAL_NUMBER: "personal",
    PhoneNumberType.PAGER: "pager",
}
# ITU-T E.164 list of assigned codes: Inmarsat, global mobile satellite, international networks.
_SATELLITE_CODES: Final = frozenset({870, 881, 882, 883})

# The longest short number of any plan has twelve digits (China); beyond that the look-up is idle.
_SHORT_DIGITS: Final = 12
# E.164's fifteen digits and an international prefix.
_LONGEST_DIALLED: Final = 18
# Formatting that people write round a number. Letters, `&`, `,`, `/`, `@` and their like would be
# dropped or translated by the parser, so they are refused before it sees them.
_FORWARD_TEXT: Final = re.compile(r"\s*(?:tel:)?\+?[0-9 \u00a0().\-\u2010-\u2015\u2212/]{2,40}\s*")
_CALLER_ID_TEXT: Final = re.compile(r"\s*(?:tel:)?\+?[0-9 ().\-]{2,32}\s*")
_E164_TEXT: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_NOT_DIGIT: Final = re.compile(r"[^0-9]")


class InvalidNumber(ValueError):  # noqa: N818 - the word that callers of this module say
    """A number that may not be used, with the reason as a stable word and never the number.

    Attributes:
        reason: `empty`, `too_short`, `too_long`, `characters`, `not_valid`, `region`, `type`,
            `premium`, `personal`, `pager`, `satellite`, `service_code`, `short_number`,
            `emergency` or `own_number`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, repr=False)
class PhoneNumber:
    """A valid number of the public telephone network.

    Attributes:
        e164: `+`, country code, national number: 8 to 16 characters (ITU-T E.164).
        region: ISO 3166-1 alpha-2, or `001` for a number of no country.
        type: libphonenumber's name of the type, for example `MOBILE` or `FIXED_LINE_OR_MOBILE`.
    """

    e164: str
    region: str
    type: str

    @property
    def masked(self) -> str:
        """The form for logs: country code and the last two digits."""
        return mask(self.e164)

    def dialled(self, number_format: NumberFormat) -> str:
        """The number as a trunk wants it; only `+` and digits, whatever the format.

        `national` is what a phone of the number's own country dials, so with the trunk prefix
        where the plan has one (`0612345678`), but without the NANP's 1 (`4155550123`).
        """
        if number_format == "e164":
            return self.e164
        if number_format == "digits":
            return self.e164[1:]
        if self.e164.startswith("+1"):
            return self.e164[2:]
        parsed = phonenumbers.parse(self.e164, None)
        national = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
        return _NOT_DIGIT.sub("", national)

    def __repr__(self) -> str:
        return f"PhoneNumber({self.masked}, region={self.region!r}, type={self.type!r})"


@dataclass(frozen=True, slots=True)
class ForwardPolicy:
    """Where a line lets the hook send its calls.

    Attributes:
        regions: regions that may be dialled; 25 countries share +1, so a country code is no bound.
        region: the line's own region: the default for numbers written in the national format, and
            the network whose emergency numbers the trunk would reach.
        own_numbers: the line's own numbers, E.164: dialling one would bring the call back to us.
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
    found_type = _type_of(number)
    if found_type == PhoneNumberType.UNKNOWN:
        raise InvalidNumber(_why_invalid(number))
    _refuse_nanp_services(number)
    if found_type not in _TEXTABLE:
        raise InvalidNumber("type")
    if number.country_code in _SATELLITE_CODES:
        raise InvalidNumber("satellite")
    if _is_short(number):
        raise InvalidNumber("short_number")
    found = _value(number, found_type)
    if found.region not in allowed_regions:
        raise InvalidNumber("region")
    return found


def caller_id(text: str | None, *, region: str) -> PhoneNumber | None:
    """The caller's number as the trunk gave it, or None if it is hidden, absent or no number."""
    if text is None or _CALLER_ID_TEXT.fullmatch(text) is None:
        return None
    for candidate in _readings(text):
        number = _parse(candidate, region)
        if number is None:
            continue
        found_type = _type_of(number)
        if found_type != PhoneNumberType.UNKNOWN:
            return _value(number, found_type)
    return None


@lru_cache(maxsize=256)
def forward(text: str, policy: ForwardPolicy) -> PhoneNumber:
    """The number that the hook wants dialled, if the line's policy lets it be dialled.

    Remembered: a business forwards to the same few numbers.

    The policy, from the record's rules: valid; fixed, mobile, VoIP or toll-free; never premium,
    900, 976, personal, pager, satellite, short or emergency; an allowed region; not the line.

    Raises:
        InvalidNumber: it may not be dialled; the caller goes to the line's default destination.
    """
    _refuse_emergency(text, policy.region)
    number = _written(text, policy.region)
    found = _value(number, _ordinary_type(number))
    if found.region not in policy.regions:
        raise InvalidNumber("region")
    if _is_short(number):
        raise InvalidNumber("short_number")
    _refuse_emergency(found.dialled("national"), found.region)
    if policy.bare_digits:
        _refuse_emergency(found.dialled("digits"), policy.region)
    if found.e164 in policy.own_numbers:
        raise InvalidNumber("own_number")
    return found


def same_number(a: str, b: str, *, region: str) -> bool:
    """Whether two texts name one DID: `+1415…`, `1415…`, `415…`, `(415) 123-4567` do.

    What is no telephone number in either form (an extension, a queue's name) is equal as text.
    """
    return canonical(a, region=region) == canonical(b, region=region)


@lru_cache(maxsize=1024)
def canonical(text: str, *, region: str) -> str:
    """E.164 if the text has the length of a telephone number, else the text without outer blanks.

    Only the length is asked: a DID of an exchange newer than the numbering-plan data is a DID.
    Remembered, because the same few DIDs are asked about at every call.
    """
    plain = text.strip()
    if _CALLER_ID_TEXT.fullmatch(plain) is not None:
        for candidate in _readings(plain):
            number = _parse(candidate, region)
            if number is not None and (
                phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
            ):
                return _e164(number)
    return plain


def mask(text: str) -> str:
    """A number for logs: `+14155550171` as `+1***71`; any other text as `***` and its last two.

    A text of fewer than three letters or digits shows nothing of itself.
    """
    if _E164_TEXT.fullmatch(text):
        code = next(n for n in (1, 2, 3) if n == 3 or int(text[1 : 1 + n]) in _COUNTRY_CODES)  # noqa: PLR2004 - no country code is longer
        return f"+{text[1 : 1 + code]}***{text[-2:]}"
    last = "".join(c for c in text if c.isascii() and c.isalnum())
    return f"***{last[-2:]}" if len(last) > 2 else "***"  # noqa: PLR2004 - "two" is the rule itself


def _from_keys(keys: str, region: str, allowed: Collection[str]) -> phonenumbers.PhoneNumber:
    """The number that a row of keys means; not checked yet beyond its length.

    The common forms are built, not parsed: the parser would cost as much as all the checks.
    """
    # No NANP area code and no French national number begins like an international prefix.
    for prefix in ("011", "00"):
        if keys.startswith(prefix):
            return _parsed("+" + keys[len(prefix) :], region)
    if keys.startswith("0") and "FR" in allowed and (region == "FR" or region in _NANP_REGIONS):
        return _built(_FRANCE, keys[1:], 9)
    if region in _NANP_REGIONS:
        return _built(_NANP, keys.removeprefix("1"), 10)
    if _looks_nanp(keys) and not _NANP_REGIONS.isdisjoint(allowed):
        return _built(_NANP, keys.removeprefix("1"), 10)
    return _parsed(keys, region)


def _looks_nanp(keys: str) -> bool:
    """Ten digits as the NANP writes them, or eleven with the leading 1."""
    return re.fullmatch(r"1?[2-9][0-9]{2}[2-9][0-9]{6}", keys) is not None


def _built(country_code: int, national: str, length: int) -> phonenumbers.PhoneNumber:
    if len(national) != length:
        raise InvalidNumber("too_short" if len(national) < length else "too_long")
    if national.startswith("0"):
        raise InvalidNumber("not_valid")  # as an integer it would silently become another number
    return phonenumbers.PhoneNumber(country_code=country_code, national_number=int(national))


def _parsed(text: str, region: str) -> phonenumbers.PhoneNumber:
    if len(_NOT_DIGIT.sub("", text)) > _LONGEST_DIALLED:
        raise InvalidNumber("too_long")
    number = _parse(text, region)
    if number is None:
        raise InvalidNumber("not_valid")
    return number


def _written(text: str, region: str) -> phonenumbers.PhoneNumber:
    """A number as people write it, and nothing but a number."""
    if not text.strip():
        raise InvalidNumber("empty")
    if _FORWARD_TEXT.fullmatch(text) is None:
        raise InvalidNumber("characters")
    return _parsed(text, region)


def _ordinary_type(number: phonenumbers.PhoneNumber) -> int:
    """The type, if it is one that costs what a call costs and rings an ordinary phone."""
    if number.country_code in _SATELLITE_CODES:
        raise InvalidNumber("satellite")
    found_type = _type_of(number)
    if found_type == PhoneNumberType.UNKNOWN:
        raise InvalidNumber("short_number" if _is_short(number) else _why_invalid(number))
    _refuse_nanp_services(number)
    if found_type not in _FORWARDABLE:
        raise InvalidNumber(_TYPE_REASONS.get(found_type, "type"))
    return found_type


def _parse(text: str, region: str) -> phonenumbers.PhoneNumber | None:
    """Parsed, or None; an extension is never taken for part of the number."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    return number if number.extension is None else None


def _readings(text: str) -> tuple[str, ...]:
    """The text, and for trunks that leave out the `+` of E.164, the text with it."""
    plain = text.strip()
    digits = _NOT_DIGIT.sub("", plain)
    if "+" in plain or len(digits) <= 10 or digits.startswith("0"):  # noqa: PLR2004 - NANP's length
        return (plain,)
    return (plain, "+" + digits)


def _type_of(number: phonenumbers.PhoneNumber) -> int:
    """The type; UNKNOWN exactly if the number is not valid, so no second look-up is needed."""
    return phonenumbers.number_type(number)


def _value(number: phonenumbers.PhoneNumber, found_type: int) -> PhoneNumber:
    return PhoneNumber(
        e164=_e164(number),
        region=phonenumbers.region_code_for_number(number) or "",
        type=PhoneNumberType.to_string(found_type),
    )


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _why_invalid(number: phonenumbers.PhoneNumber) -> str:
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason in {ValidationResult.TOO_SHORT, ValidationResult.IS_POSSIBLE_LOCAL_ONLY}:
        return "too_short"
    return "too_long" if reason == ValidationResult.TOO_LONG else "not_valid"


def _is_short(number: phonenumbers.PhoneNumber) -> bool:
    """A service reached by few digits in some region of the country code (`ShortNumberInfo`)."""
    national = phonenumbers.national_significant_number(number)
    return len(national) <= _SHORT_DIGITS and phonenumbers.is_valid_short_number(number)


def _refuse_emergency(text: str, region: str) -> None:
    """Also digits that merely begin with an emergency number: a switch may not wait for the rest.

    A text with `+` never connects to an emergency service (`connects_to_emergency_number`).
    """
    if phonenumbers.connects_to_emergency_number(text, region):
        raise InvalidNumber("emergency")


def _refuse_nanp_services(number: phonenumbers.PhoneNumber) -> None:
    """Services inside the NANP that libphonenumber files under ordinary types.

    Central office code 976 is premium in every area; N11 codes are services, not exchanges;
    555-1212 is paid directory assistance; 600 and 622 to 699 are Canada's non-geographic codes,
    600 being used by satellite phones (CNAC, ATIS-0300115).
    """
    if number.country_code != _NANP:
        return
    national = f"{number.national_number:010d}"
    area, exchange = national[:3], national[3:6]
    if exchange == "976" or national[3:] == "5551212" or area == "900":
        raise InvalidNumber("premium")
    if exchange.endswith("11"):
        raise InvalidNumber("service_code")
    if area == "600":
        raise InvalidNumber("satellite")
