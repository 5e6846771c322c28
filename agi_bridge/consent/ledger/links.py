"""The rows of events that are appended to a chain: each with its place, tags, body and link.

They are made as they are written: PostgreSQL stores the first while the next are tagged and
chained. Blocks; belongs to the ledger's thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Protocol

from agi_bridge.consent.chain import Tagger, hidden_leaf, link, named_records, tags_text
from agi_bridge.consent.encoding import canonical_bytes, stamp
from agi_bridge.consent.event_schema import LATE_TYPES, LONGEST_CALL_SECONDS
from agi_bridge.consent.models import SCHEMA
from agi_bridge.consent.states import OUTCOMES, Act, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from agi_bridge.consent.ledger.statement import Row, Statement
    from agi_bridge.consent.ledger.statements import Statements
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.models import StoredEvent
    from agi_bridge.consent.push import PushRoutes
    from agi_bridge.consent.signing.vault import PersonKey

AT_ONCE: Final = 96
"""Most events in one statement: a quarter of what a hundred calls store of their agreements. With
half as many, the messages cost what the overlap gives; SQLite takes them by sixteen."""
_ENDS: Final = frozenset({*OUTCOMES, State.REVOKED})
"""The states after which a submission is no longer under way."""
_NOBODYS: Final = frozenset({Act.OPENED, Act.CLOCK, Act.WITNESSED, Act.RESEALED})
"""The types of events that belong to no record."""


class Records(Protocol):
    """What tags ask of a chain's writer."""

    ledger_id: str

    def person(self, transaction: Transaction, consent_id: str) -> PersonKey | None:
        """The person of a stored record; None if it has none."""


class Tags:
    """The tags of a transaction's events: the person's, and those of the records they name.

    Whose the records are is asked here, once: nothing can be asked while rows are written.

    Args:
        records: knows the chain, and who a stored record is of.
        transaction: to ask in.
        persons: whose records are, as far as that is known already; None is nobody's.
        events: those that will be tagged.
    """

    __slots__ = ("_ledger_id", "_own", "_taggers")

    def __init__(
        self,
        records: Records,
        transaction: Transaction,
        persons: Mapping[str, PersonKey | None],
        events: Iterable[StoredEvent],
    ) -> None:
        self._ledger_id = records.ledger_id
        self._taggers: dict[bytes, Tagger] = {}
        self._own: dict[str, list[Tagger]] = {}
        for event in events:
            id_ = event.consent_id
            if id_ in self._own:
                continue
            own = self._own[id_] = [self._tagger(id_.encode())]
            if event.type not in _NOBODYS:
                person = persons[id_] if id_ in persons else records.person(transaction, id_)
                if person is not None:
                    own.append(self._tagger(person.salt))

    def of(self, event: StoredEvent, seq: int) -> list[str]:
        """The tags of an event at its place in the chain."""
        id_ = event.consent_id
        own = self._own[id_]
        others = named_records(id_, event.body)
        if len(others) == 1:
            return [tagger.tag(seq) for tagger in own]
        named = [self._tagger(other.encode()) for other in others if other != id_]
        return [tagger.tag(seq) for tagger in (*own, *named)]

    def _tagger(self, key: bytes) -> Tagger:
        found = self._taggers.get(key)
        if found is None:
            found = self._taggers[key] = Tagger(key, self._ledger_id)
        return found


@dataclass(slots=True)
class Links:
    """The rows of a transaction's events, chained to a head.

    Attributes:
        sql: the statements that write them.
        ledger_id: the chain's id.
        owner: whom submissions that begin are leased to.
        seq: of the chain's last event; moves on once all rows are made.
        head: its hash; the same.
        tags: of the events.
        written: seconds since the epoch.
        routes: the endpoints that messages about events are stored for.
        deadlines: of the submissions that begin, by consent.
        now: the deadline of one that has none among `deadlines`.
        pushed: the messages that were stored.
    """

    sql: Statements
    ledger_id: str
    owner: str
    seq: int
    head: bytes
    tags: Tags
    written: float
    routes: PushRoutes
    deadlines: Mapping[str, str]
    now: str
    pushed: list[Row] = field(default_factory=list)

    def statements(
        self, events: Iterable[StoredEvent]
    ) -> Iterator[tuple[Statement, Sequence[Row]]]:
        """What stores the events, in their order; to be written as it comes."""
        sql = self.sql
        late_before = stamp(self.written - LONGEST_CALL_SECONDS)
        same = {"schema": SCHEMA, "ledger_id": self.ledger_id, "written": stamp(self.written)}
        rows: list[Row] = []
        begun: list[Row] = []
        ended: list[Row] = []
        seq, head, ledger_id, routes = self.seq, self.head, self.ledger_id, self.routes
        for event in events:
            seq += 1
            type_ = event.type._value_  # `value` is a descriptor of Python's, four times as slow
            facts: dict[str, Any] = {
                **event.body,
                **same,
                "seq": seq,
                "event_id": event.event_id,
                "consent_id": event.consent_id,
                "type": type_,
                "at": event.at,
            }
            if event.at < late_before and event.type in LATE_TYPES:
                facts["late"] = True
            if event.type is State.SUBMITTING:
                facts["owner"] = self.owner
                facts["deadline"] = self.deadlines.get(event.consent_id, self.now)
                begun.append(self._submission(event, facts["deadline"]))
            elif event.type in _ENDS:
                ended.append((event.consent_id,))
            for endpoint in routes.get(event.type, ()):
                self.pushed.append(self._message(event, seq, endpoint))
            body, tags = canonical_bytes(facts), tags_text(self.tags.of(event, seq))
            head = link(head, hidden_leaf(tags, sha256(body).digest()))
            rows.append(
                (ledger_id, seq, event.consent_id, type_, event.at, tags, body.decode(), head.hex())
            )
            if len(rows) == AT_ONCE:
                yield sql.insert_event, rows
                rows = []
        self.seq, self.head = seq, head
        yield sql.insert_event, rows
        yield sql.insert_submission, begun
        yield sql.end_submission, ended
        yield sql.insert_outbox, self.pushed

    def _submission(self, event: StoredEvent, deadline: str) -> Row:
        return self.sql.insert_submission.arguments(
            consent_id=event.consent_id,
            ledger_id=self.ledger_id,
            owner=self.owner,
            deadline=deadline,
        )

    def _message(self, event: StoredEvent, seq: int, endpoint: str) -> Row:
        return self.sql.insert_outbox.arguments(
            new_ledger_id=self.ledger_id,
            new_seq=seq,
            new_endpoint=endpoint,
            record=event.consent_id,
            new_type=event.type.value,
            new_at=event.at,
        )
