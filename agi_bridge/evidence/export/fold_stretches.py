"""Which parts of a chain an export needs: from checkpoint to checkpoint, round what it shows. Pure.

A chain may hold millions of other people's events. What proves an event is the way from the signed
hash before it to the signed hash after it; parts without a shown event are left out.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


@dataclass(frozen=True, slots=True)
class Stretch:
    """Events `after + 1` to `last` of one chain; the hash after event `after` is signed, or 0."""

    ledger_id: str
    after: int
    last: int


def stretches(
    ledger_id: str, shown: Iterable[int], signed: Collection[int], head: int
) -> list[Stretch]:
    """The parts of a chain that prove the events `shown`.

    Args:
        ledger_id: the chain.
        shown: numbers of events.
        signed: numbers of the events that checkpoints are of.
        head: the chain's last event; what no checkpoint follows ends there.
    """
    marks = sorted({0, *(seq for seq in signed if seq < head), head})
    found: list[Stretch] = []
    for seq in sorted(set(shown)):
        if found and seq <= found[-1].last:
            continue
        place = bisect_left(marks, seq)
        before, last = marks[place - 1], marks[place]
        if found and found[-1].last == before:
            found[-1] = Stretch(ledger_id, found[-1].after, last)
        else:
            found.append(Stretch(ledger_id, before, last))
    return found
