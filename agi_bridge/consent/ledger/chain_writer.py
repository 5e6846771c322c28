"""Writes one bridge's chain: every event with its place, its times and its tags, chained by hash.

Blocks; belongs to the ledger's thread. Times are RFC 3339 in UTC, which sort as texts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

import structlog
from sqlalchemy import select

from agi_bridge.consent.chain import START
from agi_bridge.consent.encoding import Identifiers, stamp
from agi_bridge.consent.errors import KeyFault, LedgerLost, VaultDamaged
from agi_bridge.consent.event_schema import SKEW_SECONDS
from agi_bridge.consent.ledger import queries
from agi_bridge.consent.ledger.links import Links, Tags
from agi_bridge.consent.ledger.schema import EVENT
from agi_bridge.consent.ledger.transaction import IDLE_MS
from agi_bridge.consent.models import StoredEvent
from agi_bridge.consent.states import Act, State
from agi_bridge.observe import ask_kernel, wall_clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agi_bridge.consent.chain import Chain
    from agi_bridge.consent.encoding import Body
    from agi_bridge.consent.ledger.statement import Row, Statement
    from agi_bridge.consent.ledger.statements import Statements
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.push import PushRoutes
    from agi_bridge.consent.signing.vault import PersonKey, Vault

Clocks: TypeAlias = Callable[[], tuple[float, float]]
"""Reads the machine's time of day and its running time, both in seconds."""

_MOST: Final = 1 << 62
"""No event has a number so high."""


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
        then: Iterable[tuple[Statement, Sequence[Row]]] = (),
    ) -> None:
        """Append events to the chain; the caller updates their consents' states.

        PostgreSQL stores the first of many while the next are tagged and chained.

        Args:
            transaction: holds the chain's lock.
            events: in their order.
            persons: whose the records are, as far as that is known already; None is nobody's.
            leases: how many seconds the submissions that begin may take, by consent.
            quiet: no other system is told.
            then: what is written after the events, if there are any; made as it is sent.
        """
        sql = self._sql
        routes: PushRoutes = {} if quiet else self.push_routes
        last = transaction.cursor.execute(
            sql.head.text, sql.head.arguments(ledger_id=self.ledger_id)
        ).fetchone()
        seq, head = (0, START) if last is None else self._last(*last[:2])
        self._check_head(transaction, seq, head)
        read = self._clocks()
        step = self._clock_event(read, None if last is None else last[2])
        every = [*step, *events]
        if not every:
            return
        tags = Tags(self, transaction, persons or {}, every)
        now = 0.0  # by the database's clock
        if any(event.type is State.SUBMITTING for event in every):
            now = self.database_now(transaction)
        links = Links(
            sql, self.ledger_id, self.owner, seq, head, tags, read[0], routes,
            {id_: stamp(now + seconds) for id_, seconds in (leases or {}).items()}, stamp(now),
        )  # fmt: skip
        transaction.write(chain(links.statements(every), then))
        if links.pushed and self.pushed is not None:
            transaction.committed.append(self.pushed)
        transaction.committed.append(partial(self._remember, links.seq, links.head, read))

    def note_clock(self, transaction: Transaction) -> None:
        """Append a `clock` event if the clock was set since the last event."""
        self.append(transaction, [])

    def state(self, transaction: Transaction, consent_id: str) -> State | None:
        """The last state of a consent; None if there is none, or what says so was changed."""
        last = transaction.cursor.execute(self._sql.last_state.text, (consent_id,)).fetchone()
        try:
            return None if last is None else State(last[0])
        except ValueError:  # it was changed
            return None

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
        elif isinstance(last_at, str) and stamp(wall + SKEW_SECONDS) < last_at:
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

    def _last(self, seq: object, hash_: object) -> tuple[int, bytes]:
        """Number and hash of our last event.

        Raises:
            LedgerLost: it was changed into what nothing ever wrote: nothing can follow it.
        """
        head = b""
        with suppress(ValueError):
            head = bytes.fromhex(hash_) if isinstance(hash_, str) else b""
        if not head or type(seq) is not int or not 0 < seq < _MOST:
            self.lost(f"the last event of chain {self.ledger_id[:8]} was changed")
        return seq, head

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
