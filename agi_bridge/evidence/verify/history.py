"""The history of states of a consent, checked against the table of valid transitions.

Several bridges may write one consent's events, each into its own chain: one takes the agreement,
another sends what the first could not, a third takes the revocation. Within a chain the order is
known; between chains only clocks tell it. So such a history is valid if its parts can be
interleaved into one that the table allows.

One transition is not in the table: to an idempotent receiver, a submission may follow an unknown
outcome if the submission before was to one too. A repetition does not end as `not_sent`: the first
request may have arrived.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Final

from agi_bridge.consent import FOLLOWS, OUTCOMES, State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

LETTERS: Final[Mapping[str, str]] = {
    state.value: chr(ord("a") + n) for n, state in enumerate(State)
}
"""A letter for each state: a history is a short text."""

IDEMPOTENT: Final = "I"
"""A submission to an idempotent receiver."""
_UNKNOWN_THERE: Final = "U"
"""An unknown outcome of such a submission: no event's letter, but a state that is reached."""
_REPEATED: Final = "R"
"""The submission that repeats it."""

_NAMES: Final = {letter: state for state, letter in LETTERS.items()} | {
    IDEMPOTENT: State.SUBMITTING,
    _UNKNOWN_THERE: State.UNKNOWN,
    _REPEATED: State.SUBMITTING,
}
_BEGIN: Final = ""


def _reached() -> Iterator[tuple[tuple[str, str], str]]:
    """The state that each valid step reaches, by the state before and the event's letter."""
    unknown = LETTERS[State.UNKNOWN]
    for before, afters in FOLLOWS.items():
        for after in afters:
            one = _BEGIN if before is None else LETTERS[before]
            other = LETTERS[after]
            yield (one, other), other
            if after is State.SUBMITTING:
                yield (one, IDEMPOTENT), IDEMPOTENT
            if before is State.SUBMITTING:
                ends = _UNKNOWN_THERE if other == unknown else other
                yield (IDEMPOTENT, other), ends
                if after is not State.NOT_SENT:
                    yield (_REPEATED, other), ends
            if before is State.UNKNOWN:
                yield (_UNKNOWN_THERE, other), other
    yield (_UNKNOWN_THERE, IDEMPOTENT), _REPEATED


_STEPS: Final = dict(_reached())
_MAX_INTERLEAVINGS: Final = 100_000
"""Most interleavings that are tried; no real call comes near."""


def bad_step(history: str, letter: str) -> str | None:
    """What is wrong with a state after a history in the same chain; None if nothing is."""
    state = _BEGIN
    for each in history:
        state = _STEPS.get((state, each), each)  # what is wrong before was found before
    if (state, letter) in _STEPS:
        return None
    return f"{_NAMES[letter]} may not follow {_NAMES.get(state, 'nothing')}"


def is_under_way(parts: Collection[str]) -> bool:
    """Whether a submission has no outcome among the states of a consent."""
    submissions = _count(parts, LETTERS[State.SUBMITTING], IDEMPOTENT)
    return submissions > _count(parts, *(LETTERS[each] for each in OUTCOMES))


def was_unknown(parts: Collection[str]) -> bool:
    """Whether the outcome of a submission was unknown at some time."""
    return _count(parts, LETTERS[State.UNKNOWN]) > 0


def has_more_outcomes(parts: Collection[str], settled: Collection[str]) -> bool:
    """Whether more submissions ended than were made.

    Args:
        parts: a consent's histories.
        settled: the outcomes that arrived after the consent was revoked, or had been unknown.
    """
    submissions = _count(parts, LETTERS[State.SUBMITTING], IDEMPOTENT)
    told = _count(parts, *(LETTERS[each] for each in OUTCOMES - {State.UNKNOWN}))
    late = sum(outcome != State.UNKNOWN for outcome in settled)
    return told + late > submissions or (bool(settled) and not submissions)


def _count(parts: Collection[str], *letters: str) -> int:
    return sum(part.count(letter) for part in parts for letter in letters)


def can_interleave(parts: Collection[str]) -> bool:
    """Whether a consent's histories in several chains can be one valid history."""
    given = tuple(parts)
    return prod(map(len, given)) < _MAX_INTERLEAVINGS and _interleaved(given, {_BEGIN})


def _interleaved(parts: tuple[str, ...], begins: Iterable[str]) -> bool:
    # The rest depends only on the place reached in each part and on the letter before.
    reached = {((0,) * len(parts), begin) for begin in begins}
    for _ in range(sum(map(len, parts))):
        reached = {after for before in reached for after in _steps(parts, *before)}
    return bool(reached)


def _steps(
    parts: tuple[str, ...], at: tuple[int, ...], last: str
) -> Iterator[tuple[tuple[int, ...], str]]:
    for n, part in enumerate(parts):
        reached = _STEPS.get((last, part[at[n]])) if at[n] < len(part) else None
        if reached is not None:
            yield (*at[:n], at[n] + 1, *at[n + 1 :]), reached
