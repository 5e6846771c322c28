"""The dialogue of a call in words, each derived from its entry; and how a caller agreed.

Nothing is derived from the name of an act: a consent says "heard read back, then 1 pressed" only if
its entries show that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent import Act, State, agreement_faults, is_unfinished
from agi_bridge.evidence.verify import AGREEMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agi_bridge.consent import Row

_RATE: Final = 8000  # samples a second in a telephone call
_ACTS: Final[Mapping[str, str]] = {
    "number_then_1": "number keyed, read back whole, question heard, then 1 pressed",
    "number": "number keyed after the disclosure",
}
_ENDED: Final[Mapping[str, str]] = {
    "full": "",
    "hash": ", ended with the hash key",
    "star": ", ended with the star key",
    "pause": ", ended by a pause",
    "silence": ": no key",
    "time": ", ended by the time limit",
}
_KEYS: Final = {"*": "star", "#": "hash"}


@dataclass(frozen=True, slots=True)
class DialogueLine:
    """One entry in words.

    Attributes:
        seconds: after the call's start.
        what: in words.
        text: the words that were spoken, if it is a recording whose text is there.
    """

    seconds: float
    what: str
    text: str | None = None


def dialogue_lines(rows: Iterable[Row], texts: Mapping[str, str]) -> tuple[DialogueLine, ...]:
    """The dialogue of a record's events, in order."""
    return tuple(
        DialogueLine(
            entry[1] / 1000, _words(entry), texts.get(entry[4]) if entry[0] == "play" else None
        )
        for row in rows
        for entry in row.fields.get("dialogue", ())
    )


def keys_pressed(rows: Iterable[Row]) -> tuple[tuple[str, str, str], ...]:
    """The keys that were not part of a number: prompt, time after the call's start, key."""
    return tuple(
        (entry[3], f"{entry[1] / 1000:.1f} s", _KEYS.get(entry[2], entry[2]))
        for row in rows
        for entry in row.fields.get("dialogue", ())
        if entry[0] == "key"
    )


def how_agreed(rows: Sequence[Row]) -> str:
    """How the caller agreed, as the entries show it; empty if the caller did not."""
    events = [(row.type, row.fields) for row in rows]
    for place, (kind, body) in enumerate(events):
        if kind == State.CONFIRMED:
            faults = agreement_faults(events[: place + 1])
            if not faults:
                return _ACTS[body["act"]] + _reply_words(events)
            return "not shown by the record: " + "; ".join(AGREEMENTS[each] for each in faults)
        if kind == State.RETURNED:
            return f"called from a number whose consent is on record: {body['consent']}"
    return ""


def _reply_words(events: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Whether a YES by text completed the agreement, where it is to."""
    if is_unfinished(events):
        return "; to be completed by a YES by text"
    replied = any(kind == Act.REPLIED for kind, _ in events)
    return "; completed by a YES by text" if replied else ""


def _words(entry: Sequence[Any]) -> str:
    kind = entry[0]
    if kind == "play":
        return f"“{entry[2]}” played {_extent(entry[6], entry[7])}, in {entry[3]}"
    if kind == "say":
        cut = "" if entry[3] else ", cut short"
        return f"{entry[2]} digits of the number said{cut}"
    if kind == "digits":
        return f"{entry[2]} digits keyed{_ENDED[entry[3]]}"
    where = f"{entry[4] / _RATE:.1f} s into" if entry[4] is not None else "after the end of"
    return f"key {_KEYS.get(entry[2], entry[2])} pressed, {where} “{entry[3]}”"


def _extent(samples: int, endpos: int) -> str:
    if endpos >= samples:
        return f"to its end ({samples / _RATE:.1f} s)"
    return f"up to {endpos / _RATE:.1f} of {samples / _RATE:.1f} s"
