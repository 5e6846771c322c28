"""The outbox: messages to other systems that are stored with their events and leave when delivered.

A message of a person waits for those before it, of the same person and endpoint; other persons'
do not wait for it. Who sends one holds it by name until a deadline: another bridge, or the same
one after a crash, takes it then, so a message may arrive twice and never gets lost. Rows hold no
personal data but the number's keyed hash, which an erasure takes out.

An endpoint that fails is tried by one bridge with one message, and left alone by all of them
between two attempts (`endpoints`). One that answered 410 gets nothing more at that address until a
person retries, whatever becomes of the message that it answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, exists, func, or_, select, update

from agi_bridge.consent.acts import is_unfinished
from agi_bridge.consent.encoding import stamp
from agi_bridge.consent.errors import KeyFault, VaultDamaged
from agi_bridge.consent.ledger import endpoints, queries
from agi_bridge.consent.ledger.schema import EVENT, GONE_ENDPOINT, OUTBOX
from agi_bridge.consent.ledger.transaction import IDLE_MS
from agi_bridge.consent.push import (
    GONE,
    PUSHED,
    UNREADABLE,
    PushBacklog,
    PushClaim,
    PushEntry,
    PushKey,
    PushMessage,
    PushRetried,
)
from agi_bridge.consent.states import Act, State, event_type

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import ColumnElement

    from agi_bridge.consent.chain import Row
    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.ledger.worker import Worker
    from agi_bridge.consent.push import Personal, PushFailure

_UNREADABLE_SECONDS: Final = 3600.0
"""How long a message waits whose personal data cannot be opened: a person has to put a key back."""
_LOCK: Final = "push"
"""What changes several messages at once holds it, so that no two wait for each other's rows."""


class Outbox:
    """The messages of a ledger that wait, for who sends them and for who looks after them.

    Args:
        worker: the ledger's thread.
        writer: knows the clock, the vault, and the name that this process holds messages by.

    Its methods raise `LedgerUnavailable` when the database fails.
    """

    def __init__(self, worker: Worker, writer: Writer) -> None:
        self._worker = worker
        self._writer = writer

    async def claim(self, endpoint: str, address: str, limit: int, seconds: float) -> PushClaim:
        """Take messages of an endpoint that are due, of one person one at most, oldest first.

        They are held for so many seconds: nobody else sends them meanwhile. `address` is where
        they are to be sent, as a hash; none are due if the endpoint is gone there, or is left
        alone. One that fails is tried with one message, by one bridge.
        """
        return await self._worker.run(
            lambda t: _claim(t, self._writer, endpoint, address, limit=limit, seconds=seconds)
        )

    async def settle(
        self,
        address: str,
        delivered: Collection[PushKey],
        failed: Collection[PushFailure] = (),
        *,
        pause: float | None = None,
    ) -> None:
        """Note what became of messages that were taken and sent to an address.

        With a `pause` the endpoint failed: every bridge leaves it alone for so many seconds. None:
        it works, and messages that failed because of it are due at once. One that is gone gets
        nothing more there.
        """
        await self._worker.run(
            lambda t: _settle(t, self._writer, address, delivered, failed, pause=pause)
        )

    async def release(self, endpoint: str) -> None:
        """Let go of messages that this process holds, or one of its name held before it ended."""
        await self._worker.run(lambda t: _release(t, self._writer, endpoint))

    async def entries(
        self, *, endpoint: str | None = None, limit: int | None = 100
    ) -> list[PushEntry]:
        """What waits, oldest first."""
        return await self._worker.read(lambda t: _entries(t, endpoint, limit))

    async def retry(self, *, endpoint: str | None, records: Collection[str] = ()) -> PushRetried:
        """Make messages due at once, of an endpoint or of some records.

        Their endpoints are asked again, also those that are gone. What is under way stays so: it
        is due when its attempt has failed, or when who sends it has not said how it went.
        """
        return await self._worker.run(lambda t: _retry(t, self._writer, endpoint, records))

    async def drop(self, *, endpoint: str | None, records: Collection[str] = ()) -> int:
        """Delete messages, of an endpoint or of some records; return how many."""
        return await self._worker.run(lambda t: _drop(t, endpoint, records))


def backlog(transaction: Transaction) -> PushBacklog:
    """Count what waits."""
    row = OUTBOX.c
    pending, failing, oldest = transaction.core.execute(
        select(func.count(), func.count(row.reason), func.min(row.at))
    ).one()
    return PushBacklog(pending, failing, oldest, endpoints.gone_with_messages(transaction))


def forget(transaction: Transaction, consent_ids: Collection[str]) -> None:
    """Take the person out of the messages of some records: each is then on its own."""
    transaction.lock([_LOCK], idle_ms=IDLE_MS)
    row = OUTBOX.c
    transaction.core.execute(
        update(OUTBOX).where(row.consent_id.in_(consent_ids)).values(subject=row.consent_id)
    )


def _claim(
    transaction: Transaction,
    writer: Writer,
    endpoint: str,
    address: str,
    *,
    limit: int,
    seconds: float,
) -> PushClaim:
    transaction.lock([_LOCK], idle_ms=IDLE_MS)
    row, before = OUTBOX.c, OUTBOX.alias().c
    now = writer.database_now(transaction)
    receiver = endpoints.Endpoint(transaction, endpoint, address, writer.owner, now)
    failures, pause = receiver.failures()
    if pause or receiver.is_gone():
        return PushClaim(failures=failures, pause=pause)
    query = (
        select(row.id, row.ledger_id, row.seq, row.attempts)
        .where(
            row.endpoint == endpoint,
            row.next_at <= stamp(now),
            or_(row.deadline.is_(None), row.deadline < stamp(now)),
            ~exists().where(
                before.endpoint == endpoint, before.subject == row.subject, before.id < row.id
            ),
        )
        # What failed goes behind what was not tried: one message must not hold other persons'.
        .order_by(row.attempts, row.id)
        .limit(1 if failures else limit)
    )
    if transaction.locks:
        query = query.with_for_update(skip_locked=True)
    taken, messages, unreadable = [], [], []
    for id_, ledger_id, seq, attempts in transaction.core.execute(query).all():
        key = PushKey(ledger_id, seq, endpoint)
        try:
            messages.append(_message(transaction, writer, key, attempts))
        except (KeyFault, VaultDamaged, ValueError, LookupError):  # one record must not stop others
            unreadable.append(id_)
        else:
            taken.append(id_)
    if failures and messages:
        receiver.hold(seconds)
    held = {"owner": writer.owner, "deadline": stamp(now + seconds)}
    _update(transaction, row.id.in_(taken), **held)
    later = stamp(now + _UNREADABLE_SECONDS)
    _update(
        transaction,
        row.id.in_(unreadable),
        attempts=row.attempts + 1,
        reason=UNREADABLE,
        next_at=later,
    )
    return PushClaim(messages, failures)


def _message(transaction: Transaction, writer: Writer, key: PushKey, attempts: int) -> PushMessage:
    """What a message says, as its record is now.

    Raises:
        KeyMissing, VaultDamaged: what is sealed cannot be opened.
    """
    event = EVENT.c
    consent_id = transaction.core.execute(
        select(event.consent_id).where(event.ledger_id == key.ledger_id, event.seq == key.seq)
    ).scalar_one()
    rows = queries.rows_of(transaction, consent_id)
    [told] = [each for each in rows if (each.ledger_id, each.seq) == (key.ledger_id, key.seq)]
    opened = queries.personal(transaction, writer.vault, consent_id)
    personal: Personal = "erased" if opened is None else "included"
    # Who must not be texted is told all the same: that is a defence of the person, not a use.
    if any(each.type == Act.RESTRICTED for each in rows) and told.type != Act.REVOCATION:
        personal = "restricted"
    return PushMessage(
        key=key,
        message_id=told.fields["event_id"],
        type=PUSHED[event_type(told.type)],
        at=told.at,
        record=consent_id,
        facts=told.fields,
        call=rows[0].fields,
        number=(opened or {}).get("number") if personal == "included" else None,
        personal=personal,
        ended=_ended(transaction, told),
        attempts=attempts,
        unfinished=is_unfinished((each.type, each.fields) for each in rows),
    )


def _ended(transaction: Transaction, told: Row) -> tuple[str, ...]:
    """The consents that a revocation ended: their events follow it in the same transaction."""
    count = told.fields.get("consents", 0) if told.type == Act.REVOCATION else 0
    if not count:
        return ()
    event = EVENT.c
    following = transaction.core.execute(
        select(event.consent_id).where(
            event.ledger_id == told.ledger_id,
            event.seq > told.seq,
            event.seq <= told.seq + count,
            event.type == State.REVOKED.value,
        )
    )
    return tuple(sorted(following.scalars()))


def _settle(
    transaction: Transaction,
    writer: Writer,
    address: str,
    delivered: Collection[PushKey],
    failed: Collection[PushFailure],
    *,
    pause: float | None,
) -> None:
    transaction.lock([_LOCK], idle_ms=IDLE_MS)
    row, now = OUTBOX.c, writer.database_now(transaction)
    for key in delivered:
        transaction.core.execute(delete(OUTBOX).where(_is(key)))
    for failure in failed:
        _update(
            transaction,
            _is(failure.key) & (row.owner == writer.owner),
            attempts=row.attempts + 1,
            reason=failure.reason,
            refused=failure.ours,
            next_at=stamp(now + failure.seconds),
            owner=None,
            deadline=None,
        )
    gone = {each.key.endpoint for each in failed if each.reason == GONE}
    for name in {key.endpoint for key in (*delivered, *(each.key for each in failed))}:
        receiver = endpoints.Endpoint(transaction, name, address, writer.owner, now)
        receiver.forget_other_addresses()
        if name in gone:
            receiver.gone()
        elif pause is not None:
            receiver.failed(pause)
        else:  # a 410 of this address stays: another bridge may have had it later
            receiver.works()


def _release(transaction: Transaction, writer: Writer, endpoint: str) -> None:
    transaction.lock([_LOCK], idle_ms=IDLE_MS)
    row = OUTBOX.c
    mine = (row.endpoint == endpoint, row.owner == writer.owner)
    _update(transaction, *mine, owner=None, deadline=None)
    endpoints.release(transaction, writer.database_now(transaction), endpoint, writer.owner)


def _entries(transaction: Transaction, endpoint: str | None, limit: int | None) -> list[PushEntry]:
    row, gone = OUTBOX.c, GONE_ENDPOINT.c
    is_gone = exists().where(gone.endpoint == row.endpoint)
    query = (
        select(OUTBOX, is_gone.label("is_gone"), endpoints.next_attempt().label("endpoint_next"))
        .where(*_chosen(endpoint, ()))
        .order_by(row.id)
        .limit(limit)
    )
    return [
        PushEntry(
            key=PushKey(each.ledger_id, each.seq, each.endpoint),
            type=PUSHED[event_type(each.type)],
            record=each.consent_id,
            at=each.at,
            attempts=each.attempts,
            reason=GONE if each.is_gone else each.reason,
            next_at=None
            if each.is_gone or each.reason is None
            else max(each.next_at, each.endpoint_next or ""),
        )
        for each in transaction.core.execute(query)
    ]


def _retry(
    transaction: Transaction, writer: Writer, endpoint: str | None, records: Collection[str]
) -> PushRetried:
    transaction.lock([_LOCK], idle_ms=IDLE_MS)
    chosen = tuple(_chosen(endpoint, records))
    now = writer.database_now(transaction)
    names: endpoints.Names
    if records:
        names = select(OUTBOX.c.endpoint).where(*chosen)
    else:  # also where no message waits
        names = None if endpoint is None else [endpoint]
    asked = endpoints.ask_again(transaction, now, names)
    row = OUTBOX.c
    idle = or_(row.deadline.is_(None), row.deadline < stamp(now))
    due = {"next_at": stamp(now), "reason": None, "owner": None, "deadline": None}
    return PushRetried(_update(transaction, *chosen, idle, **due), asked)


def _drop(transaction: Transaction, endpoint: str | None, records: Collection[str]) -> int:
    transaction.lock([_LOCK], idle_ms=IDLE_MS)
    return transaction.core.execute(delete(OUTBOX).where(*_chosen(endpoint, records))).rowcount


def _chosen(endpoint: str | None, records: Collection[str]) -> Iterable[ColumnElement[bool]]:
    if endpoint is not None:
        yield OUTBOX.c.endpoint == endpoint
    if records:
        yield OUTBOX.c.consent_id.in_(records)


def _is(key: PushKey) -> ColumnElement[bool]:
    row = OUTBOX.c
    same: ColumnElement[bool] = (
        (row.ledger_id == key.ledger_id) & (row.seq == key.seq) & (row.endpoint == key.endpoint)
    )
    return same


def _update(transaction: Transaction, *where: ColumnElement[bool], **values: Any) -> int:  # noqa: ANN401 - what the columns take
    return transaction.core.execute(update(OUTBOX).where(*where).values(**values)).rowcount
