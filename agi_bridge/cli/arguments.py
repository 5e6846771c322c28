"""What is given on the command line, read: numbers, days, and words that are kept for ever."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from agi_bridge import phone
from agi_bridge.cli.errors import UsageError
from agi_bridge.consent import NotOnRecord, timestamp

if TYPE_CHECKING:
    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.settings import Settings

_LONG_NUMBER: Final = re.compile(r"(?:[0-9][ ().\-]{0,2}){6,}[0-9]")
_WORDS: Final = 500
_OF_AN_ID: Final = frozenset("0123456789abcdef-")
_FEWEST_DIGITS: Final = 4
_SHOWN: Final = 3
"""How many of the ids that begin alike are shown."""


def number(settings: Settings, text: str) -> str:
    """A phone number in E.164; without a country code it is read as the first line's country does.

    Raises:
        UsageError: it is none.
    """
    region = next((line.regions[0] for line in settings.lines.values()), "US")
    found = phone.parse(text, region=region)
    if found is None:
        raise UsageError("--number: not a phone number; write it like +14155550123")
    return found


async def record(ledger: Ledger, text: str) -> str:
    """The id of a record, given whole or by its first characters if they are no other's.

    Raises:
        NotOnRecord: no record's id begins so.
        UsageError: several do; the text shows some.
    """
    prefix = text.strip().lower()
    if len(prefix) < _FEWEST_DIGITS:
        raise UsageError(f"{text}: give an id, or at least its first {_FEWEST_DIGITS} digits")
    is_one = set(prefix) <= _OF_AN_ID
    found = await ledger.ids_with_prefix(prefix, _SHOWN + 1) if is_one else []
    if not found:
        raise NotOnRecord(f"{text}: no such record")
    if len(found) > 1:
        more = " and more" if len(found) > _SHOWN else ""
        raise UsageError(
            f"{text}: several records begin so, give more of it: {', '.join(found[:_SHOWN])}{more}"
        )
    return found[0]


def moment(option: str, text: str, *, end: bool = False) -> str:
    """A day (`2026-11-23`, in UTC) or a moment with its zone, as the ledger writes time.

    A day is its first moment, or with `end` the first one after it.

    Raises:
        UsageError: it is neither.
    """
    try:
        found = datetime.fromisoformat(text)
        if "T" not in text.upper() and " " not in text:
            found = found.replace(tzinfo=UTC) + timedelta(days=end)
    except (ValueError, OverflowError):
        raise _no_moment(option) from None
    if found.tzinfo is None:
        raise _no_moment(option)
    since = found - datetime(1970, 1, 1, tzinfo=UTC)
    return timestamp((since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000)


def day(option: str, text: str) -> str:
    """A day, `2026-11-23`.

    Raises:
        UsageError: it is none.
    """
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise UsageError(f"{option}: write a day, 2026-11-23") from None


def words(option: str, text: str) -> str:
    """Words for an event, which can never be erased: so no number may stand in them.

    Raises:
        UsageError: they are empty, too long, of several lines, or hold a number.
    """
    kept = text.strip()
    if not kept or len(kept) > _WORDS or not kept.isprintable():
        raise UsageError(f"{option}: write one line of 1 to {_WORDS} characters")
    if _LONG_NUMBER.search(phone.fold(kept)):
        raise UsageError(f"{option}: leave the number out; these words can never be erased")
    return kept


def _no_moment(option: str) -> UsageError:
    return UsageError(f"{option}: write a day, 2026-11-23, or a moment, 2026-11-23T08:00:00Z")
