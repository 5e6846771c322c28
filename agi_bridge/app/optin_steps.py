"""The steps from a call to a text in plain words, as one line's settings define them.

The steps describe `call.consent_dialogue`: change both together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agi_bridge.call import SendingHours
from agi_bridge.settings import DialDefault, DialplanDefault, HangupDefault, SayDefault
from agi_bridge.speech import menu_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.settings import Day, Line
    from agi_bridge.speech import Library


_WEEKDAYS: Final = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what happens, and the prompts that the caller hears, if any."""

    text: str
    says: tuple[str, ...] = ()


def steps(line: Line, library: Library) -> tuple[Step, ...]:
    """Describe what happens from the call to the text.

    Raises:
        MissingPrompt: a prompt of the line is not recorded in one of its languages.
    """
    return tuple(_steps(line, library))


def limits(line: Line) -> tuple[str, ...]:
    """Describe the line's limits on agreements, one sentence each; no limit: empty."""
    return tuple(
        f"{count} {what}"
        for count, what in (
            (line.limits.number_per_day, "per mobile number in 24 hours"),
            (line.limits.caller_id_per_day, "per caller ID in 24 hours"),
            (
                line.limits.unidentified_per_day,
                "in 24 hours by callers without a caller ID, together",
            ),
            (line.limits.line_per_hour, "on the whole line in one hour"),
        )
        if count
    )


def prompt_without_text(line: Line) -> str:
    """Return the name of the last prompt for a caller who declines.

    The prompt `declined` ends with "Connecting you". A line whose default destination connects
    nobody plays its own announcement or a goodbye instead.
    """
    match line.default:
        case DialDefault() | DialplanDefault():
            return "declined"
        case SayDefault() as default:
            return default.prompt
        case HangupDefault():
            return "goodbye"


def _steps(line: Line, library: Library) -> Iterator[Step]:
    def says(name: str) -> str:
        return library.prompt(name, line.languages[0]).text

    consent = line.consent
    yield Step(f"A person calls {line.brand}. The call is answered by an automated voice.")
    if consent.returning == "skip":
        yield Step(
            "If the caller’s own number has a consent for this brand, purpose and wording on "
            f"record that was not revoked{_age(consent.consent_days)}, the caller is told so and "
            f"may press {consent.opt_out_key} to get no more texts, or star to go on without one. "
            "Otherwise the text is sent under that consent, and the steps below are skipped.",
            (says("returning"), f"{says('opt-out-offer')} {consent.opt_out_key}."),
        )
    if len(line.languages) > 1:
        menu = [library.prompt("language-menu-item", each).text for each in line.languages]
        keys = " or ".join(filter(None, map(menu_key, menu)))
        yield Step(
            f"The caller chooses a language by pressing {keys}. Without a choice the menu is "
            "repeated once; then the first language is used.",
            tuple(menu),
        )
    if consent.opt_out_key:
        key = consent.opt_out_key
        yield Step(
            f"Pressing {key} now withdraws an earlier consent: for the number that the caller is "
            "calling from, or for one that the caller keys and confirms. No text is then sent.",
            (f"{says('opt-out-offer')} {key}.",),
        )
    yield Step(
        "The disclosure above is played to the end. Only star interrupts it, and star declines. "
        "No number can be keyed before the disclosure has ended."
    )
    tries = _times(consent.entry_tries, "try", "tries")
    meaning = (
        "Keying a number is not yet consent."
        if consent.act == "number_then_1"
        else "Keying the number after the disclosure is the agreement."
    )
    yield Step(
        f"The caller keys a mobile number ({', '.join(line.regions)}), with {tries} at most. A "
        f"number that cannot receive texts is refused. {meaning}",
        (says("enter-number"),),
    )
    if consent.act == "number_then_1":
        yield Step(
            "The number is read back digit by digit. A digit keyed before the question makes the "
            "entry invalid, and the number is asked for again. Once the question has begun, the "
            "caller presses 1 to agree, 2 to change the number, or star to decline. "
            "The question is asked "
            f"{_times(consent.confirm_tries, 'time', 'times')} at most; silence is never consent.",
            (f"{says('you-entered')} [the number]. {says('confirm-number')}",),
        )
    yield from _after(line, says("accepted"), says(prompt_without_text(line)))


def _age(days: int) -> str:
    """How old a consent may be to be relied on; 0 is any age."""
    return f" and is at most {days} days old" if days else ""


def _after(line: Line, accepted: str, without_text: str) -> Iterator[Step]:
    yield Step(
        "The agreement is stored before anything is sent: time, number called, exact wording and "
        "recording played, keys pressed, and the number, in a tamper-evident record. Then one "
        "text is requested.",
        (accepted,),
    )
    if line.consent.confirm_by_reply:
        yield Step(
            "The text asks for a YES. Only with that answer, within seven days, is the agreement "
            "complete; without it nothing more is sent under it."
        )
    yield Step(
        "In every other case (star, silence, a hang-up, too many tries, an earlier revocation, a "
        f"limit reached) no text is sent. {_without_text(line)}",
        (without_text,),
    )
    if line.is_strict:
        yield Step(f"Outside {_hours(line)}.")


def _hours(line: Line) -> str:
    """The hours outside which a line does not text, by weekday where the days differ."""
    sending = SendingHours.of(line)
    days = [_day(day) for day in sending.own]
    named = [f"{name} {day}" for name, day in zip(_WEEKDAYS, days, strict=True)]
    hours = days[0] if len({*days}) == 1 else ", ".join(named)
    said = f"{hours} at the number’s location no text is sent"
    if not sending.advertises:
        return said
    return f"{said}, nor where the law of that place sets narrower hours"


def _day(day: Day) -> str:
    if day is None:
        return "closed"
    opens, closes = day
    return "all day" if opens == closes else f"{opens:%H:%M} to {closes:%H:%M}"


def _without_text(line: Line) -> str:
    """Say where a caller goes who gets no text: the line's default destination."""
    match line.default:
        case DialDefault():
            return "The caller is connected to the business either way."
        case DialplanDefault():
            return "The call continues either way."
        case SayDefault():
            return "An announcement is played, and the call ends."
        case HangupDefault():
            return "The call then ends."


def _times(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
