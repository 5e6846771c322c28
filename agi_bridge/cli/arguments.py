"""Parses command-line values: phone numbers, record ids, dates, and texts that are never erased."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from agi_bridge import phone
from agi_bridge.cli.common import UsageError
from agi_bridge.consent import Filter, NotOnRecord, timestamp

if TYPE_CHECKING:
    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.settings import Settings

_MAX_TEXT: Final = 500
_ID_CHARACTERS: Final = frozenset("0123456789abcdef-")
_MIN_PREFIX: Final = 4
_SHOWN: Final = 3
"""How many matching ids an error names."""


def phone_number(settings: Settings, text: str) -> str:
    """A phone number in E.164. Without a country code, the first line's country is assumed.

    Raises:
        UsageError: the text is not a phone number.
    """
    region = next((line.regions[0] for line in settings.lines.values()), "US")
    found = phone.parse(text, region=region)
    if found is None:
        raise UsageError("--number: not a phone number; write it like +14155550123")
    return found


async def record_id(ledger: Ledger, text: str) -> str:
    """The id of a record, from the whole id or from a prefix that is unique.

    Raises:
        NotOnRecord: no id starts with the text.
        UsageError: the text is too short, or several ids start with it.
    """
    prefix = text.strip().lower()
    if len(prefix) < _MIN_PREFIX:
        raise UsageError(f"{text}: give an id, or at least its first {_MIN_PREFIX} digits")
    could_match = set(prefix) <= _ID_CHARACTERS
    found = await ledger.ids_with_prefix(prefix, _SHOWN + 1) if could_match else []
    if not found:
        raise NotOnRecord(f"{text}: no such record")
    if len(found) > 1:
        more = " and more" if len(found) > _SHOWN else ""
        raise UsageError(
            f"{text}: several records start with this, give more digits: "
            f"{', '.join(found[:_SHOWN])}{more}"
        )
    return found[0]


async def record_ids(
    settings: Settings, ledger: Ledger, number: str | None, consent: str | None
) -> list[str]:
    """The ids of the records that a number or an id names, newest first.

    Raises:
        NotOnRecord: there is none.
        UsageError: the number or the id is not valid.
    """
    if consent is not None:
        return [await record_id(ledger, consent)]
    wanted = Filter(number=phone_number(settings, number or ""), limit=None)
    found = await ledger.summaries(wanted)
    if not found:
        raise NotOnRecord("--number: nothing is on record")
    return [summary.consent_id for summary in found]


def utc_timestamp(option: str, text: str, *, end: bool = False) -> str:
    """A date (`2026-11-23`, in UTC) or a time with its zone, as a timestamp of the ledger.

    A date stands for its start, or with `end` for the start of the next day.

    Raises:
        UsageError: the text is neither.
    """
    try:
        found = datetime.fromisoformat(text)
        if "T" not in text.upper() and " " not in text:
            found = found.replace(tzinfo=UTC) + timedelta(days=end)
    except (ValueError, OverflowError):
        raise _not_a_time(option) from None
    if found.tzinfo is None:
        raise _not_a_time(option)
    since = found - datetime(1970, 1, 1, tzinfo=UTC)
    return timestamp((since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000)


def iso_date(option: str, text: str) -> str:
    """A date, like `2026-11-23`.

    Raises:
        UsageError: the text is not a date.
    """
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise UsageError(f"{option}: write a date, like 2026-11-23") from None


def permanent_text(option: str, text: str) -> str:
    """A text for an event. Events are never erased, so it must not contain a number.

    Raises:
        UsageError: it is empty, too long, has several lines, or contains a number.
    """
    kept = text.strip()
    if not kept or len(kept) > _MAX_TEXT or not kept.isprintable():
        raise UsageError(f"{option}: write one line of 1 to {_MAX_TEXT} characters")
    if phone.may_hold_number(kept):
        raise UsageError(f"{option}: leave the number out; this text can never be erased")
    return kept


def _not_a_time(option: str) -> UsageError:
    return UsageError(
        f"{option}: write a date, like 2026-11-23, or a time, like 2026-11-23T08:00:00Z"
    )
