"""The history of states of every consent, checked against the table of valid transitions.

Several bridges may write one consent's events, each into its own chain: one takes the agreement,
another sends what the first could not, a third takes the revocation. Within a chain the order is
known; between chains only clocks tell it. So such a history is valid if its parts can be
interleaved into one that the table allows.
"""

from __future__ import annotations

from itertools import combinations
from math import prod
from sys import intern
from typing import TYPE_CHECKING, Final

from agi_bridge.consent import FOLLOWS, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from agi_bridge.evidence.verify.report import Findings

_LETTER: Final[Mapping[State, str]] = {state: chr(ord("a") + n) for n, state in enumerate(State)}
_BEGIN: Final = ""
_VALID: Final = frozenset(
    (_LETTER[before] if before is not None else _BEGIN, _LETTER[after])
    for before, afters in FOLLOWS.items()
    for after in afters
)
"""The transitions that the table allows, as pairs of letters."""
_MAX_INTERLEAVINGS: Final = 100_000
"""Most interleavings that are tried; no real call comes near."""


class StateHistories:
    """The states of each consent, one letter each; takes about 200 bytes a consent."""

    __slots__ = ("_broken", "_chains", "_unknown_before")

    def __init__(self, *, unknown_before: bool) -> None:
        """`unknown_before`: earlier events are left out, so a history may start in any state."""
        self._unknown_before = unknown_before
        self._chains: dict[str, dict[str, str]] = {}
        self._broken: list[tuple[str, int, str, str]] = []

    def add(self, ledger_id: str, seq: int, consent_id: str, state: State) -> None:
        """Add the next state of a consent in one chain."""
        chain = self._chains.setdefault(ledger_id, {})
        history = chain.get(consent_id, _BEGIN)
        letter = _LETTER[state]
        if (history[-1:], letter) not in _VALID and (history or not self._unknown_before):
            before = next((kind for kind in State if _LETTER[kind] == history[-1:]), "nothing")
            self._broken.append((ledger_id, seq, consent_id, f"{state} may not follow {before}"))
        chain[consent_id] = intern(history + letter)

    def finish(self, findings: Findings) -> None:
        """Note the histories that are not valid, once all states are added."""
        shared = self._shared()
        for ledger_id, seq, consent_id, what in self._broken:
            if consent_id not in shared:
                findings.add("integrity", "illegal_transition", what, ledger_id, seq)
        for consent_id in sorted(shared):
            parts = {
                ledger_id: chain[consent_id]
                for ledger_id, chain in self._chains.items()
                if consent_id in chain
            }
            if not self._valid(tuple(parts.values())):
                what = f"{len(parts)} chains contradict each other about the consent {consent_id}"
                findings.add("integrity", "conflicting_histories", what, next(iter(parts)))

    def _shared(self) -> set[str]:
        """The consents with events in several chains."""
        pairs = combinations(self._chains.values(), 2)
        return {consent_id for one, other in pairs for consent_id in one.keys() & other.keys()}

    def _valid(self, parts: tuple[str, ...]) -> bool:
        begins = {_BEGIN, *_LETTER.values()} if self._unknown_before else {_BEGIN}
        return prod(map(len, parts)) < _MAX_INTERLEAVINGS and _can_interleave(parts, begins)


def _can_interleave(parts: tuple[str, ...], begins: Iterable[str]) -> bool:
    """Whether the parts, each in its own order, can be interleaved into a valid history."""
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
