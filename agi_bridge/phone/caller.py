"""What a trunk, a person or a file says: a number in any spelling, read without trust in it.

A caller ID is a claim. It counts the caller's agreements all the same, so one caller must have one
key however the number is spelt, and what is no number must not be a key for each spelling.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

import phonenumbers

from .characters import LONGEST_TEXT, compact, fold
from .number import InvalidNumber, PhoneNumber
from .numbering import e164, is_possible, parsed, type_of, value

UNKNOWN_CALLER: Final = "unknown"
"""The key of every caller who shows no number."""

_SCHEMES: Final = frozenset({"sip", "sips", "tel"})
_NANP_LENGTH: Final = 10


def caller_id(text: str | None, *, region: str) -> PhoneNumber | None:
    """The caller's number as the trunk gave it, or None if it is hidden, absent or no number.

    Read in every spelling that trunks are known for: national, E.164 with and without its `+`,
    behind an international prefix (`00`, `011`, the region's own), with a name and angle brackets,
    as a SIP or tel URI, with all that people write between digits.
    """
    if text is None:
        return None
    try:
        plain = compact(_address(text))
    except InvalidNumber:
        return None
    for number in _readings(plain, region):
        try:
            return value(number, type_of(number), (region,))
        except InvalidNumber:
            continue
    return None


def caller_key(text: str | None, *, region: str) -> str:
    """What a caller's agreements are counted under: one key for one caller, in any spelling.

    The number in E.164; or `UNKNOWN_CALLER`, for all who show none: no caller ID, `anonymous`, an
    extension, a SIP user's name, a number that is in no numbering plan. They share the one key
    because everything but a number is free to choose, and some trunks pass on what was chosen: a
    key of its own for each would be no limit.
    """
    number = caller_id(text, region=region)
    return UNKNOWN_CALLER if number is None else number.e164


def parse(text: str, *, region: str) -> str | None:
    """The number in E.164 that somebody names, to look it up or to revoke it; None if it is none.

    As `caller_id`; besides, a number with its country code needs no more than a length that
    numbers have there. What is on record was valid when it was keyed; the data may have changed.
    """
    number = caller_id(text, region=region)
    if number is not None:
        return number.e164
    try:
        plain = compact(_address(text))
        found = parsed(plain, region) if plain.startswith("+") else None
    except InvalidNumber:
        return None
    return e164(found) if found is not None and is_possible(found) else None


def same_number(a: str, b: str, *, region: str) -> bool:
    """Whether two texts name one DID: `+1415…`, `1415…`, `415…`, `(415) 123-4567` do.

    What is no telephone number in either form (an extension, a queue's name) is equal as text.
    """
    return canonical(a, region=region) == canonical(b, region=region)


@lru_cache(maxsize=1024)
def canonical(text: str, *, region: str) -> str:
    """E.164 if the text has the length of a telephone number, else the text, folded.

    Only the length is asked: a DID of an exchange newer than the numbering-plan data is a DID.
    Remembered, because the same few DIDs are asked about at every call.
    """
    try:
        plain = compact(text)
    except InvalidNumber:
        return fold(text)
    possible = (number for number in _readings(plain, region) if is_possible(number))
    return next((e164(number) for number in possible), fold(text))


def _address(text: str) -> str:
    """The number in a header's value: `"x" <sip:+1415…@host;user=phone>` as `+1415…`."""
    plain = text.strip()
    if len(plain) > LONGEST_TEXT:
        raise InvalidNumber("too_long")
    plain = fold(plain)
    if plain.endswith(">"):
        plain = plain[plain.rfind("<") + 1 : -1]
    scheme, colon, rest = plain.partition(":")
    if colon and scheme.strip().lower() in _SCHEMES:
        plain = unquote(rest.partition(";")[0])
    return plain.partition("@")[0].strip("\"' ")


def _readings(plain: str, region: str) -> Iterator[phonenumbers.PhoneNumber]:
    """What the digits may mean, the likeliest first.

    As the region dials them; then, for trunks that leave out the `+` of E.164 or write an
    international prefix instead, as a number with its country code.
    """
    digits = plain.removeprefix("+")
    texts = [plain]
    texts += [f"+{digits.removeprefix(p)}" for p in ("00", "011") if digits.startswith(p)]
    if len(digits) > _NANP_LENGTH and not digits.startswith("0"):
        texts.append(f"+{digits}")
    for text in dict.fromkeys(texts):
        try:
            yield parsed(text, region)
        except InvalidNumber:
            continue
