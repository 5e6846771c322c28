"""What the events of a call's timeline mean, and how they read.

An event is `(ms, kind, *details)`; `ms` is when it began, in milliseconds since the call started.
Calls record them through `observe.CallLogEntry.record`. This is the whole list:

    answered                            the bridge has answered the call
    language  code                      the caller's language was chosen
    returning                           the caller agreed in an earlier call and is not asked
    prompt    name, language, heard, length, how
                                        a recording was played: how much of it in milliseconds, and
                                        how it ended (`whole`, `key`, `early`, `hangup`, `missing`)
    digits    count                     single digits were said, as a number is read back
    key                                 a key was pressed; never which
    number    code                      a number was keyed: `valid`, or why not
    confirm   code                      how the question after it was answered
    agreed, declined                    how the dialogue ended
    stored, not_stored, withheld code   whether the ledger took the agreement
    asked                               the hook is asked from here on
    hook      outcome, status, reason, ms
                                        what it answered, and how long that took
    revoked, not_revoked  which         the caller pressed the key for no more texts
    text      language, how             a text was spoken (`spoken`, `unspoken`, `hangup`)
    dial      leg                       a leg rings: `forward` or `default`
    dialled   leg, status               how it ended: Asterisk's DIALSTATUS
    default   reason                    the caller goes to the line's default destination
    handed_over  action                 the dialplan goes on: `dial`, `default` or `fallback`
    hung_up                             the caller has hung up
    released  reason                    a stop of the bridge has let go of the call
    fault                               the bridge met a fault; the log has it
    omitted   count                     so many events are left out here

Events that this version does not know, written by a newer one, are shown by their words.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from agi_bridge.observe import Detail, Event

MAX_EVENTS: Final = 500
"""Events that are kept of a call: a stuck key or an endless dialogue has no end."""
_BEGAN: Final = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of the timeline for people: one event, or several keys that follow each other.

    Attributes:
        ms: when it began.
        kind: as in the list above.
        text: what happened.
        details: as in the list above; of keys, how many, and when the last one came.
    """

    ms: int
    kind: str
    text: str
    details: tuple[Detail, ...] = ()


def in_order(events: Iterable[Event]) -> list[Event]:
    """Return at most MAX_EVENTS by their time; one that lasts was recorded at its end."""
    found = sorted(events, key=_BEGAN)
    if (left_out := len(found) - MAX_EVENTS) > 0:  # how it began and how it ended are kept
        half = MAX_EVENTS // 2
        found[half:-half] = [(found[half][0], "omitted", left_out)]
    return found


def moments(events: Iterable[Event]) -> list[Moment]:
    """Return the timeline as people read it."""
    made: list[Moment] = []
    for ms, kind, *details in in_order(events):
        if kind != "key":
            made.append(Moment(ms, kind, _text(kind, details), tuple(details)))
            continue
        first, count = ms, 1
        if made and made[-1].kind == "key":
            before = made.pop()
            first, count = before.ms, int(before.details[0] or 0) + 1
        text = "a key" if count == 1 else f"{count} keys, the last at {ms / 1000:.1f} s"
        made.append(Moment(first, "key", text, (count, ms)))
    return made


def _text(kind: str, details: Sequence[Detail]) -> str:
    make = _TEXTS.get(kind)
    if make is not None:
        try:
            return make(*details)
        except (TypeError, ValueError):  # details of a newer version
            pass
    return " ".join([kind.replace("_", " "), *(str(each) for each in details if each is not None)])


def _prompt(name: str, language: str, heard: int, length: int, how: str) -> str:
    much = f"{heard / 1000:.1f} of {length / 1000:.1f} s"
    ending = {
        "whole": f"{length / 1000:.1f} s, to its end",
        "key": f"{much}, cut short by a key",
        "early": f"{much}: the PBX ended it early",
        "hangup": f"at most {much}, then the caller hung up",
        "missing": "not played: the PBX does not have it",
    }
    return f"{name} ({language}), {ending.get(how, how)}"


def _hook(outcome: str, status: int | None, reason: str, ms: int) -> str:
    answer = "no answer" if status is None else f"HTTP {status}"
    return f"{answer} after {ms} ms: {_words(outcome)}, {_words(reason)}"


def _words(code: object) -> str:
    return str(code).replace("_", " ")


_LEGS: Final[dict[str, str]] = {
    "forward": "the number of the hook",
    "default": "the default destination",
}
_SPOKEN: Final[dict[str, str]] = {
    "spoken": "spoken",
    "unspoken": "not spoken: no engine could",
    "hangup": "begun, then the caller hung up",
}
_TEXTS: Final[dict[str, Callable[..., str]]] = {
    "answered": lambda: "the bridge answers",
    "language": lambda code: f"the language is {code}",
    "returning": lambda: "agreed in an earlier call, and is not asked again",
    "prompt": _prompt,
    "digits": lambda count: f"{count} digits are said" if count > 1 else "a digit is said",
    "number": lambda code: (
        "a valid number" if code == "valid" else f"no usable number: {_words(code)}"
    ),
    "confirm": lambda code: f"the question is answered: {_words(code)}",
    "agreed": lambda: "the caller agrees",
    "declined": lambda: "no agreement",
    "stored": lambda: "the agreement is stored",
    "not_stored": lambda: "the ledger did not store the agreement; nothing is sent",
    "withheld": lambda code: f"the ledger does not take the agreement: {_words(code)}",
    "asked": lambda: "the hook is asked",
    "hook": _hook,
    "revoked": lambda which: f"texts are stopped for the number {_words(which)}",
    "not_revoked": lambda which: f"texts could not be stopped for the number {_words(which)}",
    "text": lambda language, how: f"a text ({language}) is {_SPOKEN.get(how, how)}",
    "dial": lambda leg: f"dials {_LEGS.get(leg, leg)}",
    "dialled": lambda leg, status: f"{_LEGS.get(leg, leg)}: {status}",
    "default": lambda reason: f"on to the default destination: {_words(reason)}",
    "handed_over": lambda action: f"the dialplan goes on: {action}",
    "hung_up": lambda: "the caller has hung up",
    "released": lambda reason: f"the bridge was stopped: {_words(reason)}",
    "omitted": lambda count: f"{count} more events",
    "fault": lambda: "a fault of the bridge; its log says which",
}
