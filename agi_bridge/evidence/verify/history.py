"""The story of every consent, checked against the table of states.

Several bridges may write one consent's events, each into its own chain: one takes the agreement,
another sends what the first could not, a third takes the revocation. Each chain tells its part in
order; nothing but clocks tells the order between chains. So such a story is lawful if its parts can
be interleaved to one that the table allows.
"""

from __future__ import annotations

from itertools import combinations
from math import prod
from sys import intern
from typing import TYPE_CHECKING, Final

from agi_bridge.consent import FOLLOWS, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from agi_bridge.evidence.verify.verdict import Faults

_LETTER: Final[Mapping[State, str]] = {state: chr(ord("a") + n) for n, state in enumerate(State)}
_BEGIN: Final = ""
_LAWFUL: Final = frozenset(
    (_LETTER[before] if before is not None else _BEGIN, _LETTER[after])
    for before, afters in FOLLOWS.items()
    for after in afters
)
"""The steps that the table allows, in letters."""
_MAX_WAYS: Final = 100_000
"""Where parts can be interleaved in more ways than this, nobody's call was so long."""


class StateHistories:
    """What happened to each consent: one letter for each state, in some 200 bytes a consent."""

    __slots__ = ("_broken", "_chains", "_unknown_before")

    def __init__(self, *, unknown_before: bool) -> None:
        """`unknown_before`: events were left out at the start; a story may begin in its middle."""
        self._unknown_before = unknown_before
        self._chains: dict[str, dict[str, str]] = {}
        self._broken: list[tuple[str, int, str, str]] = []

    def add(self, ledger_id: str, seq: int, consent_id: str, state: State) -> None:
        """Go on with a consent in one chain."""
        chain = self._chains.setdefault(ledger_id, {})
        story = chain.get(consent_id, _BEGIN)
        letter = _LETTER[state]
        if (story[-1:], letter) not in _LAWFUL and (story or not self._unknown_before):
            before = next((kind for kind in State if _LETTER[kind] == story[-1:]), "nothing")
            self._broken.append((ledger_id, seq, consent_id, f"{state} may not follow {before}"))
        chain[consent_id] = intern(story + letter)

    def judge(self, faults: Faults) -> None:
        """Note the stories that are not lawful, once all are told."""
        shared = self._shared()
        for ledger_id, seq, consent_id, what in self._broken:
            if consent_id not in shared:
                faults.add(ledger_id, seq, what)
        for consent_id in sorted(shared):
            parts = {
                ledger_id: chain[consent_id]
                for ledger_id, chain in self._chains.items()
                if consent_id in chain
            }
            if not self._lawful(tuple(parts.values())):
                what = f"what {len(parts)} chains tell of the consent {consent_id} does not fit"
                faults.add(next(iter(parts)), None, what)

    def _shared(self) -> set[str]:
        """The consents that several chains tell of."""
        pairs = combinations(self._chains.values(), 2)
        return {consent_id for one, other in pairs for consent_id in one.keys() & other.keys()}

    def _lawful(self, parts: tuple[str, ...]) -> bool:
        begins = {_BEGIN, *_LETTER.values()} if self._unknown_before else {_BEGIN}
        return prod(map(len, parts)) < _MAX_WAYS and _can_interleave(parts, begins)


def _can_interleave(parts: tuple[str, ...], begins: Iterable[str]) -> bool:
    """Whether some order of all letters, each part's in its own, is a lawful story."""
    # How far into each part, and the letter before: that is all that the rest depends on.
    reached = {((0,) * len(parts), begin) for begin in begins}
    for _ in range(sum(map(len, parts))):
        reached = {after for before in reached for after in _steps(parts, *before)}
    return bool(reached)


def _steps(
    parts: tuple[str, ...], at: tuple[int, ...], last: str
) -> Iterator[tuple[tuple[int, ...], str]]:
    for n, part in enumerate(parts):
        if at[n] < len(part) and (last, part[at[n]]) in _LAWFUL:
            yield (*at[:n], at[n] + 1, *at[n + 1 :]), part[at[n]]
