"""Checks of single values in the body of an event: texts, numbers, times, zones, languages. Pure.

It knows no event and no field; `event_schema` says which field holds what.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Final, TypeAlias
from zoneinfo import available_timezones

Check: TypeAlias = Callable[[object], bool]
"""Whether a value may stand in a field."""


def moment(pattern: str) -> Check:
    """A time that exists: `24:00`, a leap second and the 31st of June are not read alike by all."""
    is_written_so = matches(pattern)

    def check(value: object) -> bool:
        if not isinstance(value, str) or not is_written_so(value):
            return False
        try:
            datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            return False
        return True

    return check


def matches(pattern: str) -> Check:
    """A text that the whole pattern matches; letters and digits are ASCII's."""
    match = re.compile(pattern, re.ASCII).fullmatch
    return lambda value: isinstance(value, str) and match(value) is not None


def one_of(*allowed: str | int | None) -> Check:
    """One of these values, of the same type: 1 is not True."""
    kinds = frozenset((type(each), each) for each in allowed)
    return lambda value: (type(value), value) in kinds if _is_plain(value) else False


def _is_plain(value: object) -> bool:
    return value is None or type(value) in {str, int, bool}


def or_null(check: Check) -> Check:
    """Null, or what another check allows."""
    return lambda value: value is None or check(value)


def text(most: int, least: int = 0) -> Check:
    """A text of so many characters."""
    return lambda value: isinstance(value, str) and least <= len(value) <= most


def whole(least: int, most: int = 2**53) -> Check:
    """A whole number within these limits, which every reader of JSON reads exactly."""
    return lambda value: type(value) is int and least <= value <= most


def is_bool(value: object) -> bool:
    """True or false."""
    return type(value) is bool


def is_true(value: object) -> bool:
    """True alone: a field that is left out where it would be false."""
    return value is True


def is_zone(value: object) -> bool:
    """The name of a time zone in the IANA database."""
    return isinstance(value, str) and value in _zones()


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def is_language(value: object) -> bool:
    """A BCP 47 tag whose language exists: two letters of ISO 639-1, or three."""
    if not isinstance(value, str) or _TAG(value) is None:
        return False
    language = value.partition("-")[0]
    return len(language) != len("en") or language in _LANGUAGES


def list_of(*checks: Check) -> Check:
    """A list of exactly so many values, each with its check."""
    return lambda value: (
        type(value) is list
        and len(value) == len(checks)
        and all(check(each) for check, each in zip(checks, value, strict=True))
    )


_TAG: Final = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}", re.ASCII).fullmatch
_TWO_LETTERS: Final = {
    "a": "abefkmnrsvyz",
    "b": "aeghimnors",
    "c": "aehorsuvy",
    "d": "aevz",
    "e": "elnostu",
    "f": "afijory",
    "g": "adlnuv",
    "h": "aeiortuyz",
    "i": "adegikostu",
    "j": "av",
    "k": "agijklmnorsuvwy",
    "l": "abginotuv",
    "m": "ghiklnrsty",
    "n": "abdeglnorvy",
    "o": "cjmrs",
    "p": "ailst",
    "q": "u",
    "r": "mnouw",
    "s": "acdeghiklmnoqrstuvw",
    "t": "aeghiklnorstwy",
    "u": "gkrz",
    "v": "eio",
    "w": "ao",
    "x": "h",
    "y": "io",
    "z": "ahu",
}
"""The second letters by the first."""
_LANGUAGES: Final = frozenset(
    one + other for one, others in _TWO_LETTERS.items() for other in others
)
"""ISO 639-1."""

HEX64: Final = matches("[0-9a-f]{64}")
HEX32: Final = matches("[0-9a-f]{32}")
UUID: Final = matches("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
is_record_id: Final = UUID
"""Whether a value may be the id of a record."""
_CLOCK: Final = r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
TIME: Final = moment(_CLOCK + r"\.\d{3}Z")
"""RFC 3339 in UTC with milliseconds."""
ANY_TIME: Final = moment(_CLOCK + r"(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)")
