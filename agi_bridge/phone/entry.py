"""The mobile number that a caller keys: how many digits there will be, and which number they mean.

Without a prefix, digits are a number of the line's first region, or of none: what is one digit
short or long there must not become somebody's number elsewhere. Other regions' numbers are keyed

* behind an international prefix: `00`, the first region's own, or `011` in North America;
* with the 1 of North America, if they are of it: ten digits alone could be a number of the first
  region, keyed without its 0 and with one digit doubled;
* with the 0 of their country, if no number of the first region begins with one: those of the first
  other region that has such a 0, unless they are shorter than the first region's.

Lengths and prefixes are those of libphonenumber's data.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
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
"""Most digits behind an international prefix (ITU-T E.164)."""

_FEWEST_INTERNATIONAL: Final = 7
_KEYED_TYPES: Final = TEXTABLE | {PhoneNumberType.UNKNOWN}
_NANP_DIGITS: Final = 10
_NOT_DIGIT: Final = re.compile(r"[^0-9]")
# What was keyed before a mobile number before the plan of 2019, and what many still key.
_FORMER_PREFIXES: Final = {"MX": ("01", "044", "045")}


@dataclass(frozen=True, slots=True)
class KeyedLength:
    """How many digits an entry has in the end, as far as its first ones tell.

    If both are the same the entry ends with its last digit, else with `#`, a pause, or `most`.
    """

    fewest: int
    most: int

    @property
    def varies(self) -> bool:
        """Tell whether `#` or a pause may be what ends the entry."""
        return self.fewest < self.most


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to key a number: a prefix, then one of several numbers of digits.

    Attributes:
        region: whose form it is.
        prefix: what comes first, possibly nothing.
        lengths: how many digits may follow.
        never: first digits that a number in this form never has.
    """

    region: str
    prefix: str
    lengths: frozenset[int]
    never: str = ""

    def begins(self, keys: str) -> bool:
        """Tell whether these may be the first keys of a number in this form."""
        if keys[:1] and keys[0] in self.never:
            return False
        return keys.startswith(self.prefix) or self.prefix.startswith(keys)

    def fits(self, keys: str) -> bool:
        """Tell whether these may be all keys of a number in this form."""
        return self.begins(keys) and len(keys) - len(self.prefix) in self.lengths

    @property
    def totals(self) -> Iterator[int]:
        """How many keys it may take."""
        return (len(self.prefix) + length for length in self.lengths)


@dataclass(frozen=True, slots=True)
class _Keypad:
    """The forms that a line's callers may key, its first region's first, and prefixes abroad."""

    region: str
    forms: tuple[_Form, ...]
    abroad: re.Pattern[str]

    def prefix(self, keys: str) -> str:
        """The international prefix that the keys begin with, or nothing."""
        found = self.abroad.match(keys)
        return found[0] if found else ""

    def length(self, keys: str) -> KeyedLength:
        """How many digits an entry that begins so will have."""
        if prefix := self.prefix(keys):
            fewest = len(prefix) + _FEWEST_INTERNATIONAL
            return KeyedLength(fewest, len(prefix) + INTERNATIONAL_DIGITS)
        begun = [total for form in self.forms if form.begins(keys) for total in form.totals]
        bare = [total for form in self.forms if not form.prefix for total in form.totals]
        totals = begun or bare
        return KeyedLength(min(totals), max(totals))

    def form(self, keys: str) -> _Form:
        """The form of an entry.

        Raises:
            InvalidNumber: there is none with so many digits.
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
    """Tell whether a region has mobile numbers at all: one (Tristan da Cunha) has none."""
    return not TEXTABLE.isdisjoint(phonenumbers.supported_types_for_region(region) or ())


def usual_digits(region: str) -> tuple[int, ...]:
    """How many digits people of a region key who are asked for their mobile number, fewest first.

    With the leading 0 or the like where they dial one, without the 1 of North America.
    """
    if region in NANP_REGIONS:
        return (_NANP_DIGITS,)
    habit = _habit(region)
    prefix = len(habit.prefixes[0]) if habit.prefixed else 0
    return tuple(sorted(prefix + length for length in habit.lengths))


def keyed_length(digits: str, regions: tuple[str, ...]) -> KeyedLength:
    """How many digits a number will have.

    Args:
        digits: those keyed so far, possibly none.
        regions: what the line takes, its own region first; each `can_be_keyed`.
    """
    return _keypad(regions).length(digits)


def keyed(
    digits: str,
    *,
    region: str,
    allowed_regions: Collection[str],
    own_numbers: Collection[str] = (),
) -> PhoneNumber:
    """The mobile number that a caller keyed, by the rules of the consent dialogue.

    Everything but 0-9 is dropped first: a `#` or `*` would be read as an extension.

    Args:
        digits: the keys as they came.
        region: the line's own region, which decides what digits without a prefix mean.
        allowed_regions: regions that the line may text; their order counts, if they have one.
        own_numbers: the numbers of the business, E.164: none of them is a caller's mobile.

    Raises:
        InvalidNumber: the number is no valid number, not of a type that can be texted, not of an
            allowed region, or one of ours. (A US landline cannot be told from a mobile.)
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
    """The number that a row of keys means; not checked yet beyond its length."""
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
    """A number behind an international prefix: as the region dials abroad, or as most do."""
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
    """Built, not parsed: the parser would cost as much as all the checks."""
    if digits.startswith("0"):
        raise InvalidNumber("not_valid")  # as an integer it would silently become another number
    return phonenumbers.PhoneNumber(country_code=NANP, national_number=int(digits))


@lru_cache(maxsize=256)
def _keypad(regions: tuple[str, ...]) -> _Keypad:
    first, *others = regions
    own = tuple(_own_forms(first))
    abroad = "00|011" if first in NANP_REGIONS else f"{_plan(first).international_prefix}|00"
    return _Keypad(first, own + tuple(_other_forms(own, others)), re.compile(abroad))


def _own_forms(region: str) -> Iterator[_Form]:
    """How people of the line's first region key their numbers."""
    if region in NANP_REGIONS:
        yield _north_american_form("")
        yield _north_american_form("1")
        return
    habit = _habit(region)
    for prefix in (*habit.prefixes, *_FORMER_PREFIXES.get(region, ())):
        yield _Form(region, prefix, habit.lengths)
    yield _Form(region, "", habit.lengths, never="".join(p[0] for p in habit.prefixes))


def _other_forms(own: tuple[_Form, ...], others: list[str]) -> Iterator[_Form]:
    """How people of the line's other regions may key theirs; see the head of this module."""
    first = own[0].region
    if first not in NANP_REGIONS and not NANP_REGIONS.isdisjoint(others):
        yield _north_american_form("1")
    if any(form.prefix.startswith("0") for form in own) or _habit(first).zero:
        return
    shortest = min(total for form in own for total in form.totals)
    for region in others:
        habit = _habit(region)
        prefix = habit.prefixes[0] if habit.prefixed else ""
        if prefix.startswith("0"):
            # What is shorter may be one of the first region's without its first digit.
            whole = frozenset(n for n in habit.lengths if len(prefix) + n >= shortest)
            yield _Form(region, prefix, whole)
            return


def _north_american_form(prefix: str) -> _Form:
    return _Form("US", prefix, frozenset({_NANP_DIGITS}), never="" if prefix else "01")


@dataclass(frozen=True, slots=True)
class _Habit:
    """How mobile numbers are dialled inside a country.

    Attributes:
        prefixes: what may come before them, the usual one first; possibly none.
        prefixed: whether people usually dial one.
        zero: whether the numbers themselves begin with a 0.
        lengths: how many digits they have.
    """

    prefixes: tuple[str, ...]
    prefixed: bool
    zero: bool
    lengths: frozenset[int]


@lru_cache(maxsize=512)
def _habit(region: str) -> _Habit:
    """Read off the country's example, as it is written there.

    So Belarus' prefix is 8, but 80 is dialled; Brazil has a 0 that nobody writes.
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
    return _Habit(
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
