"""Collects cases from the ledger for an export, with the ranges of the chains that prove them.

A chain may hold millions of other people's events. An event is proved by the events from the signed
hash before it to the signed hash after it, so ranges without a shown event are left out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from agi_bridge.consent import START, Act, State
from agi_bridge.evidence.export.case import read_case

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from agi_bridge.consent import Row
    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.consent.signing import Checkpoint
    from agi_bridge.evidence.export.case import Case
    from agi_bridge.evidence.export.writer import ExportWriter

_PAGE: Final = 2000
"""Events read at once."""


@dataclass(frozen=True, slots=True)
class EventRange:
    """The events `after + 1` to `last` of one chain. The hash after event `after` is signed."""

    ledger_id: str
    after: int
    """The event before the range; 0 if the range starts with the chain."""
    last: int


def ranges(
    ledger_id: str, shown: Iterable[int], signed: Collection[int], head: int
) -> list[EventRange]:
    """The ranges of a chain that prove the events `shown`, in order.

    Args:
        ledger_id: the chain.
        shown: numbers of events.
        signed: numbers of the events that checkpoints are of.
        head: the chain's last event. A range that no checkpoint follows ends there.
    """
    bounds = sorted({0, *(seq for seq in signed if seq < head), head})
    found: list[EventRange] = []
    for seq in sorted(set(shown)):
        if found and seq <= found[-1].last:
            continue
        place = bisect_left(bounds, seq)
        before, last = bounds[place - 1], bounds[place]
        if found and found[-1].last == before:
            found[-1] = EventRange(ledger_id, found[-1].after, last)
        else:
            found.append(EventRange(ledger_id, before, last))
    return found


class Collector:
    """Collects one export. Events that are stored after it began are left out.

    Args:
        ledger: the ledger.
        writer: where the cases and ranges are written.
        everything: show every event of every chain, also those of no consent.
    """

    def __init__(self, ledger: Ledger, writer: ExportWriter, *, everything: bool) -> None:
        self._ledger = ledger
        self._writer = writer
        self._everything = everything
        self._heads: dict[str, int] = {}
        self._shown: dict[str, set[int]] = {}

    async def collect(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Write these cases and the consents that they rest on; returns the ids of all."""
        self._heads = {chain.ledger_id: chain.seq for chain in await self._ledger.chains()}
        self._shown = {
            ledger_id: set(range(1, head + 1)) if self._everything else set()
            for ledger_id, head in self._heads.items()
        }
        done: dict[str, None] = {}
        included: set[str] = set()
        waiting = deque(ids)
        while waiting:
            each = waiting.popleft()
            if each in done or each in included:
                continue
            done[each] = None
            for row in (await self._write_case(each)).related:
                if row.type == Act.REVOCATION:
                    included.add(row.consent_id)  # part of the case that it revoked
                elif row.type == State.DISCLOSED:
                    waiting.append(row.consent_id)  # the earlier consent of a returning caller
        await self._write_chains(await self._ledger.checkpoints())
        return tuple(done)

    async def _write_case(self, consent_id: str) -> Case:
        whole = await read_case(self._ledger, consent_id)
        case = replace(
            whole,
            rows=tuple(filter(self._is_included, whole.rows)),
            related=tuple(filter(self._is_included, whole.related)),
        )
        for row in (*case.rows, *case.related):
            self._shown[row.ledger_id].add(row.seq)
        recording = case.audio_sha256
        if recording is not None and not self._writer.has_recording(recording):
            wav = await self._ledger.audio(recording)
            if wav is not None:
                self._writer.recording(recording, wav)
        self._writer.case(case)
        return case

    def _is_included(self, row: Row) -> bool:
        return row.seq <= self._heads.get(row.ledger_id, 0)

    async def _write_chains(self, checkpoints: Sequence[Checkpoint]) -> None:
        for ledger_id, head in self._heads.items():
            signed = {each.seq: each for each in checkpoints if each.ledger_id == ledger_id}
            shown = self._shown[ledger_id]
            for each in ranges(ledger_id, shown, signed.keys(), head):
                before = signed.get(each.after)
                self._writer.start_range(
                    ledger_id, each.after, before.hash if before else START.hex()
                )
                for first in range(each.after + 1, each.last + 1, _PAGE):
                    last = min(first + _PAGE - 1, each.last)
                    for row in await self._ledger.rows(ledger_id, first=first, last=last):
                        self._writer.event(row, shown=row.seq in shown)
                for seq in sorted(signed):
                    if each.after <= seq <= each.last:
                        self._writer.checkpoint(signed[seq])
