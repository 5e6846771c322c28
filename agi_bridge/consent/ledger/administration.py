"""Operations by people and maintenance: revoke, erase, retain, make and witness checkpoints."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent.errors import LedgerUnavailable
from agi_bridge.consent.imported import ImportResult
from agi_bridge.consent.ledger import (
    checkpoint_requests,
    checkpoints,
    erasure,
    imports,
    messages,
    replies,
    revoke,
    witnesses,
)
from agi_bridge.consent.ledger.records import SOFTWARE, Records
from agi_bridge.consent.results import RetentionReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from agi_bridge.consent.imported import ImportedConsent
    from agi_bridge.consent.reply import CompletedConsent, Reply
    from agi_bridge.consent.results import OpenMessage, RetentionRules
    from agi_bridge.consent.revocation import Revocation, RevocationResult
    from agi_bridge.consent.signing.checkpoint import Checkpoint
    from agi_bridge.consent.signing.witness import Stamp
    from agi_bridge.consent.states import Act

MAX_REVOKE_TRIES: Final = 10
"""How often a revocation is tried that agreements of the same number get in the way of."""
REQUEST_GAP_SECONDS: Final = 0.25
"""Between two looks whether another bridge has made its checkpoint."""
IMPORT_PAGE: Final = 100
"""Imported consents in one transaction, for which calls wait: so many at most ..."""
IMPORT_PAGE_BYTES: Final = 2 << 20
"""... and so many bytes of evidence, unless one consent alone has more."""
GAP_SECONDS: Final = 0.25
"""Pause between two batches of an erasure or an import. SQLite has one writer at a time, and
another process that waits for its turn looks every tenth of a second: without gaps it would never
get one."""


class Administration(Records):
    """A ledger with the operations of people and of maintenance.

    Its methods raise `LedgerUnavailable` when the database fails; then nothing was stored.
    """

    _shred_due = False

    async def revoke(self, request: Revocation) -> RevocationResult:
        """Revoke every consent of a number for a brand, and block new ones by other callers."""
        for _ in range(MAX_REVOKE_TRIES):
            try:
                return await self._worker.run(lambda t: revoke.revoke(t, self._writer, request))
            except revoke.RetryTransaction:
                continue
        raise LedgerUnavailable(
            "other transactions kept changing the number's consents; try again", code="contended"
        )

    async def complete(self, reply: Reply) -> list[CompletedConsent]:
        """Complete the consents that wait for a YES by text (`confirm_by_reply`); none is usual."""
        return await self._worker.run(lambda t: replies.complete(t, self._writer, reply))

    async def import_consents(
        self, consents: Sequence[ImportedConsent], *, actor: str, dry_run: bool = False
    ) -> ImportResult:
        """Store consents that were given elsewhere; calls wait for one page of them at most.

        A page is stored whole or not at all. What is on record already is not stored again, so an
        import that broke off can be repeated.
        """
        total = ImportResult()
        for place, page in enumerate(_pages(consents)):
            if place and not dry_run:
                await asyncio.sleep(GAP_SECONDS)
            work = partial(
                imports.store,
                writer=self._writer,
                consents=page,
                actor=actor,
                software=SOFTWARE,
                dry_run=dry_run,
            )
            total += await (self._worker.read(work) if dry_run else self._worker.run(work))
        return total

    async def record_message(
        self,
        customer_id: str,
        words: str,
        *,
        reference: str,
        business_id: str | None = None,
        received: str | None = None,
    ) -> str:
        """Store an opt-out of an unknown number, for a person to handle; returns its id."""
        return await self._worker.run(
            lambda t: revoke.message(
                t,
                self._writer,
                customer_id,
                words,
                reference=reference,
                business_id=business_id,
                received=received,
            )
        )

    async def open_message_ids(self, since: str) -> list[str]:
        """The messages stored since then that nobody has dealt with, oldest first."""
        return await self._worker.read(lambda t: messages.open_ids(t, since))

    async def open_message(self, message_id: str) -> OpenMessage | None:
        """A message that nobody has dealt with; None if somebody has, or it cannot be opened."""
        return await self._worker.read(lambda t: messages.open_message(t, self._writer, message_id))

    async def note_lookup(self, message_id: str, reason: str) -> None:
        """Store why a look-up did not say whose message it is, unless that is known.

        Raises:
            LookupError: there is no such message.
            IllegalTransition: somebody has dealt with it.
        """
        await self._worker.run(lambda t: messages.note_lookup(t, self._writer, message_id, reason))

    async def settle_message(self, message_id: str, *, note: str, actor: str) -> None:
        """Note that a message was dealt with whose number is known now, and erase what it holds.

        The words are kept where a request for the number finds them: with its revocation, or with
        the consent that a YES has completed.

        Raises:
            LookupError: there is no such message.
            IllegalTransition: somebody has dealt with it.
        """
        await self._worker.run(
            lambda t: messages.settle(t, self._writer, message_id, note=note, actor=actor)
        )
        self._shred_due = True

    async def record_act(self, act: Act, consent_id: str, **body: Any) -> None:  # noqa: ANN401 - JSON
        """Store an act that changes no state: revealed, exported, resolved."""
        await self._worker.run(lambda t: revoke.act(t, self._writer, act, consent_id, body))

    async def erase(self, consent_ids: Iterable[str], *, basis: str, actor: str) -> int:
        """Delete the personal data of consents; their events stay. Returns how many had any."""
        erased = await self._worker.run(
            lambda t: erasure.erase(t, self._writer, consent_ids, basis=basis, actor=actor)
        )
        if erased:
            await self.vacuum_deleted()
        return erased

    async def restrict(
        self, consent_ids: Iterable[str], *, basis: str, until: str, actor: str
    ) -> int:
        """Keep personal data for a defence only, until a day (RFC 3339). Returns how many."""
        return await self._worker.run(
            lambda t: erasure.restrict(
                t, self._writer, consent_ids, basis=basis, until=until, actor=actor
            )
        )

    async def retain(self, rules: RetentionRules, *, dry_run: bool) -> RetentionReport:
        """Delete what is past its retention period; with `dry_run`, only report it.

        Raises:
            ClockInDoubt: nothing besides this machine's clock says that it is time.
        """
        if dry_run:
            return await self._worker.run(lambda t: erasure.due(t, rules))
        total = RetentionReport()
        while True:
            done = await self._worker.run(lambda t: erasure.retain(t, self._writer, rules))
            total += done
            if done == RetentionReport():
                break
            await asyncio.sleep(GAP_SECONDS)
        if total != RetentionReport():
            await self.vacuum_deleted()
        return total

    async def vacuum_deleted(self) -> None:
        """Remove remains of deleted data from the database's files; retried later if it must wait.

        `finish_erasures` does that.
        """
        self._shred_due = not await self._worker.vacuum_deleted()

    async def finish_erasures(self) -> None:
        """Finish an earlier `vacuum_deleted` that had to wait."""
        if self._shred_due:
            await self.vacuum_deleted()

    async def rekey(self, actor: str) -> int:
        """Seal all persons' keys again under the first vault key; returns how many changed."""
        total, after = 0, ""
        while True:
            resealed, after = await self._worker.run(
                partial(checkpoints.rekey, writer=self._writer, actor=actor, after=after)
            )
            total += resealed
            if not after:
                break
        if total:
            await self.vacuum_deleted()
        return total

    # The proof

    async def register(
        self, texts: Mapping[str, str], recordings: Mapping[str, bytes] | None = None
    ) -> None:
        """Keep texts and recordings (WAV) that events name by their SHA-256."""
        await self._worker.run(lambda t: checkpoints.register(t, texts, recordings or {}))

    async def checkpoint(self, sinks: Sequence[str] = ()) -> Checkpoint | None:
        """Sign the head of our chain and keep a copy; None if nothing is new since the last one.

        It is kept with it that these sinks, by name, are still to get it.

        Raises:
            LedgerLost: the database lacks events that were seen before.
        """
        return await self._worker.run(
            lambda t: checkpoints.checkpoint(t, self._writer, self._keys, sinks)
        )

    async def request_checkpoints(self, seconds: float) -> bool:
        """Ask the other running bridges for checkpoints of what is stored now; wait for a while.

        Returns whether all that were asked have answered.
        """
        asked = await self._worker.run(lambda t: checkpoint_requests.request(t, self._writer))
        until = asyncio.get_running_loop().time() + seconds
        while not await self._worker.read(lambda t: checkpoint_requests.are_answered(t, asked)):
            if asyncio.get_running_loop().time() >= until:
                return False
            await asyncio.sleep(REQUEST_GAP_SECONDS)
        return True

    async def checkpoint_is_requested(self) -> bool:
        """Whether a command asks for a checkpoint of our chain."""
        return await self._worker.read(lambda t: checkpoint_requests.is_requested(t, self._writer))

    async def settle_request(self) -> None:
        """Remove a request for our chain that a checkpoint has answered."""
        await self._worker.run(lambda t: checkpoint_requests.settle(t, self._writer))

    async def keep_stamp(self, checkpoint: Checkpoint, stamp: Stamp, authority: str) -> None:
        """Keep a time stamp of a checkpoint of our chain, and chain its hash."""
        await self._worker.run(
            lambda t: witnesses.keep(t, self._writer, checkpoint, stamp, authority)
        )

    async def deliveries(
        self, limit: int, without: Sequence[str] = ()
    ) -> list[tuple[str, Checkpoint]]:
        """Our checkpoints that a sink does not have yet, with the sink's name; oldest first.

        Sinks in `without` are left out.
        """
        return await self._worker.read(
            lambda t: checkpoints.deliveries(t, self._writer, limit, without)
        )

    async def delivered(self, sent: Sequence[tuple[int, str]]) -> None:
        """Note that sinks have our checkpoints of these events, or no longer need them."""
        await self._worker.run(lambda t: checkpoints.delivered(t, self._writer, sent))

    async def expect(self, kept: Iterable[Checkpoint]) -> None:
        """Compare the database with checkpoints kept outside it, now and at each later check.

        Raises:
            LedgerLost: it lacks an event that one of them names; nothing is stored then.
        """
        seen = checkpoints.newest_heads(kept)
        await self._worker.read(lambda t: checkpoints.expect(t, self._writer, seen))


def _pages(consents: Sequence[ImportedConsent]) -> Iterator[list[ImportedConsent]]:
    """What is imported, in pages for which calls may wait."""
    page: list[ImportedConsent] = []
    size = 0
    for each in consents:
        more = sum(len(file.content) for file in each.evidence)
        if page and (len(page) == IMPORT_PAGE or size + more > IMPORT_PAGE_BYTES):
            yield page
            page, size = [], 0
        page.append(each)
        size += more
    if page:
        yield page
