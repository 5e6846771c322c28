"""Reads the mobile number that a caller keys: its expected length, and the number it means.

Without a prefix, digits mean a number of the line's first region. A number with a missing or extra
digit must not become a valid number of another region. Callers key numbers of other regions

* after an international prefix: `00`, the first region's own, or `011` in North America;
* with the leading 1, for North America: ten digits alone could be a number of the first region,
  keyed without its 0 and with one digit doubled;
* with the leading 0 of their country, if no number of the first region begins with 0. This applies
  to the first other region with such a 0, unless its numbers are shorter than the first region's.

Lengths and prefixes come from libphonenumber's data.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberType

from .number import InvalidNumber, PhoneNumber
from .numbering import (
    NANP,
    NANP_REGIONS,
    SATELLITE_CODES,
    TEXTABLE,
    is_possible,
    is_short,
    national,
    parsed,
    refuse_services,
    serves,
    type_of,
    value,
)

INTERNATIONAL_DIGITS: Final = 15
"""Most digits after an international prefix (ITU-T E.164)."""

_FEWEST_INTERNATIONAL: Final = 7
_KEYED_TYPES: Final = TEXTABLE | {PhoneNumberType.UNKNOWN}
_NANP_DIGITS: Final = 10
_NOT_DIGIT: Final = re.compile(r"[^0-9]")
# Prefixes of mobile numbers before the plan of 2019. Many callers still key them.
_FORMER_PREFIXES: Final = {"MX": ("01", "044", "045")}


@dataclass(frozen=True, slots=True)
class KeyedLength:
    """The possible number of digits of an entry, given its first digits.

    If both values are equal, the entry ends with its last digit. Otherwise it ends with `#`, with a
    pause, or after `most` digits.
    """

    fewest: int
    most: int

    @property
    def varies(self) -> bool:
        """Whether `#` or a pause can end the entry."""
        return self.fewest < self.most


@dataclass(frozen=True, slots=True)
class _Form:
    """A form in which a number is keyed: a prefix, then digits of a possible length.

    Attributes:
        region: the region that uses this form.
        prefix: the leading digits; may be empty.
        lengths: the possible numbers of digits after the prefix.
        never: digits that a number in this form never begins with.
    """

    region: str
    prefix: str
    lengths: frozenset[int]
    never: str = ""

    def begins(self, keys: str) -> bool:
        """Return whether the keys can be the beginning of a number in this form."""
        if keys[:1] and keys[0] in self.never:
            return False
        return keys.startswith(self.prefix) or self.prefix.startswith(keys)

    def fits(self, keys: str) -> bool:
        """Return whether the keys can be a complete number in this form."""
        return self.begins(keys) and len(keys) - len(self.prefix) in self.lengths

    @property
    def totals(self) -> Iterator[int]:
        """The possible total numbers of keys."""
        return (len(self.prefix) + length for length in self.lengths)


@dataclass(frozen=True, slots=True)
class _Keypad:
    """The forms that a line accepts, its first region's first, and its international prefixes.

    `telling` is how many first digits tell the forms apart; `known` keeps the lengths of entries
    by these digits.
    """

    region: str
    forms: tuple[_Form, ...]
    abroad: re.Pattern[str]
    telling: int
    known: dict[str, KeyedLength] = field(default_factory=dict, compare=False)

    def prefix(self, keys: str) -> str:
        """Return the international prefix at the start of the keys, or an empty text."""
        found = self.abroad.match(keys)
        return found[0] if found else ""

    def length(self, keys: str) -> KeyedLength:
        """Return the expected length of an entry that begins with these keys."""
        if prefix := self.prefix(keys):
            fewest = len(prefix) + _FEWEST_INTERNATIONAL
            return KeyedLength(fewest, len(prefix) + INTERNATIONAL_DIGITS)
        first = keys[: self.telling]
        length = self.known.get(first)
        if length is None:
            length = self.known[first] = self._length_of_form(first)
        return length

    def _length_of_form(self, keys: str) -> KeyedLength:
        begun = [total for form in self.forms if form.begins(keys) for total in form.totals]
        bare = [total for form in self.forms if not form.prefix for total in form.totals]
        totals = begun or bare
        return KeyedLength(min(totals), max(totals))

    def form(self, keys: str) -> _Form:
        """Return the form of an entry.

        Raises:
            InvalidNumber: no form has this number of digits.
        """
        for form in self.forms:
            if form.fits(keys):
                return form
        if not any(form.begins(keys) for form in self.forms):
            raise InvalidNumber("not_valid")
        length = self.length(keys)
        if len(keys) < length.fewest:
            raise InvalidNumber("too_short")
        raise InvalidNumber("too_long" if len(keys) > length.most else "not_valid")


def can_be_keyed(region: str) -> bool:
    """Return whether a region has mobile numbers: Tristan da Cunha, for example, has none."""
    return not TEXTABLE.isdisjoint(phonenumbers.supported_types_for_region(region) or ())


def usual_digits(region: str) -> tuple[int, ...]:
    """Return how many digits a mobile number of a region usually has when keyed, fewest first.

    The count includes a leading 0 where people dial it, but not the 1 of North America.
    """
    if region in NANP_REGIONS:
        return (_NANP_DIGITS,)
    rules = _dialling_rules(region)
    prefix = len(rules.prefixes[0]) if rules.prefixed else 0
    return tuple(sorted(prefix + length for length in rules.lengths))


def keyed_length(digits: str, regions: tuple[str, ...]) -> KeyedLength:
    """Return the expected length of a number.

    Args:
        digits: the digits keyed so far; may be empty.
        regions: the line's regions, its own first; each `can_be_keyed`.
    """
    return _keypad(regions).length(digits)


def keyed(
    digits: str,
    *,
    region: str,
    allowed_regions: Collection[str],
    own_numbers: Collection[str] = (),
) -> PhoneNumber:
    """Return the mobile number that a caller keyed, by the rules of the consent dialogue.

    All keys but 0-9 are dropped first: the parser would read `#` or `*` as an extension.

    Args:
        digits: the keys as received.
        region: the line's own region, to which digits without a prefix belong.
        allowed_regions: the regions that the line may text; a sequence is in order of preference.
        own_numbers: the numbers of the business, E.164. They are refused.

    Raises:
        InvalidNumber: the number is invalid, cannot receive texts, is not in an allowed region, or
            is a number of the business. (US landlines and mobiles cannot be distinguished.)
    """
    keys = _NOT_DIGIT.sub("", digits)
    if not keys:
        raise InvalidNumber("empty")
    listed = isinstance(allowed_regions, Sequence)
    ordered = list(allowed_regions) if listed else sorted(allowed_regions)
    number = _read(keys, _keypad((region, *(r for r in ordered if r != region))))
    found_type = type_of(number)
    refuse_services(number)
    if found_type not in _KEYED_TYPES:
        raise InvalidNumber("type")
    if number.country_code in SATELLITE_CODES:
        raise InvalidNumber("satellite")
    if is_short(number):
        raise InvalidNumber("short_number")
    found = value(number, found_type, ordered)
    if not serves(ordered, found.region):
        raise InvalidNumber("region")
    if found.e164 in own_numbers:
        raise InvalidNumber("own_number")
    return found


def _read(keys: str, keypad: _Keypad) -> phonenumbers.PhoneNumber:
    """Return the number that the keys mean. Only its length is checked."""
    if keypad.prefix(keys):
        return _from_abroad(keys, keypad.region)
    form = keypad.form(keys)
    if form.region in NANP_REGIONS:
        return _north_american(keys[len(form.prefix) :])
    if form.prefix in _FORMER_PREFIXES.get(form.region, ()):
        keys = keys.removeprefix(form.prefix)
    number = parsed(keys, form.region, complete=False)
    if number.country_code != phonenumbers.country_code_for_region(form.region):
        raise InvalidNumber("not_valid")
    return number


def _from_abroad(keys: str, region: str) -> phonenumbers.PhoneNumber:
    """Read a number after an international prefix: the region's own, else `011` or `00`."""
    try:
        number = parsed(keys, region, complete=False)
    except InvalidNumber:
        number = None
    if number is not None and is_possible(number):
        return number
    for prefix in ("011", "00"):
        if keys.startswith(prefix):
            return parsed(f"+{keys.removeprefix(prefix)}", region, complete=False)
    if number is None:
        raise InvalidNumber("not_valid")
    return number


def _north_american(digits: str) -> phonenumbers.PhoneNumber:
    """Build the number without the parser, which would cost as much as all the checks."""
    if digits.startswith("0"):
        raise InvalidNumber("not_valid")  # as an integer it would become another number
    return phonenumbers.PhoneNumber(country_code=NANP, national_number=int(digits))


@lru_cache(maxsize=256)
def _keypad(regions: tuple[str, ...]) -> _Keypad:
    first, *others = regions
    own = tuple(_own_forms(first))
    abroad = "00|011" if first in NANP_REGIONS else f"{_plan(first).international_prefix}|00"
    forms = own + tuple(_other_forms(own, others))
    telling = max(1, *(len(form.prefix) for form in forms))  # the first one, for `never`
    return _Keypad(first, forms, re.compile(abroad), telling)


def _own_forms(region: str) -> Iterator[_Form]:
    """Yield the forms for numbers of the line's first region."""
    if region in NANP_REGIONS:
        yield _north_american_form("")
        yield _north_american_form("1")
        return
    rules = _dialling_rules(region)
    for prefix in (*rules.prefixes, *_FORMER_PREFIXES.get(region, ())):
        yield _Form(region, prefix, rules.lengths)
    yield _Form(region, "", rules.lengths, never="".join(p[0] for p in rules.prefixes))


def _other_forms(own: tuple[_Form, ...], others: list[str]) -> Iterator[_Form]:
    """Yield the forms for numbers of the line's other regions; see the module docstring."""
    first = own[0].region
    if first not in NANP_REGIONS and not NANP_REGIONS.isdisjoint(others):
        yield _north_american_form("1")
    if any(form.prefix.startswith("0") for form in own) or _dialling_rules(first).zero:
        return
    shortest = min(total for form in own for total in form.totals)
    for region in others:
        rules = _dialling_rules(region)
        prefix = rules.prefixes[0] if rules.prefixed else ""
        if prefix.startswith("0"):
            # A shorter entry may be a number of the first region without its first digit.
            whole = frozenset(n for n in rules.lengths if len(prefix) + n >= shortest)
            yield _Form(region, prefix, whole)
            return


def _north_american_form(prefix: str) -> _Form:
    return _Form("US", prefix, frozenset({_NANP_DIGITS}), never="" if prefix else "01")


@dataclass(frozen=True, slots=True)
class _DiallingRules:
    """How mobile numbers are dialled within a country.

    Attributes:
        prefixes: the possible trunk prefixes, the usual one first; may be empty.
        prefixed: whether a prefix is usually dialled.
        zero: whether the numbers themselves begin with 0.
        lengths: the possible numbers of digits after the prefix.
    """

    prefixes: tuple[str, ...]
    prefixed: bool
    zero: bool
    lengths: frozenset[int]


@lru_cache(maxsize=512)
def _dialling_rules(region: str) -> _DiallingRules:
    """Derive the rules from the country's example number in national format.

    The plan's prefix alone is not enough: Belarus has the prefix 8 but 80 is dialled, and Brazil
    has a 0 that is usually omitted.
    """
    plan = _plan(region)
    example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
    if example is None or plan.mobile is None:
        raise InvalidNumber("region")
    lengths = {length for length in plan.mobile.possible_length if length > 0}
    trunk = plan.national_prefix or ""
    written = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.NATIONAL)
    digits, subscriber = _NOT_DIGIT.sub("", written), national(example)
    usual = digits.removesuffix(subscriber) if digits.endswith(subscriber) else trunk
    # Argentina: 0 11 15 2345 6789 is +54 9 11 2345 6789.
    lengths.add(len(digits) - len(usual))
    return _DiallingRules(
        prefixes=tuple(filter(None, dict.fromkeys((usual, trunk)))),
        prefixed=bool(usual),
        zero=subscriber.startswith("0"),
        lengths=frozenset(lengths),
    )


def _plan(region: str) -> PhoneMetadata:
    plan = PhoneMetadata.metadata_for_region(region)
    if plan is None:
        raise InvalidNumber("region")
    return plan
