"""Reads numbers in any spelling: caller IDs from trunks, numbers from people and files.

A caller ID is not authenticated, but the limits on agreements count by it. So one caller must have
one key in every spelling, and texts that are not numbers must not each get a key.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

import phonenumbers

from .characters import LONGEST_TEXT, compact, fold
from .number import InvalidNumber, PhoneNumber
from .numbering import e164, is_possible, parsed, type_of, value

UNKNOWN_CALLER: Final = "unknown"
"""The key of all callers without a number."""

_SCHEMES: Final = frozenset({"sip", "sips", "tel"})
_NANP_LENGTH: Final = 10
_BARE: Final = re.compile(r"\+?[0-9]{2,20}")
"""A number as nearly all trunks send it: `compact(_address(…))` would leave it as it is."""


def caller_id(text: str | None, *, region: str) -> PhoneNumber | None:
    """Return the caller's number from the trunk, or None if it is hidden, missing or invalid.

    Accepts every spelling that trunks use: national, E.164 with and without `+`, with an
    international prefix (`00`, `011`, the region's own), with a name and angle brackets, as a SIP
    or tel URI, and with the usual punctuation between digits.
    """
    if text is None:
        return None
    try:
        plain = text if _BARE.fullmatch(text) else compact(_address(text))
    except InvalidNumber:
        return None
    for number in _readings(plain, region):
        try:
            return value(number, type_of(number), (region,))
        except InvalidNumber:
            continue
    return None


def caller_key(text: str | None, *, region: str) -> str:
    """Return the key by which a caller's agreements are counted, the same in every spelling.

    The key is the number in E.164. Callers without a valid number (no caller ID, `anonymous`, an
    extension, a SIP user name, a number in no numbering plan) share the key `UNKNOWN_CALLER`.
    Callers can choose such texts freely, and some trunks pass them on: separate keys would let
    them bypass the limits.
    """
    number = caller_id(text, region=region)
    return UNKNOWN_CALLER if number is None else number.e164


def parse(text: str, *, region: str) -> str | None:
    """Return a number given for a query or a revocation in E.164; None if it is not a number.

    Like `caller_id`, but a number with its country code needs only a possible length. A number on
    record was valid when it was keyed; the numbering-plan data may have changed since.
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
    """Return whether two texts name the same DID, as `+1415…`, `1415…` and `(415) 123-4567` do.

    Texts that are not telephone numbers (an extension, a queue name) are compared as texts.
    """
    return canonical(a, region=region) == canonical(b, region=region)


@lru_cache(maxsize=1024)
def canonical(text: str, *, region: str) -> str:
    """Return E.164 if the text has the length of a telephone number, else the folded text.

    Only the length is checked: a DID may be in an exchange newer than the numbering-plan data.
    Cached, because every call asks for the same few DIDs.
    """
    try:
        plain = compact(text)
    except InvalidNumber:
        return fold(text)
    possible = (number for number in _readings(plain, region) if is_possible(number))
    return next((e164(number) for number in possible), fold(text))


def _address(text: str) -> str:
    """Return the number of a header value: `+1415…` for `"x" <sip:+1415…@host;user=phone>`."""
    plain = text.strip()
    if len(plain) > LONGEST_TEXT:
        raise InvalidNumber("too_long")
    plain = fold(plain)
    if plain.endswith(">"):
        plain = plain[plain.rfind("<") + 1 : -1]
    scheme, colon, rest = plain.partition(":")
    if colon and scheme.strip().lower() in _SCHEMES:
        plain = rest
    # Drop parameters (`;ext=3`, `;npdi=yes`), the host, and a port after the number.
    plain = unquote(plain.partition(";")[0]).partition("@")[0].partition(":")[0]
    return plain.strip("\"' ")


def _readings(plain: str, region: str) -> Iterator[phonenumbers.PhoneNumber]:
    """Yield the possible meanings of the digits, most likely first.

    First as dialled in the region. Then as a number with a country code, for trunks that omit the
    `+` of E.164 or write an international prefix instead.
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
