"""Collects records from the ledger for an export, with the parts of the chains that prove them.

An export proves that no event of its persons and records is hidden. So it has the whole of every
chain from the checkpoint before its first event: other people's events as their tags and a hash. A
chain starts no later than the place that the other chains' checkpoints give it there, for one
bridge's consent may be revoked on another. And it has all records of a number: a hidden one would
be known by its tag.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from agi_bridge.consent import START, Act, BadStamp, reading, tag
from agi_bridge.consent.signing import Stamp
from agi_bridge.evidence.export.case import KINDS, named_others, named_recordings, named_texts
from agi_bridge.evidence.verify import Start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence

    from agi_bridge.consent import Row
    from agi_bridge.consent.ledger import Records
    from agi_bridge.consent.signing import Checkpoint
    from agi_bridge.evidence.export.writer import ExportWriter

PAGE: Final = 2000
"""Events read at once."""
_OF_CHAINS: Final = frozenset({Act.OPENED.value, Act.CLOCK.value, Act.WITNESSED.value})
"""Events about no record. They are shown, for without them times cannot be judged."""
_STEPS_BACK: Final = 3
"""How many checkpoints before the first event a witness is looked for: an authority may be slow."""


class Collector:
    """Collects one export. Events that are stored after it began are left out.

    Args:
        ledger: the ledger.
        writer: where records and chains are written.
        everything: show every event of every chain.
        progress: is told how many events are read, and of how many.
    """

    def __init__(
        self,
        ledger: Records,
        writer: ExportWriter,
        *,
        everything: bool,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._writer = writer
        self._everything = everything
        self._progress = progress or (lambda _done, _of: None)
        self._heads: dict[str, int] = {}
        self._signed: dict[str, dict[int, Checkpoint]] = {}
        self._named: set[tuple[str, bool]] = set()

    async def collect(self, ids: Iterable[str]) -> int:
        """Write these records and everything that belongs to them; returns how many records.

        Raises:
            RecordDamaged: what is stored was changed, and cannot be written.
        """
        with reading("the export"):
            return await self._collect(ids)

    async def _collect(self, ids: Iterable[str]) -> int:
        self._heads = {chain.ledger_id: chain.seq for chain in await self._ledger.chains()}
        for checkpoint in await self._ledger.checkpoints():
            if checkpoint.seq <= self._heads.get(checkpoint.ledger_id, 0):
                self._signed.setdefault(checkpoint.ledger_id, {})[checkpoint.seq] = checkpoint
        if self._everything:
            starts = dict.fromkeys(self._heads, 0)
            records = await self._write_all(starts)
        else:
            shown = await self._closure(set(ids))
            starts = self._starts(await self._firsts(shown))
            records = await self._write_some(starts, shown)
        await self._write_signatures(starts)
        return records

    # Everything

    async def _write_all(self, starts: Mapping[str, int]) -> int:
        records, done, total = 0, 0, sum(self._heads.values())
        for ledger_id in sorted(starts):
            self._start(ledger_id, 0)
            async for rows in self._pages(ledger_id, 0):
                for row in rows:
                    self._writer.event(row)
                    records += row.type in KINDS
                    await self._contents(row)
                done += len(rows)
                self._progress(done, total)
        after = ""
        while page := await self._ledger.stored_values(after=after):
            self._writer.values((each.record, each.values) for each in page if each.values)
            after = page[-1].record
        return records

    # Some records

    async def _closure(self, ids: set[str]) -> dict[str, dict[int, Row]]:
        """The events to show: of these records, of all of the same numbers, and what they name."""
        known: set[str] = set()
        numbers: set[str] = set()
        salts: set[bytes] = set()
        values: dict[str, Mapping[str, str]] = {}
        shown: dict[str, dict[int, Row]] = {ledger_id: {} for ledger_id in self._heads}
        while new := ids - known:
            known |= new
            for row in await self._ledger.rows_of_all(new):
                if row.seq <= self._heads.get(row.ledger_id, 0):
                    shown[row.ledger_id][row.seq] = row
                    ids |= set(named_others(row))
            for each in await self._ledger.stored_values(only=new):
                if each.values is not None:
                    values[each.record] = each.values
                    salts.add(bytes.fromhex(each.values["person_salt"]))
                    if each.number_lookup is not None:
                        numbers.add(each.number_lookup)
            ids |= set(await self._ledger.records_of_numbers(numbers))
            if not ids - known:
                ids |= await self._tagged(shown, known, salts)
        self._writer.values(sorted(values.items()))
        return shown

    async def _tagged(
        self, shown: Mapping[str, Mapping[int, Row]], ids: Collection[str], salts: Collection[bytes]
    ) -> set[str]:
        """The records of events that carry a tag of these persons or records."""
        keys = [*salts, *(each.encode() for each in ids)]
        found: set[str] = set()
        done, total = 0, sum(self._heads.values())
        firsts = {ledger_id: min(rows) for ledger_id, rows in shown.items() if rows}
        for ledger_id, start in self._starts(firsts).items():
            done += start
            async for rows in self._pages(ledger_id, start):
                found.update(await asyncio.to_thread(_with_tags, rows, keys, shown[ledger_id]))
                done += len(rows)
                self._progress(done, total)
        return found

    def _starts(self, firsts: Mapping[str, int]) -> dict[str, int]:
        """Where each chain starts: at its own checkpoint, or at its beginning.

        `firsts` are the first events that are needed, of the chains that are concerned.
        """
        starts = {
            ledger_id: self._checkpoint_before(ledger_id, firsts.get(ledger_id, head + 1) - 1)
            for ledger_id, head in self._heads.items()
        }
        while True:
            before = dict(starts)
            for ledger_id in firsts:
                checkpoint = self._signed.get(ledger_id, {}).get(starts[ledger_id])
                heads = (
                    {} if checkpoint is None else {head[0]: head[1] for head in checkpoint.heads}
                )
                for other in starts.keys() - {ledger_id}:
                    latest = self._checkpoint_before(other, heads.get(other, 0))
                    starts[other] = min(starts[other], latest)
            if starts == before:
                return starts

    def _checkpoint_before(self, ledger_id: str, seq: int) -> int:
        """The newest checkpoint of a chain up to an event; 0 if there is none."""
        signed = sorted(self._signed.get(ledger_id, ()))
        place = bisect_left(signed, seq + 1)
        return signed[place - 1] if place else 0

    async def _write_some(
        self, starts: Mapping[str, int], shown: Mapping[str, Mapping[int, Row]]
    ) -> int:
        records = 0
        for ledger_id, start in sorted(starts.items()):
            self._start(ledger_id, start)
            wanted = shown[ledger_id]
            async for rows in self._pages(ledger_id, start):
                for row in rows:
                    if row.seq in wanted or row.type in _OF_CHAINS:
                        self._writer.event(row)
                        records += row.type in KINDS
                        await self._contents(row)
                    else:
                        body_sha256 = hashlib.sha256(row.body.encode()).hexdigest()
                        self._writer.hidden(row.tags, body_sha256)
        return records

    async def _firsts(self, shown: Mapping[str, Mapping[int, Row]]) -> dict[str, int]:
        """The first event that each chain needs: a witness before the first one shown, if any."""
        firsts = {ledger_id: min(rows) for ledger_id, rows in shown.items() if rows}
        if not await self._ledger.stamps():
            return firsts
        for ledger_id, first in firsts.items():
            place = first - 1
            for _ in range(_STEPS_BACK):
                place = self._checkpoint_before(ledger_id, place)
                rows = await self._ledger.rows(ledger_id, first=place + 1, last=first - 1)
                if any(row.type == Act.WITNESSED for row in rows):
                    firsts[ledger_id] = place + 1
                    break
                place -= 1
                if place <= 0:
                    break
        return firsts

    # Both

    def _start(self, ledger_id: str, seq: int) -> None:
        hash_ = self._signed[ledger_id][seq].hash if seq else START.hex()
        self._writer.start(Start(ledger_id, seq, hash_))

    async def _pages(self, ledger_id: str, after: int) -> AsyncIterator[Sequence[Row]]:
        head = self._heads[ledger_id]
        for first in range(after + 1, head + 1, PAGE):
            last = min(first + PAGE - 1, head)
            yield await self._ledger.rows(ledger_id, first=first, last=last)

    async def _contents(self, row: Row) -> None:
        """Write the texts and recordings that an event names, each once."""
        for sha256 in named_texts(row):
            if (sha256, True) not in self._named:
                self._named.add((sha256, True))
                text = await self._ledger.text(sha256)
                if text is not None:
                    self._writer.text(sha256, text)
        for sha256 in named_recordings(row):
            if (sha256, False) not in self._named:
                self._named.add((sha256, False))
                wav = await self._ledger.audio(sha256)
                if wav is not None:
                    self._writer.recording(sha256, wav)

    async def _write_signatures(self, starts: Mapping[str, int]) -> None:
        """Write the checkpoints of the parts, and the stamps of these checkpoints."""
        imprints = set()
        for ledger_id, start in sorted(starts.items()):
            for seq, checkpoint in sorted(self._signed.get(ledger_id, {}).items()):
                if seq >= start:
                    self._writer.checkpoint(checkpoint)
                    imprints.add(hashlib.sha256(checkpoint.line.encode()).hexdigest())
        for der in await self._ledger.stamps():
            try:
                stamp = Stamp.parse(der)
            except BadStamp:
                continue  # `verify` on the ledger reports it
            if stamp.imprint in imprints:
                self._writer.stamp(stamp)


def _with_tags(rows: Iterable[Row], keys: Sequence[bytes], shown: Mapping[int, Row]) -> set[str]:
    """The records of events with a tag by one of these keys, that are not shown yet."""
    found = set()
    for row in rows:
        if row.seq in shown or row.type in _OF_CHAINS:
            continue
        tags = set(json.loads(row.tags))
        if any(tag(key, row.ledger_id, row.seq) in tags for key in keys):
            found.add(row.consent_id)
    return found
