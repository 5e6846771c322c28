"""The rules of agreement: what a consent's events must contain for its act to count. Pure.

The name of an act proves nothing. So a consent with the act `number_then_1` is one whose dialogue
shows, in this order: the disclosure, played to its end; the digits of a number; all of them read
back; the question, played for a second at least; and the key 1, answering it. With the act `number`
it is one whose dialogue shows the disclosure, then the digits, and no key after them.

`agreement_faults` finds what is missing. Words that are shown to people are derived the same way,
from the entries.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent.dialogue import EARLY_SAMPLES, READ_BACK
from agi_bridge.consent.states import Act, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

YOU_ENTERED: Final = "you-entered"
"""The recording that begins a read-back."""
QUESTION: Final = "confirm-number"
"""The recording that asks for the agreement."""
YES: Final = "1"
CHANGE: Final = "2"
STAR: Final = "*"
MOST_CHARACTERS_A_SECOND: Final = 40
"""Nobody can follow speech that is faster; a recording that is shorter does not say its text."""
_RATE: Final = 8000
_STAR_PLACES: Final = {"key": 2, "digits": 3}
"""Where an entry of a kind says that `*` was pressed: the key, and how digits ended."""
_COMPLETING: Final = frozenset({State.CONFIRMED.value, Act.REPLIED.value})


def agreement_faults(events: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """What keeps a confirmed consent from being one; stable codes, none if it is one.

    Args:
        events: type and body of the record's events up to `confirmed`, in their order; each body
            is valid by `event_schema`.

    The codes: `no_disclosure` (not played to its end, or another one than the event names),
    `dialogue_disordered`, `language_differs`, `no_number` (no digits after the disclosure, or
    another count than the event names), `not_read_back`, `not_asked`, `no_key`, `key_after_number`,
    `entry_ended` (an earlier key had declined, changed the number or made the entry wrong).
    """
    disclosed = next((body for kind, body in events if kind == State.DISCLOSED), None)
    entered = next((body for kind, body in reversed(events) if kind == State.ENTERED), None)
    confirmed = next((body for kind, body in events if kind == State.CONFIRMED), None)
    if disclosed is None or confirmed is None:
        return ["no_disclosure"]
    entries = [entry for _, body in events for entry in body.get("dialogue", ())]
    faults = []
    if any(earlier[1] > later[1] for earlier, later in pairwise(entries)):
        faults.append("dialogue_disordered")
    heard = _disclosure_place(entries, disclosed)
    if heard is None:
        return [*faults, "no_disclosure"]
    since = entries[heard + 1 :]
    if any(entry[0] == "play" and entry[3] != disclosed["lang"] for entry in since):
        faults.append("language_differs")
    if any(map(_is_star, since)):
        faults.append("entry_ended")
    keyed = max((n for n, entry in enumerate(since) if entry[0] == "digits"), default=None)
    if entered is None or keyed is None or since[keyed][2] != entered["key_count"]:
        return [*faults, "no_number"]
    rest = since[keyed + 1 :]
    if confirmed["act"] == "number":
        return [*faults, *(["key_after_number"] if any(e[0] == "key" for e in rest) else ())]
    return [*faults, *_answer_faults(rest, entered["key_count"])]


def read_back_and_asked(entries: Iterable[Sequence[Any]], digits: int) -> tuple[bool, bool]:
    """Whether a number was read back whole, and whether the question was then asked.

    Args:
        entries: those between the number and the answer.
        digits: how many the number has.
    """
    read_back = asked = False
    spoken = -1  # not within a read-back
    for entry in entries:
        if entry[0] == "play" and entry[2] == YOU_ENTERED:
            spoken = 0 if _is_whole(entry) else -1
        elif entry[0] == "say" and spoken >= 0:
            spoken = spoken + entry[2] if entry[3] else -1
            read_back = read_back or spoken == digits
        elif entry[0] == "play" and entry[2] == QUESTION:
            asked = asked or (read_back and (_is_whole(entry) or entry[7] >= EARLY_SAMPLES))
    return read_back, asked


def is_unfinished(events: Iterable[tuple[str, Mapping[str, Any]]]) -> bool:
    """Whether a consent still waits for the YES by text that completes it.

    Args:
        events: type and body of the record's events.
    """
    told = {kind: body for kind, body in events if kind in _COMPLETING}
    agreed = told.get(State.CONFIRMED)
    return agreed is not None and "confirm_by_reply" in agreed and Act.REPLIED not in told


def says_its_text(text: str, samples: int) -> bool:
    """Whether a recording is long enough for what it is said to say."""
    return len(text) * _RATE <= samples * MOST_CHARACTERS_A_SECOND


def _disclosure_place(entries: Sequence[Sequence[Any]], disclosed: Mapping[str, Any]) -> int | None:
    """Where in the dialogue the disclosure was played as its event says, to its end."""
    wanted = [
        disclosed["prompt"],
        disclosed["lang"],
        disclosed["disclosure_sha256"],
        disclosed["audio_sha256"],
        disclosed["samples"],
        disclosed["endpos"],
    ]
    if not disclosed["complete"] or not 0 < disclosed["samples"] <= disclosed["endpos"]:
        return None
    return next(
        (n for n, entry in enumerate(entries) if entry[0] == "play" and entry[2:] == wanted), None
    )


def _answer_faults(rest: Sequence[Sequence[Any]], digits: int) -> list[str]:
    """What is missing between the last digits and the agreement, with the act `number_then_1`."""
    if not rest or rest[-1][0] != "key" or rest[-1][2] != YES:
        return ["no_key"]
    *before, (_, _, _, playing, endpos) = rest
    read_back, asked = read_back_and_asked(before, digits)
    if not read_back:
        return ["not_read_back"]
    if not asked:
        return ["not_asked"]
    if any(entry[0] == "key" and not _leaves_open(entry) for entry in before):
        return ["entry_ended"]
    if playing == QUESTION:
        return [] if endpos is None or endpos >= EARLY_SAMPLES else ["not_asked"]
    # Into a repetition of the read-back, by a caller who has heard the whole question before.
    heard_out = any(e[0] == "play" and e[2] == QUESTION and _is_whole(e) for e in before)
    return [] if heard_out and playing in {YOU_ENTERED, READ_BACK} else ["not_asked"]


def _is_star(entry: Sequence[Any]) -> bool:
    """Whether an entry is a `*`, which declines wherever it is pressed."""
    kind: str = entry[0]
    said: str | None = entry[_STAR_PLACES[kind]] if kind in _STAR_PLACES else None
    return said in {STAR, "star"}


def _leaves_open(key: Sequence[Any]) -> bool:
    """Whether the question is asked again after a key, for the same number.

    One in the question's first second may have been meant for what came before it, and a digit
    that is no answer says nothing. A digit within the read-back makes the entry wrong.
    """
    _, _, pressed, playing, endpos = key
    is_early = endpos is not None and endpos < EARLY_SAMPLES
    return bool(playing == QUESTION and (is_early or pressed not in {YES, CHANGE}))


def _is_whole(play: Sequence[Any]) -> bool:
    """Whether a recording was played to its end."""
    samples: int = play[6]
    endpos: int = play[7]
    return endpos >= samples
