"""The tables under a line: dialogue, limits, quiet hours and promises.

`[lines.NAME.consent]`, `.limits`, `.hours` and `.workflow`.
"""

from datetime import time
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import Field, ValidationInfo, field_validator

from .sections import Section
from .types import ClockTime, Count, DayHours, LongText, Seconds, invalid

WHOLE = 100
"""All of it, in percent."""

DAY_CLOSES = time(20)
"""When a line's day ends at the earliest, if nothing says so."""

Weekday: TypeAlias = Literal[
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
Day: TypeAlias = tuple[time, time] | None
"""The first minute of a day and the first that is too late; None: not at all."""
Week: TypeAlias = tuple[Day, Day, Day, Day, Day, Day, Day]
"""From Monday to Sunday."""

Share = Annotated[Count, Field(ge=1, le=WHOLE)]
"""A part in percent."""


class ConsentSettings(Section):
    """`[lines.NAME.consent]`: how the caller is asked. Each wait has its own limit."""

    act: Literal["number_then_1", "number"] = "number_then_1"
    """What counts as consent: the number and then 1, or keying the number alone."""

    first_digit_seconds: Annotated[Seconds, Field(gt=0, le=120)] = 10.0
    """Wait for the first digit: people look their number up."""

    between_digits_seconds: Annotated[Seconds, Field(gt=0, le=60)] = 4.0
    """Wait between digits: a pause this long ends the entry."""

    entry_seconds: Annotated[Seconds, Field(gt=0, le=300)] = 45.0
    """Longest whole entry: a caller who keys forever holds a channel."""

    confirm_seconds: Annotated[Seconds, Field(gt=0, le=120)] = 8.0
    """Wait for 1, 2 or star after the read-back."""

    entry_tries: Annotated[Count, Field(ge=1, le=10)] = 3
    """How often a number may be keyed before the call goes on without a text."""

    confirm_tries: Annotated[Count, Field(ge=1, le=10)] = 2
    """How often the confirmation is asked before the call goes on without a text."""

    language_seconds: Annotated[Seconds, Field(gt=0, le=60)] = 6.0
    """Wait for a choice in the language menu; after one repeat the first language is taken."""

    confirm_by_reply: bool = False
    """A consent is complete only when a YES comes back by text; the first text has to ask for it
    (`workflow.sample`). For texts that advertise: their disclosure has to be in writing."""

    returning: Literal["ask", "skip"] = "ask"
    """A caller whose consent (same brand, same purpose) is on record: ask, or go to the hook."""

    consent_days: Annotated[Count, Field(ge=0, le=36_525)] = 365
    """How old a consent on record may be to go to the hook; 0: any age."""

    caller_id_trust: Literal["A", "B", "any"] = "A"
    """STIR/SHAKEN level that a caller ID needs to lift a revocation, or to stand for a consent."""

    opt_out_key: Annotated[str, Field(validate_default=True)] = ""
    """The digit that revokes, offered before the disclosure, or to a returning caller, and no
    later; empty: none."""

    quiet_hours: Literal["retry", "strict"] | None = None
    """Outside the line's hours: only repeated submissions wait, or nobody is texted at all.

    Not set: strict where texts advertise."""

    @field_validator("entry_seconds")
    @classmethod
    def _holds_an_entry(cls, value: float, info: ValidationInfo) -> float:
        waits = ("first_digit_seconds", "between_digits_seconds")
        if any(value < info.data.get(name, value) for name in waits):
            raise invalid(
                "is shorter than the wait for a digit",
                "make it at least first_digit_seconds and between_digits_seconds",
                "too_small",
            )
        return value

    @field_validator("opt_out_key")
    @classmethod
    def _digit(cls, value: str, info: ValidationInfo) -> str:
        if value == "*":
            raise invalid("is the key that declines", _KEY_FIX, "reserved")
        if value and (len(value) != 1 or value not in "0123456789"):
            raise invalid("is not a digit", _KEY_FIX)
        if not value and info.data.get("returning") == "skip":
            raise invalid(
                'is empty, but returning = "skip" offers it to callers who are not asked again',
                'set a digit, like "9"',
                "missing",
            )
        return value


class LimitSettings(Section):
    """`[lines.NAME.limits]`: anyone can key a stranger's number, so each is texted only so often.

    Over a limit the call goes to its default destination without a text; 0 means no limit. The
    shares are percentages of `line_per_hour`: none of these kinds of callers can use it up alone.
    """

    number_per_day: Annotated[Count, Field(ge=0, le=1_000_000)] = 3
    """Agreements for one number on this line in 24 hours."""

    caller_id_per_day: Annotated[Count, Field(ge=0, le=1_000_000)] = 5
    """Agreements by one caller ID in 24 hours."""

    unidentified_per_day: Annotated[Count, Field(ge=0, le=1_000_000)] = 20
    """Agreements in 24 hours by all callers on this line together who show no caller ID."""

    line_per_hour: Annotated[Count, Field(ge=0, le=1_000_000)] = 60
    """Agreements on this line in an hour."""

    unidentified_share: Share = 20
    """Part of the hour, in percent, for callers without a caller ID."""

    other_number_share: Share = 50
    """Part for callers who key another number than the one they show, or show none."""

    own_number_share: Share = 90
    """Part for callers who key the number that they show; caller IDs can be forged, too."""

    @field_validator("other_number_share")
    @classmethod
    def _holds_the_unidentified(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("unidentified_share", value):
            raise invalid(
                "is less than limits.unidentified_share",
                "make it at least limits.unidentified_share, whose callers it includes",
                "too_small",
            )
        return value

    @field_validator("own_number_share")
    @classmethod
    def _fills_the_hour(cls, value: int, info: ValidationInfo) -> int:
        if value + info.data.get("other_number_share", WHOLE) < WHOLE:
            raise invalid(
                "leaves part of limits.line_per_hour unused",
                "make it at least 100 minus limits.other_number_share, or lower line_per_hour",
                "too_small",
            )
        return value


class HoursSettings(Section):
    """`[lines.NAME.hours]`: when a text that could not be sent at once may still be sent.

    At the place of the number, all of its possible places. A caller who is on the line asked for
    the text, so the call itself sends at any hour (unless `quiet_hours` is strict). The law narrows
    the hours of a line whose texts advertise (`call.legal_hours`).
    """

    opens: ClockTime = time(8)
    """The first minute of the day."""

    closes: Annotated[ClockTime | None, Field(validate_default=True)] = None
    """The minute at which it ends; the same as `opens`: the whole day. Not set: 20:00, or 21:00
    where texts advertise, as far as the law of the number's place lets it."""

    days: dict[Weekday, DayHours] = {}  # noqa: RUF012 - pydantic copies it
    """The hours of single weekdays, like `09:00-18:00`, or `closed`."""

    def week(self, closes: time | None = None) -> Week:
        """Return the hours from Monday to Sunday; `closes` is when a day ends if nothing says so.

        Each is the first minute and the first that is too late (the same twice: the whole day), or
        None for a day without any.
        """
        every = (self.opens, self.closes or closes or DAY_CLOSES)
        monday, tuesday, wednesday, thursday, friday, saturday, sunday = (
            _day(self.days.get(name), every) for name in WEEKDAYS
        )
        return monday, tuesday, wednesday, thursday, friday, saturday, sunday

    @field_validator("closes")
    @classmethod
    def _later(cls, value: time | None, info: ValidationInfo) -> time | None:
        opens = info.data.get("opens")
        if opens is not None and (value or DAY_CLOSES) < opens:
            raise invalid(
                "is before hours.opens",
                "make it later on the same day, or equal to hours.opens for the whole day",
                "too_small",
            )
        return value


def _day(named: str | None, every: tuple[time, time]) -> tuple[time, time] | None:
    """The hours of a weekday, as it names them or as every day has them."""
    if named is None:
        return every
    opens, _, closes = named.partition("-")
    return (time.fromisoformat(opens), time.fromisoformat(closes)) if closes else None


class WorkflowSettings(Section):
    """`[lines.NAME.workflow]`: the texts on the opt-in page that carriers ask for.

    The platform sends the texts, not the bridge: say here what it sends. `{brand}` and
    `{policy_url}` stand for the line's own; `Line.filled` puts them in.
    """

    sample: LongText = (
        "{brand}: Thank you for calling. Reply here to continue by text. Message frequency varies."
        " Message and data rates may apply. Reply HELP for help, STOP to stop."
    )
    """The first text that somebody who agreed gets."""

    help: LongText = "{brand}: For help, reply to this text or call us. Reply STOP to stop."
    """The answer to HELP."""

    stop: LongText = "{brand}: You are unsubscribed and will get no more texts from us."
    """The answer to STOP."""

    frequency: LongText = "Message frequency varies with the conversation."
    """How often texts come."""

    @field_validator("sample", "help", "stop", "frequency")
    @classmethod
    def _placeholders(cls, value: str) -> str:
        rest = value
        for place in PLACES:
            rest = rest.replace(place, "")
        if "{" in rest or "}" in rest:
            raise invalid(
                "contains an unknown placeholder",
                f"use only {' and '.join(PLACES)}",
                "placeholder",
            )
        return value


PLACES = ("{brand}", "{policy_url}")
"""What the texts of the opt-in page may leave to the line."""

_KEY_FIX = 'write one digit, like "9", or "" for none'
