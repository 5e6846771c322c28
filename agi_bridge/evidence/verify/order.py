"""What was before what: by chains and checkpoints, which prove it, else by clocks, which do not.

A checkpoint is signed while its chain stands still, and names the heads of the others. So what it
covers of any of them was stored before what follows it in its own chain, and what it covers of its
own chain before what follows those heads. No clock is needed for that, and none can be set to undo
it. It proves what speaks against its signer; heads that were left out or are old prove nothing in
his favour. What is not separated by a checkpoint is compared by clocks: if these say that an order
was wrong, times contradict each other. If one of the clocks was set around then, they say nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime
from enum import IntEnum
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SKEW_MS: Final = 2_000
"""How far times of one clock may run back."""
BETWEEN_CLOCKS_MS: Final = 300_000
"""By how much the clocks of bridges on one database may differ."""


class Before(IntEnum):
    """Whether something was before something else, by how it is known; the surest is highest."""

    NO = 0
    DOUBTED = 1
    """Clocks say so, of which one was set around then."""
    DATED = 2
    """Clocks say so."""
    PROVEN = 3
    """The chain says so, or a checkpoint."""


class Orders:
    """Tells the order of events.

    Args:
        cuts: the places in two chains at the time of each checkpoint of either.
        was_set: whether an event, by chain and number, was dated by a clock that was set around
            then.
    """

    def __init__(
        self,
        cuts: Callable[[str, str], Iterable[tuple[int, int]]],
        was_set: Callable[[str, int], bool],
    ) -> None:
        self._cuts = cuts
        self._was_set = was_set
        self._lowest: dict[tuple[str, str], tuple[list[int], list[int]]] = {}

    def was_before(self, one: Sequence[Any], other: Sequence[Any]) -> Before:
        """Whether an event was written before another; no if one of them is not there.

        Args:
            one: an event's chain, number, type, and when it was written.
            other: the same of the other event.
        """
        if not one or not other:
            return Before.NO
        if one[0] == other[0]:
            return Before.PROVEN if one[1] < other[1] else Before.NO
        if self._is_proven(one, other):
            return Before.PROVEN
        # A checkpoint that says the opposite acquits nobody of what clocks say: what was not there
        # yet is its signer's word.
        if milliseconds(one[3]) + BETWEEN_CLOCKS_MS >= milliseconds(other[3]):
            return Before.NO
        return self.dated(one, other)

    def dated(self, *events: Sequence[Any]) -> Before:
        """How much the times of some events, by chain and number, are worth."""
        is_doubted = any(self._was_set(each[0], each[1]) for each in events if each)
        return Before.DOUBTED if is_doubted else Before.DATED

    def _is_proven(self, one: Sequence[Any], other: Sequence[Any]) -> bool:
        """Whether at some checkpoint the one was there and the other was not."""
        key = one[0], other[0]
        if key not in self._lowest:
            cuts = sorted(self._cuts(*key))
            lowest = list(accumulate((head for _, head in reversed(cuts)), min))[::-1]
            self._lowest[key] = [seq for seq, _ in cuts], lowest
        there, lowest = self._lowest[key]
        first = bisect_left(there, one[1])
        return first < len(lowest) and bool(lowest[first] < other[1])


def milliseconds(at: str) -> int:
    """A timestamp of the ledger, in milliseconds since the epoch; 0 if there is no such time."""
    try:
        return round(datetime.fromisoformat(at).astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
