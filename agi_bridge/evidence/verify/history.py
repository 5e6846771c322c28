"""The history of states of a consent, checked against the table of valid transitions.

Several bridges may write one consent's events, each into its own chain: one takes the agreement,
another sends what the first could not, a third takes the revocation. Within a chain the order is
known; between chains only clocks tell it. So such a history is valid if its parts can be
interleaved into one that the table allows.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Final

from agi_bridge.consent import FOLLOWS, State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

LETTERS: Final[Mapping[str, str]] = {
    state.value: chr(ord("a") + n) for n, state in enumerate(State)
}
"""A letter for each state: a history is a short text."""

_NAMES: Final = {letter: state for state, letter in LETTERS.items()}
_BEGIN: Final = ""
_VALID: Final = frozenset(
    (LETTERS[before] if before is not None else _BEGIN, LETTERS[after])
    for before, afters in FOLLOWS.items()
    for after in afters
)
"""The transitions that the table allows, as pairs of letters."""
_MAX_INTERLEAVINGS: Final = 100_000
"""Most interleavings that are tried; no real call comes near."""


def bad_step(history: str, letter: str) -> str | None:
    """What is wrong with a state after a history in the same chain; None if nothing is."""
    before = history[-1:]
    if (before, letter) in _VALID:
        return None
    return f"{_NAMES[letter]} may not follow {_NAMES.get(before, 'nothing')}"


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
        if at[n] < len(part) and (last, part[at[n]]) in _VALID:
            yield (*at[:n], at[n] + 1, *at[n + 1 :]), part[at[n]]
