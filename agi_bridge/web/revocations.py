"""`POST /v1/revocations`: records the revocation of a number, reported by a token's holder.

    {"number": "+14155550123", "brand": "Example Store", "received": "2026-11-23T08:00:00Z"}

Answered with 201, or with 200 if the same request was answered before (`Idempotency-Key`).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from agi_bridge import phone
from agi_bridge.consent import Revocation
from agi_bridge.web.errors import ProblemResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.settings import Line, RevocationReach

FIELDS: Final = ("number", "brand", "line", "received", "channel", "words", "passed_on")
"""What the JSON object may hold; all but `number` may be left out."""

MAX_KEY: Final = 200
MAX_WORDS: Final = 2000

_CHANNEL: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


def read_revocation(
    values: Mapping[str, Any], key: str | None, lines: Mapping[str, Line], now: datetime
) -> Revocation:
    """Return the request to revoke that a JSON object and an `Idempotency-Key` make.

    Args:
        values: the object.
        key: the header, None if there is none.
        lines: by name; they say which brands there are.
        now: with its zone.

    Raises:
        ProblemResponse: 422, naming the field.
    """
    for field in values:
        if field not in FIELDS:
            fix = f"use {', '.join(FIELDS)}"
            raise ProblemResponse(422, "unknown_field", shown(field), "is not a field", fix)
    line = read_line(values.get("line"), lines)
    brand = read_brand(values.get("brand"), lines)
    if line is not None and brand is not None:
        fix = "send one of them, or neither"
        raise ProblemResponse(422, "brand_and_line", "brand", "conflicts with line", fix)
    reach = _reach(line, brand)
    number = read_number(values.get("number"), line or next(iter(lines.values())))
    channel = values.get("channel")
    if channel is not None and not (isinstance(channel, str) and _CHANNEL.fullmatch(channel)):
        fix = 'write one word of a-z, 0-9, - and _, like "email", or omit it'
        raise ProblemResponse(422, "invalid_channel", "channel", "is not a word", fix)
    passed_on = values.get("passed_on")
    if passed_on is not None and not isinstance(passed_on, bool):
        fix = "write true if the texting platform knows of it already, or omit it"
        raise ProblemResponse(422, "invalid_passed_on", "passed_on", "is not true or false", fix)
    return Revocation(
        number=number,
        **reach,
        channel="http",
        actor="api" if channel is None else f"api:{channel}",
        reference=_reference(key),
        words=_words(values.get("words")),
        received=_received(values.get("received"), now),
        passed_on=bool(passed_on),
    )


def read_number(value: object, line: Line) -> str:
    """The number of a request in E.164, read in the country of a line; 422 if it is none."""
    if value is None:
        fix = 'write it in E.164, like "+14155550199"'
        raise ProblemResponse(422, "missing_number", "number", "is missing", fix)
    number = phone.parse(value, region=line.regions[0]) if isinstance(value, str) else None
    if number is None:
        fix = 'write it in E.164, like "+14155550199", in quotes'
        raise ProblemResponse(422, "invalid_number", "number", "is not a phone number", fix)
    return number


def read_line(value: object, lines: Mapping[str, Line]) -> Line | None:
    """The line that a request names, None if it names none; 422 if there is no such line."""
    if value is None:
        return None
    if not isinstance(value, str) or value not in lines:
        fix = f"use one of {', '.join(lines)}, or omit it"
        raise ProblemResponse(422, "unknown_line", "line", "is not a line of this bridge", fix)
    return lines[value]


def read_brand(value: object, lines: Mapping[str, Line]) -> str | None:
    """The brand that a request names, None if it names none.

    An unknown one is refused (422): its revocation would have no effect, and nobody consents to it.
    """
    if value is None:
        return None
    brands = {line.brand.casefold(): line.brand for line in lines.values()}
    if not isinstance(value, str) or value.strip().casefold() not in brands:
        fix = f"use one of {', '.join(sorted(brands.values()))}, or omit it for every brand"
        raise ProblemResponse(422, "unknown_brand", "brand", "is not a brand of this bridge", fix)
    return brands[value.strip().casefold()]


def _received(value: object, now: datetime) -> str | None:
    if value is None:
        return None
    fix = 'write the time of the request with its zone, like "2026-11-23T08:00:00Z"'
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        problem = "is not a time in RFC 3339 form"
        raise ProblemResponse(422, "invalid_time", "received", problem, fix)
    try:
        moment = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        problem = "is not an existing time"
        raise ProblemResponse(422, "impossible_time", "received", problem, fix) from None
    if moment > now + _CLOCKS_DIFFER:
        raise ProblemResponse(422, "future_time", "received", "is in the future", fix)
    return rfc_3339(moment)


def _words(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_WORDS:
        fix = f"write at most {MAX_WORDS} characters in quotes, or omit it"
        raise ProblemResponse(422, "invalid_words", "words", "is not a text of that length", fix)
    return clean(value)


def _reference(key: str | None) -> str | None:
    """Return what identifies a repeated request, or None without a key.

    The ledger adds the number and the scope, so that all numbers are revoked if a client uses one
    key for several. Without a key every request counts: a customer may consent and revoke again.
    """
    if key is None:
        return None
    if not key or len(key) > MAX_KEY or not key.isprintable():
        fix = f"send 1 to {MAX_KEY} characters, like a UUID"
        problem = "is empty, too long or not printable"
        raise ProblemResponse(422, "invalid_key", "Idempotency-Key", problem, fix)
    return key


def _reach(line: Line | None, brand: str | None) -> RevocationReach:
    """Return how far a revocation reaches: what was named, or everything."""
    if line is not None:
        return line.revocation_reach()
    if brand is not None:
        return {"scope": "brand", "brand": brand, "seller": None}
    return {"scope": "all", "brand": None, "seller": None}


def rfc_3339(moment: datetime) -> str:
    """Format a time in UTC with milliseconds, as the ledger does."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clean(text: str) -> str:
    r"""Return a text that UTF-8 can encode: JSON's `\ud800` alone is not a character."""
    return text.encode("utf-8", "replace").decode()


def shown(field: str) -> str:
    """Return a field's name if it cannot contain a phone number."""
    return field if re.fullmatch(r"[A-Za-z_]{1,40}", field) else "(a field)"
