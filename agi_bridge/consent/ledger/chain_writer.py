"""Writes one bridge's chain: every event with its place, its times and its tags, chained by hash.

Blocks; belongs to the ledger's thread. Times are RFC 3339 in UTC, which sort as texts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import structlog
from sqlalchemy import select

from agi_bridge.consent.chain import START, Tagger, hidden_leaf, link, named_records, tags_text
from agi_bridge.consent.encoding import Identifiers, canonical_bytes, stamp
from agi_bridge.consent.errors import KeyFault, LedgerLost, VaultDamaged
from agi_bridge.consent.event_schema import LATE_TYPES, LONGEST_CALL_SECONDS, SKEW_SECONDS
from agi_bridge.consent.ledger import queries
from agi_bridge.consent.ledger.schema import EVENT
from agi_bridge.consent.ledger.transaction import IDLE_MS
from agi_bridge.consent.models import SCHEMA, StoredEvent
from agi_bridge.consent.states import OUTCOMES, Act, State
from agi_bridge.observe import ask_kernel, wall_clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agi_bridge.consent.chain import Chain
    from agi_bridge.consent.encoding import Body
    from agi_bridge.consent.ledger.statements import Statements
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.push import PushRoutes
    from agi_bridge.consent.signing.vault import PersonKey, Vault

Clocks: TypeAlias = Callable[[], tuple[float, float]]
"""Reads the machine's time of day and its running time, both in seconds."""

_ENDS: Final = frozenset({*OUTCOMES, State.REVOKED})
"""The states after which a submission is no longer under way."""
_NOBODYS: Final = frozenset({Act.OPENED, Act.CLOCK, Act.WITNESSED, Act.RESEALED})
"""The types of events that belong to no record."""


class _Tags:
    """The tags of a transaction's events: the person's, and those of the records they name.

    Args:
        writer: knows the chain, and who a stored record is of.
        persons: whose records are, as far as that is known already; None is nobody's.
    """

    __slots__ = ("_own", "_persons", "_taggers", "_transaction", "_writer")

    def __init__(
        self,
        writer: ChainWriter,
        transaction: Transaction,
        persons: Mapping[str, PersonKey | None],
    ) -> None:
        self._writer = writer
        self._transaction = transaction
        self._persons = dict(persons)
        self._taggers: dict[bytes, Tagger] = {}
        self._own: dict[str, list[Tagger]] = {}

    def of(self, event: StoredEvent, seq: int) -> list[str]:
        """The tags of an event at its place in the chain."""
        id_ = event.consent_id
        own = self._own.get(id_)
        if own is None:
            own = self._own[id_] = self._of_record(event)
        others = named_records(id_, event.body)
        if len(others) == 1:
            return [tagger.tag(seq) for tagger in own]
        named = [self._tagger(other.encode()) for other in others if other != id_]
        return [tagger.tag(seq) for tagger in (*own, *named)]

    def _of_record(self, event: StoredEvent) -> list[Tagger]:
        """What tags all events of a record: its id, and its person if it has one."""
        id_ = event.consent_id
        taggers = [self._tagger(id_.encode())]
        if event.type not in _NOBODYS:
            if id_ not in self._persons:
                self._persons[id_] = self._writer.person(self._transaction, id_)
            person = self._persons[id_]
            if person is not None:
                taggers.append(self._tagger(person.salt))
        return taggers

    def _tagger(self, key: bytes) -> Tagger:
        found = self._taggers.get(key)
        if found is None:
            found = self._taggers[key] = Tagger(key, self._writer.ledger_id)
        return found


def read_clocks() -> tuple[float, float]:
    """The machine's time of day, and its running time, which cannot be set."""
    return time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)


class ChainWriter:
    """Appends events to one bridge's chain.

    Args:
        statements: for the database that it is in.
        vault: seals and finds personal data.
        ledger_id: the chain's id.
        owner: the name, 32 hexadecimal digits, that submissions of this process are leased to.
        clock: seconds since the epoch, which limits, leases and retention count by.
        clocks: what events are dated by.
    """

    def __init__(
        self,
        statements: Statements,
        vault: Vault,
        ledger_id: str,
        owner: str,
        *,
        clock: Callable[[], float] = wall_clock.now,
        clocks: Clocks = read_clocks,
    ) -> None:
        self.vault = vault
        self.ledger_id = ledger_id
        self.owner = owner
        self.clock = clock
        self._clocks = clocks
        self._sql = statements
        self._head: tuple[int, bytes] | None = None
        self._read: tuple[float, float] | None = None
        self._seen: dict[str, tuple[int, str]] = {}
        self.push_routes: PushRoutes = {}
        """The endpoints that messages about events are stored for."""
        self.pushed: Callable[[], None] | None = None
        """Called on this thread when messages are durable."""
        self.is_lost = False
        """Whether the database was found to lack events."""
        self.is_taken = False
        """Whether another bridge has taken the lease of our chain: we were away for too long."""

    def lock(
        self,
        transaction: Transaction,
        names: Iterable[str] = (),
        *,
        wait_ms: int | None = None,
        idle_ms: int | None = None,
        by_index: bool = False,
    ) -> None:
        """Take the locks of a transaction, our chain's and these; once, before anything else.

        What the options mean, says `Transaction.lock`; `idle_ms` is `IDLE_MS` unless it is given.
        """
        transaction.lock(
            [f"chain:{self.ledger_id}", *names],
            wait_ms=wait_ms,
            idle_ms=IDLE_MS if idle_ms is None else idle_ms,
            by_index=by_index,
        )

    def append(
        self,
        transaction: Transaction,
        events: Sequence[StoredEvent],
        *,
        persons: Mapping[str, PersonKey | None] | None = None,
        leases: Mapping[str, float] | None = None,
        quiet: bool = False,
    ) -> None:
        """Append events to the chain; the caller updates their consents' states.

        Args:
            transaction: holds the chain's lock.
            events: in their order.
            persons: whose the records are, as far as that is known already; None is nobody's.
            leases: how many seconds the submissions that begin may take, by consent.
            quiet: no other system is told.
        """
        sql = self._sql
        routes: PushRoutes = {} if quiet else self.push_routes
        last = transaction.cursor.execute(
            sql.head.text, sql.head.arguments(ledger_id=self.ledger_id)
        ).fetchone()
        seq, head = (0, START) if last is None else (last[0], bytes.fromhex(last[1]))
        self._check_head(transaction, seq, head)
        read = self._clocks()
        step = self._clock_event(read, None if last is None else last[2])
        tagged = _Tags(self, transaction, persons or {})
        late_before = stamp(read[0] - LONGEST_CALL_SECONDS)
        same = {"schema": SCHEMA, "ledger_id": self.ledger_id, "written": stamp(read[0])}
        rows = []
        begun, ended = [], []
        pushed: list[tuple[Any, ...]] = []
        now: float | None = None  # by the database's clock
        for seq_, event in enumerate([*step, *events], seq + 1):
            type_ = event.type._value_  # `value` is a descriptor of Python's, four times as slow
            facts: dict[str, Any] = {
                **event.body,
                **same,
                "seq": seq_,
                "event_id": event.event_id,
                "consent_id": event.consent_id,
                "type": type_,
                "at": event.at,
            }
            if event.at < late_before and event.type in LATE_TYPES:
                facts["late"] = True
            if event.type is State.SUBMITTING:
                if now is None:
                    now = self.database_now(transaction)
                facts["owner"] = self.owner
                facts["deadline"] = stamp(now + (leases or {}).get(event.consent_id, 0.0))
                begun.append(
                    sql.insert_submission.arguments(
                        consent_id=event.consent_id,
                        ledger_id=self.ledger_id,
                        owner=self.owner,
                        deadline=facts["deadline"],
                    )
                )
            elif event.type in _ENDS:
                ended.append((event.consent_id,))
            for endpoint in routes.get(event.type, ()):
                pushed.append(  # noqa: PERF401 - hardly ever one
                    sql.insert_outbox.arguments(
                        new_ledger_id=self.ledger_id,
                        new_seq=seq_,
                        new_endpoint=endpoint,
                        record=event.consent_id,
                        new_type=type_,
                        new_at=event.at,
                    )
                )
            body, tags = canonical_bytes(facts), tags_text(tagged.of(event, seq_))
            head = link(head, hidden_leaf(tags, sha256(body).digest()))
            rows.append(
                (
                    self.ledger_id,
                    seq_,
                    event.consent_id,
                    type_,
                    event.at,
                    tags,
                    body.decode(),
                    head.hex(),
                )
            )
        if not rows:
            return
        transaction.write(
            (
                (sql.insert_event, rows),
                (sql.insert_submission, begun),
                (sql.end_submission, ended),
                (sql.insert_outbox, pushed),
            )
        )
        if pushed and self.pushed is not None:
            transaction.committed.append(self.pushed)
        transaction.committed.append(partial(self._remember, seq + len(rows), head, read))

    def note_clock(self, transaction: Transaction) -> None:
        """Append a `clock` event if the clock was set since the last event."""
        self.append(transaction, [])

    def state(self, transaction: Transaction, consent_id: str) -> State | None:
        """The last state of a consent; None if it is not in the ledger."""
        last = transaction.cursor.execute(self._sql.last_state.text, (consent_id,)).fetchone()
        return None if last is None else State(last[0])

    def database_now(self, transaction: Transaction) -> float:
        """The time by the database's clock, the same for all bridges on it."""
        if not transaction.locks:  # SQLite's is this machine's
            return self._clocks()[0]
        [now] = transaction.cursor.execute(self._sql.now.text).fetchone()
        return float(now)

    def may_send(self, transaction: Transaction, consent_id: str) -> str | None:
        """The reason why a stored submission must not be sent now; None if it may.

        The words: `not_submitting` (revoked, or settled by somebody else), `lease_lost` (another
        process has it), `lease_over`.
        """
        found = transaction.cursor.execute(self._sql.may_send.text, (consent_id,)).fetchone()
        if found is None or found[3] != State.SUBMITTING:
            return "not_submitting"
        owner, deadline, now, _ = found
        if owner != self.owner:
            return "lease_lost"
        return "lease_over" if stamp(now) > deadline else None

    def person(self, transaction: Transaction, consent_id: str) -> PersonKey | None:
        """The person of a record; None if nothing of it is sealed, or the key cannot be opened."""
        row = transaction.cursor.execute(self._sql.sealed.text, (consent_id,)).fetchone()
        if row is None:
            return None
        try:
            return self.vault.open_person(row[0], row[1])
        except (KeyFault, VaultDamaged):  # an event is stored all the same; `verify` reports it
            return None

    def sealed(
        self, transaction: Transaction, consent_id: str
    ) -> tuple[PersonKey, dict[str, str]] | None:
        """The person of a record and its personal data; None if there is none.

        Raises:
            KeyMissing: it is sealed under a vault key that is not available.
            VaultDamaged: it cannot be opened.
        """
        row = transaction.cursor.execute(self._sql.sealed.text, (consent_id,)).fetchone()
        if row is None:
            return None
        person = self.vault.open_person(row[0], row[1])
        return person, self.vault.open(person, consent_id, row[2])

    def _clock_event(self, read: tuple[float, float], last_at: str | None) -> list[StoredEvent]:
        """A `clock` event, if the clock was set."""
        wall, running = read
        if self._read is not None:
            seen, step = "running", (wall - self._read[0]) - (running - self._read[1])
            if abs(step) <= SKEW_SECONDS:
                return []
        elif last_at is not None and stamp(wall + SKEW_SECONDS) < last_at:
            seen, step = "start", 0.0  # by how much it was set while nobody ran is not known
        else:
            return []
        synchronised = ask_kernel()
        structlog.get_logger().warning(
            "ledger.clock_stepped", seconds=round(step, 3), seen=seen, synchronised=synchronised
        )
        new = Identifiers()
        body: Body = {"step_ms": round(step * 1000), "seen": seen, "synchronised": synchronised}
        return [StoredEvent(new.next(), new.next(), Act.CLOCK, stamp(wall), body)]

    def _remember(self, seq: int, head: bytes, read: tuple[float, float]) -> None:
        self._head, self._read = (seq, head), read
        self._seen[self.ledger_id] = seq, head.hex()

    def check_heads(self, transaction: Transaction, chains: Iterable[Chain]) -> None:
        """Check that every chain still has the events that were seen in it.

        Asked for each new connection, each checkpoint and each renewal of the lease: the database
        that answers now may be a replica that lacks what another bridge stored last, a revocation
        for example. What a chain lacks because an administrator restored a backup is not lost
        unseen.

        Raises:
            LedgerLost: one has, or ours was ended by a restore. The log has it once.
        """
        there = {chain.ledger_id: (chain.seq, chain.hash) for chain in chains}
        ended = queries.ended_chains(transaction)
        if self.ledger_id in ended:
            self.lost(f"chain {self.ledger_id[:8]} ended: the ledger was restored from a backup")
        for ledger_id, known in self._seen.items():
            if known != there.get(ledger_id) and known[0] <= ended.get(ledger_id, known[0]):
                self._check_event(transaction, ledger_id, known, there.get(ledger_id, (0, ""))[0])
        self._seen.update(there)
        self.is_lost = False

    def expect(self, heads: Mapping[str, tuple[int, str]]) -> None:
        """Remember heads of chains that were seen elsewhere: the database must have them."""
        self._seen.update(heads)
        own = heads.get(self.ledger_id)
        if own is not None:
            self._head = own[0], bytes.fromhex(own[1])

    def _check_head(self, transaction: Transaction, seq: int, head: bytes) -> None:
        """Check that the event we stored last is still in our chain.

        It is not where an older copy of the database was put back under us, or a replica that
        lacked the newest events took over: revocations may be missing too.

        Raises:
            LedgerLost: it is not. The log has it once.
        """
        if self._head is not None and self._head != (seq, head):
            self._check_event(
                transaction, self.ledger_id, (self._head[0], self._head[1].hex()), seq
            )

    def _check_event(
        self, transaction: Transaction, ledger_id: str, known: tuple[int, str], seq: int
    ) -> None:
        """Check that a chain that now ends with `seq` still has a known event."""
        there = None
        if seq >= known[0]:
            event = EVENT.c
            query = select(event.hash).where(event.ledger_id == ledger_id, event.seq == known[0])
            there = transaction.core.execute(query).scalar()
        if there != known[1]:
            self.lost(
                f"chain {ledger_id[:8]} lacks event {known[0]} that was stored before: an older "
                "copy was put back, or a replica took over"
            )

    def lost(self, what: str) -> NoReturn:
        """Refuse a database that lacks events.

        Raises:
            LedgerLost: always. The log has it once.
        """
        problem = f"{what}; nothing is stored and nothing sent until the service was restarted"
        if not self.is_lost:
            structlog.get_logger().error("ledger.events_lost", reason=problem)
        self.is_lost = True
        raise LedgerLost(problem, code="events_lost")
