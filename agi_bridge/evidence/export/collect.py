"""Takes records out of the ledger for an export, and the parts of the chains that prove them."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from agi_bridge.consent import START, Act, State
from agi_bridge.evidence.export.case import dossier
from agi_bridge.evidence.export.fold_stretches import stretches

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agi_bridge.consent import Row
    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.consent.signing import Checkpoint
    from agi_bridge.evidence.export.case import Dossier
    from agi_bridge.evidence.export.writer import Files

_PAGE: Final = 2000
"""Events read at once."""


class Gathering:
    """One export. What comes into the ledger after it began is left out.

    Args:
        ledger: where the records lie.
        files: where they go.
        everything: show every event of every chain, also those of no consent.
    """

    def __init__(self, ledger: Ledger, files: Files, *, everything: bool) -> None:
        self._ledger = ledger
        self._files = files
        self._everything = everything
        self._heads: dict[str, int] = {}
        self._shown: dict[str, set[int]] = {}

    async def gather(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Write the records of these ids, and those that they rest on; returns the ids of all."""
        self._heads = {chain.ledger_id: chain.seq for chain in await self._ledger.chains()}
        self._shown = {
            ledger_id: set(range(1, head + 1)) if self._everything else set()
            for ledger_id, head in self._heads.items()
        }
        done: dict[str, None] = {}
        told: set[str] = set()
        waiting = deque(ids)
        while waiting:
            each = waiting.popleft()
            if each in done or each in told:
                continue
            done[each] = None
            for row in (await self._record(each)).related:
                if row.type == Act.REVOCATION:
                    told.add(row.consent_id)  # stands in the story of what it revoked
                elif row.type == State.DISCLOSED:
                    waiting.append(row.consent_id)  # the consent that a returning caller had given
        await self._write_chains(await self._ledger.checkpoints())
        return tuple(done)

    async def _record(self, consent_id: str) -> Dossier:
        whole = await dossier(self._ledger, consent_id)
        record = replace(
            whole,
            rows=tuple(filter(self._is_in, whole.rows)),
            related=tuple(filter(self._is_in, whole.related)),
        )
        for row in (*record.rows, *record.related):
            self._shown[row.ledger_id].add(row.seq)
        sound = record.audio_sha256
        if sound is not None and not self._files.has_sound(sound):
            wav = await self._ledger.audio(sound)
            if wav is not None:
                self._files.sound(sound, wav)
        self._files.record(record)
        return record

    def _is_in(self, row: Row) -> bool:
        return row.seq <= self._heads.get(row.ledger_id, 0)

    async def _write_chains(self, checkpoints: Sequence[Checkpoint]) -> None:
        for ledger_id, head in self._heads.items():
            signed = {each.seq: each for each in checkpoints if each.ledger_id == ledger_id}
            shown = self._shown[ledger_id]
            for part in stretches(ledger_id, shown, signed.keys(), head):
                before = signed.get(part.after)
                self._files.start(ledger_id, part.after, before.hash if before else START.hex())
                for first in range(part.after + 1, part.last + 1, _PAGE):
                    last = min(first + _PAGE - 1, part.last)
                    for row in await self._ledger.rows(ledger_id, first=first, last=last):
                        self._files.event(row, shown=row.seq in shown)
                for seq in sorted(signed):
                    if part.after <= seq <= part.last:
                        self._files.checkpoint(signed[seq])
