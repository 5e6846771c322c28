"""The ledger as calls use it: appends, look-ups, and what is owed for stored consents.

All database work is on its own thread: one hop per group of appends costs nearly nothing,
where SQLAlchemy's asyncio extension hops for every statement. Nobody waits for another's write but
for the group that is being written.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from agi_bridge.consent.encoding import text_sha256
from agi_bridge.consent.errors import CircuitOpen, LedgerClosed, LedgerUnavailable
from agi_bridge.consent.ledger import checkpoints, outbox, permissions, queries, submissions
from agi_bridge.consent.ledger.administration import Administration
from agi_bridge.consent.ledger.circuit import Circuit
from agi_bridge.consent.ledger.group_commit import GroupCommit
from agi_bridge.consent.results import Backlog
from agi_bridge.consent.states import FOLLOWS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path
    from typing import Any

    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.models import Batch
    from agi_bridge.consent.permission import Permission, PermissionQuestion
    from agi_bridge.consent.record import ConsentRecord
    from agi_bridge.consent.results import ActiveConsent, Unsent
    from agi_bridge.consent.signing.keys import Keys

UNSENT_PAGE: Final = 100
"""Most unsent consents read in one piece, which takes some 20 ms."""


class Ledger(Administration):
    """The record of all consents, as calls use it; `Records` opens it.

    Its methods raise `LedgerUnavailable` when the database fails; then nothing was stored.
    """

    def __init__(self, where: Path | str, keys: Keys, **named: Any) -> None:  # noqa: ANN401 - passed on
        super().__init__(where, keys, **named)
        self._circuit = Circuit()
        self._groups = GroupCommit(
            self._worker,
            self._writer,
            self._circuit,
            self._count,
            probes=not self._database.is_sqlite,
        )
        self._closed = False
        self._events_stored = asyncio.Event()
        self._notify_after = 0
        self._stored = 0

    @property
    def circuit_open(self) -> bool:
        """Whether new consents are refused at once, because the last writes failed."""
        return self._circuit.is_open

    def notify_after(self, events: int) -> asyncio.Event:
        """An event that is set whenever calls have stored so many more events."""
        self._notify_after = events
        return self._events_stored

    async def append(self, batch: Batch) -> None:
        """Store a batch whole; returns when it is durable.

        A caller that is cancelled while waiting does not undo the write: it is stored or refused as
        it would have been.

        Raises:
            IllegalTransition: its first event may not follow what is stored.
            Withheld: the number was revoked, or a limit is reached.
            LedgerUnavailable: the database did not take it in time. Should it do so later, it is
                stored with it that nothing was sent and nothing will be.
            CircuitOpen: it begins a consent, and the database has taken nothing for a while.
        """
        if self._closed:
            raise LedgerClosed("the ledger is closed")
        if not batch.events:
            return
        if batch.events[0].type in FOLLOWS[None] and not self._circuit.admits():
            raise self._circuit_open()
        await self._groups.add(batch)

    async def recover(self) -> int:
        """Turn the submissions that a crash left open into `unknown`; count them.

        Those that were leased under our own name, and those of anybody whose lease is over. Nobody
        knows whether such a request reached the hook, so nobody may send it again.
        """
        return await self._worker.run(lambda t: submissions.settle_open(t, self._writer, own=True))

    async def settle_overdue(self) -> int:
        """The same of submissions of any bridge whose lease is over."""
        return await self._worker.run(lambda t: submissions.settle_open(t, self._writer, own=False))

    async def expire_restored(self) -> int:
        """Expire the consents that waited to be sent when a backup was made that was restored."""
        return await self._worker.run(lambda t: submissions.expire_restored(t, self._writer))

    async def may_send(self, consent_id: str) -> str | None:
        """The gate before the first byte: why a submission must not be sent now; None if it may.

        Raises:
            LedgerUnavailable: the database did not answer in time, so nobody knows.
        """
        return await self._groups.ask(consent_id)

    async def unsent(self, unknown_since: str | None = None) -> list[Unsent]:
        """The consents that were confirmed and certainly not sent, on any bridge; oldest first.

        With `unknown_since` (RFC 3339 in UTC) also those whose outcome has been unknown since then
        or later, if their receiver is idempotent.
        """
        find = partial(submissions.unsent_ids, unknown_since=unknown_since)
        ids = await self._worker.read(find)
        found: list[Unsent] = []
        for first in range(0, len(ids), UNSENT_PAGE):  # calls wait for the same thread
            some = ids[first : first + UNSENT_PAGE]
            found += await self._worker.read(partial(submissions.unsent, ids=some))
        return found

    async def backlog(self) -> Backlog:
        """Count what waits to be sent again, and what waits for a person.

        Raises:
            LedgerUnavailable: the database did not answer in time.
        """

        def count(t: Transaction) -> Backlog:
            waiting = queries.waiting_for_person(t, self._writer.vault)
            return Backlog(len(submissions.unsent_ids(t)), waiting, outbox.backlog(t))

        return await self._worker.read_in_time(count)

    async def load_for_retry(self, consent_id: str) -> ConsentRecord:
        """Go on with a stored consent.

        Raises:
            LookupError: it is not in the ledger, or its personal data is erased or restricted.
        """
        return await self._worker.run(
            lambda t: submissions.load_for_retry(t, self._writer, consent_id)
        )

    async def expire(self, consent_id: str, reason: str) -> None:
        """End a consent that is still unsent, even if its personal data cannot be opened."""
        await self._worker.run(lambda t: submissions.expire(t, self._writer, consent_id, reason))

    async def active_consent(
        self,
        number: str,
        brand: str,
        purpose: str,
        *,
        max_age_days: int = 0,
        wordings: Collection[str] | None = None,
    ) -> ActiveConsent | None:
        """The newest consent of a number for a brand and a purpose (`info`, `marketing`).

        One that is revoked, restricted, too old or still to be completed by a reply does not count,
        nor one to another wording than those of `wordings`, by SHA-256; None is any.

        Raises:
            LedgerUnavailable: the database did not answer in time.
            CircuitOpen: it has taken nothing for a while, so nothing could be done with the answer.
        """
        if self._circuit.is_open:
            raise self._circuit_open()
        began = asyncio.get_running_loop().time()
        find = partial(
            submissions.active_consent,
            writer=self._writer,
            number=number,
            brand=brand,
            purpose=purpose,
            max_age_days=max_age_days,
            wordings=wordings,
        )
        try:
            return await self._worker.read_in_time(find)
        except LedgerUnavailable as error:
            self._circuit.failed(error, after=asyncio.get_running_loop().time() - began)
            raise

    async def permissions(self, asked: Sequence[PermissionQuestion]) -> list[Permission]:
        """Whether numbers may be texted: the answer to each question.

        Raises:
            LedgerUnavailable: the database did not answer in time.
        """
        return await self._worker.read_in_time(
            lambda t: permissions.permissions(t, self._writer, asked)
        )

    async def register_disclosure(
        self, language: str, text: str, audio_sha256: str, wav: bytes
    ) -> int:
        """Keep a disclosure and its recording, for the proof; returns the wording's version."""
        wording, sound = (language, text, text_sha256(text)), (audio_sha256, wav)
        return await self._worker.run(
            lambda t: checkpoints.register_disclosure(t, self._writer, wording, sound)
        )

    async def close(self) -> None:
        """Write what waits, then release the database. Safe to call twice."""
        self._closed = True
        await self._groups.drain()
        await super().close()

    def _circuit_open(self) -> CircuitOpen:
        return CircuitOpen(f"{self._database.name}: the last writes failed, so it was not asked")

    def _count(self, events: int) -> None:
        self._stored += events
        if self._stored >= self._notify_after > 0:
            self._stored = 0
            self._events_stored.set()
