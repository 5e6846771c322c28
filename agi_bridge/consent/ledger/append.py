"""One group of appends, one transaction: what may be stored, and how it is chained and sealed.

Blocks; belongs to the ledger's thread. Times are RFC 3339 in UTC, which sort as texts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, overload

import structlog
from sqlalchemy import func, select, update

from agi_bridge.consent.chain import START, leaf, link
from agi_bridge.consent.encoding import DAY, HOUR, canonical, stamp, timestamp
from agi_bridge.consent.errors import (
    IllegalTransition,
    KeyFault,
    LedgerLost,
    VaultDamaged,
    Withheld,
)
from agi_bridge.consent.ledger.schema import DISCLOSURE, EVENT, EVERY_BRAND, SUPPRESSION, brand_key
from agi_bridge.consent.models import SCHEMA, StoredEvent
from agi_bridge.consent.states import OUTCOMES, Act, State, step
from agi_bridge.observe import wall_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from agi_bridge.consent.ledger.database import Transaction
    from agi_bridge.consent.ledger.statements import Statements
    from agi_bridge.consent.models import Batch, DisclosureHeard, PersonalData
    from agi_bridge.consent.signing.vault import Vault

Outcome: TypeAlias = "IllegalTransition | Withheld | None"
"""What became of one batch: None is stored."""

AHEAD: Final = 300.0
"""How far in the future an agreement still counts, in seconds: by so much at most do the clocks of
bridges on one database differ. What is further ahead was dated by a clock that was wrong."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """Personal data with the keyed hashes that it is found by, each computed once.

    Attributes:
        person: what is sealed.
        number: of the number.
        unidentified: of all callers of the line who show no number; None where there was no call.
        caller: what limits know the caller by: the number shown, else `unidentified`.
    """

    person: PersonalData
    number: str | None
    unidentified: str | None
    caller: str | None


@dataclass(slots=True)
class _Group:
    """What the batches of one transaction have come to so far."""

    outcomes: list[Outcome] = field(default_factory=list)
    states: dict[str, State | None] = field(default_factory=dict)
    taken: Counter[str] = field(default_factory=Counter)
    events: list[StoredEvent] = field(default_factory=list)
    people: list[tuple[Batch, _Subject]] = field(default_factory=list)
    learned: list[Batch] = field(default_factory=list)
    lifted: list[_Subject] = field(default_factory=list)


class Writer:
    """Writes one bridge's chain.

    Args:
        statements: for the database that it is in.
        vault: seals and finds personal data.
        ledger_id: the chain's id.
        clock: seconds since the epoch, which limits and retention count by.
    """

    def __init__(
        self,
        statements: Statements,
        vault: Vault,
        ledger_id: str,
        clock: Callable[[], float] = wall_clock.now,
    ) -> None:
        self.vault = vault
        self.ledger_id = ledger_id
        self.clock = clock
        self._sql = statements
        self._head: tuple[int, bytes] | None = None
        self._lost = False
        self._versions: dict[str, int] = {}

    def store(self, transaction: Transaction, batches: Sequence[Batch]) -> list[Outcome]:
        """Store what may be stored of a group; say what became of each batch."""
        subjects = [self._subject(batch.personal) for batch in batches]
        self.lock(transaction, _names(batches, subjects))
        group = _Group()
        for batch, subject in zip(batches, subjects, strict=True):
            try:
                self._stage(transaction, group, batch, subject)
            except (IllegalTransition, Withheld) as refusal:
                group.outcomes.append(refusal)
            else:
                group.outcomes.append(None)
        if group.events:
            self._insert(transaction, group)
        return group.outcomes

    def lock(self, transaction: Transaction, names: Iterable[str] = ()) -> None:
        """Take the locks that a transaction needs, our chain's and these; once and first."""
        transaction.lock([f"chain:{self.ledger_id}", *names])

    def append(self, transaction: Transaction, events: Sequence[StoredEvent]) -> None:
        """Chain events to what is stored; their consents' states are the caller's business."""
        sql = self._sql
        last = transaction.cursor.execute(
            sql.head.text, sql.head.arguments(ledger_id=self.ledger_id)
        ).fetchone()
        seq, head = (0, START) if last is None else (last[0], bytes.fromhex(last[1]))
        self._check_head(transaction, seq, head)
        rows = []
        for seq_, event in enumerate(events, seq + 1):
            body = canonical(
                {
                    **event.body,
                    "schema": SCHEMA,
                    "ledger_id": self.ledger_id,
                    "seq": seq_,
                    "event_id": event.event_id,
                    "consent_id": event.consent_id,
                    "type": event.type.value,
                    "at": event.at,
                }
            )
            head = link(head, leaf(body))
            rows.append(
                (
                    self.ledger_id,
                    seq_,
                    event.consent_id,
                    event.type.value,
                    event.at,
                    body,
                    head.hex(),
                )
            )
        transaction.cursor.executemany(sql.insert_event.text, rows)
        transaction.committed.append(partial(self._remember_head, seq + len(rows), head))

    def keep_personal(
        self, transaction: Transaction, consent_id: str, person: PersonalData
    ) -> None:
        """Seal and store personal data under the id of an act; it is kept from now on."""
        now = stamp(self.clock())
        transaction.cursor.execute(
            self._sql.insert_pii.text,
            self._row(consent_id, self._subject(person), now, None),
        )

    def state(self, transaction: Transaction, consent_id: str) -> State | None:
        """The state that a consent was left in; None if it is not in the ledger."""
        sql = self._sql.last_state
        last = transaction.cursor.execute(sql.text, (consent_id,)).fetchone()
        return None if last is None else State(last[0])

    def version(self, transaction: Transaction, language: str, text: str, sha256: str) -> int:
        """The version of a disclosure's wording in its language; a new one gets the next."""
        known = self._versions.get(sha256)
        if known is not None:
            return known
        transaction.lock(["disclosure"])
        table = DISCLOSURE.c
        newest = select(func.coalesce(func.max(table.version), 0)).where(table.lang == language)
        version: int = transaction.core.execute(newest).scalar_one() + 1
        sql = self._sql.insert_disclosure
        transaction.cursor.execute(
            sql.text, sql.arguments(sha256=sha256, lang=language, version=version, text=text)
        )
        kept = select(table.version).where(table.sha256 == sha256)
        return int(transaction.core.execute(kept).scalar_one())

    def remember(self, sha256: str, version: int) -> None:
        """A disclosure is committed under this version: no need to look it up again."""
        self._versions[sha256] = version

    def _remember_head(self, seq: int, head: bytes) -> None:
        self._head = seq, head

    def _check_head(self, transaction: Transaction, seq: int, head: bytes) -> None:
        """See that what we stored last is still in our chain, whatever came to it since.

        It is not where an older copy of the database was put back under us, or a replica that
        lacked the newest events took over: revocations may be missing too.

        Raises:
            LedgerLost: it is not. The log has it once.
        """
        if self._head is None or self._head == (seq, head):
            return
        known, hash_ = self._head
        there = None
        if seq > known:  # a command stored something with our key
            event = EVENT.c
            query = select(event.hash).where(event.ledger_id == self.ledger_id, event.seq == known)
            there = transaction.core.execute(query).scalar()
        if there != hash_.hex():
            problem = (
                "the database lacks events that were stored before: an older copy was put back; "
                "nothing is stored and nothing sent until the service was restarted"
            )
            if not self._lost:
                structlog.get_logger().error("ledger.events_lost", reason=problem)
            self._lost = True
            raise LedgerLost(problem)

    def _stage(
        self, transaction: Transaction, group: _Group, batch: Batch, subject: _Subject | None
    ) -> None:
        """Take a batch into the group, or raise why it may not be stored."""
        events = batch.events
        state = group.states.get(batch.consent_id)
        if state is None and events[0].type not in _FIRST:
            state = self.state(transaction, batch.consent_id)
        if state is State.REVOKED and events[0].type in OUTCOMES:
            events = (_after_all(events[0]), *events[1:])
        for event in events:
            if isinstance(event.type, State):
                try:
                    state = step(state, event.type)
                except IllegalTransition as error:
                    raise IllegalTransition(f"consent {batch.consent_id}: {error}") from None
        if subject is not None:
            self._check_limits(transaction, group, subject)
            group.people.append((batch, subject))
        group.states[batch.consent_id] = state
        if batch.learned:
            group.learned.append(batch)
        if batch.disclosure is not None:
            events = (self._with_version(transaction, events[0], batch.disclosure), *events[1:])
        group.events += events

    def _check_limits(self, transaction: Transaction, group: _Group, subject: _Subject) -> None:
        """See that a number may be agreed to: not revoked, and no limit is reached."""
        person, number, caller = subject.person, subject.number, subject.caller
        rules = person.rules
        line = person.line_id
        now = self.clock()
        until = stamp(now + AHEAD)
        over_caller, per_caller = _caller_limit(person)
        sql = self._sql.agreement_checks
        brand, every, numbers, callers, on_line, own, nobody = transaction.cursor.execute(
            sql.text,
            sql.arguments(
                brand_number=number, every_number=number, brand=brand_key(person.brand or ""),
                number=number, on_line=line,
                day=_since(now, DAY, rules.number_per_day), day_until=until,
                caller=caller, caller_day=_since(now, DAY, per_caller), caller_day_until=until,
                line=line, nobody=subject.unidentified,
                hour=_since(now, HOUR, rules.line_per_hour), hour_until=until,
            ),
        ).fetchone()  # fmt: skip
        suppressed = brand == 1 or (brand is None and every == 1)
        if suppressed and (person.caller_id != person.number or person.kind == "returned"):
            raise Withheld("suppressed")
        limits = [
            (f"number {number} {line}", "number_limit", numbers, rules.number_per_day),
            (f"caller {caller}", over_caller, callers, per_caller),
            (f"line {line}", "line_limit", on_line, rules.line_per_hour),
        ]
        if number == caller:
            share = rules.hourly(rules.own_number_share)
            limits.append((f"own {line}", "line_share", own, share))
        else:
            share = rules.hourly(rules.other_number_share)
            limits.append((f"other {line}", "line_share", on_line - own, share))
        if person.caller_id is None:
            share = rules.hourly(rules.unidentified_share)
            limits.append((f"nobody {line}", "line_share", nobody, share))
        for key, reason, stored, limit in limits:
            if limit and stored + group.taken[key] >= limit:
                raise Withheld(reason)
        group.taken.update(key for key, *_ in limits)
        if suppressed:
            group.lifted.append(subject)

    def _with_version(
        self, transaction: Transaction, event: StoredEvent, heard: DisclosureHeard
    ) -> StoredEvent:
        version = self.version(transaction, heard.language, heard.text, heard.sha256)
        body = {**event.body, "disclosure_version": version}
        return StoredEvent(event.event_id, event.consent_id, event.type, event.at, body)

    def _insert(self, transaction: Transaction, group: _Group) -> None:
        self.append(transaction, group.events)
        sql = self._sql
        now = stamp(self.clock())
        if group.people:
            transaction.cursor.executemany(
                sql.insert_pii.text,
                [
                    self._row(
                        batch.consent_id, subject, now,
                        None if batch.disclosure is None else batch.disclosure.sha256,
                    )
                    for batch, subject in group.people
                ],
            )  # fmt: skip
        for batch in sorted(group.learned, key=lambda batch: batch.consent_id):
            self._learn(transaction, batch)
        for subject in group.lifted:
            self._lift(transaction, subject)

    def _row(
        self, consent_id: str, subject: _Subject, at: str, disclosure_sha256: str | None
    ) -> tuple[object, ...]:
        person = subject.person
        return self._sql.insert_pii.arguments(
            consent_id=consent_id,
            kind=person.kind,
            line_id=person.line_id,
            brand=None if person.brand is None else brand_key(person.brand),
            at=at,
            number_hmac=subject.number,
            caller_hmac=subject.caller,
            sealed=self.vault.seal(consent_id, person.values),
            disclosure_sha256=disclosure_sha256,
            trimmed=False,
            restricted_until=None,
        )

    def _learn(self, transaction: Transaction, batch: Batch) -> None:
        """Add to what is sealed, if it was not erased meanwhile."""
        sql = self._sql
        row = transaction.cursor.execute(sql.sealed.text, (batch.consent_id,)).fetchone()
        if row is not None:
            try:
                known = self.vault.open(batch.consent_id, row[0])
            except (KeyFault, VaultDamaged) as error:  # the outcome is stored all the same
                structlog.get_logger().error(
                    "consent.details_not_kept", consent=batch.consent_id, reason=str(error)
                )
                return
            sealed = self.vault.seal(batch.consent_id, {**known, **(batch.learned or {})})
            transaction.cursor.execute(
                sql.reseal.text, sql.reseal.arguments(of=batch.consent_id, sealed=sealed)
            )

    def _lift(self, transaction: Transaction, subject: _Subject) -> None:
        """A consent given since, by the number itself, ends its revocation for this brand."""
        number, brand = subject.number, brand_key(subject.person.brand or "")
        row = SUPPRESSION.c
        now = timestamp()
        lifted = transaction.core.execute(
            update(SUPPRESSION)
            .where(row.number_hmac == number, row.brand == brand)
            .values(lifted_at=now)
        )
        if lifted.rowcount == 0:  # it was revoked for every brand
            every = select(row.revocation_id, row.revoked_at).where(
                row.number_hmac == number, row.brand == EVERY_BRAND
            )
            revocation_id, revoked_at = transaction.core.execute(every).one()
            transaction.core.execute(
                SUPPRESSION.insert().values(
                    number_hmac=number, brand=brand, revocation_id=revocation_id,
                    revoked_at=revoked_at, lifted_at=now,
                )
            )  # fmt: skip

    @overload
    def _subject(self, person: PersonalData) -> _Subject: ...
    @overload
    def _subject(self, person: None) -> None: ...
    @overload
    def _subject(self, person: PersonalData | None) -> _Subject | None: ...
    def _subject(self, person: PersonalData | None) -> _Subject | None:
        if person is None:
            return None
        lookup, line = self.vault.lookup, person.line_id
        nobody = None if line is None else lookup(f"\0callers without a number: {line}")
        number = None if person.number is None else lookup(person.number)
        caller = nobody if person.caller_id is None else lookup(person.caller_id)
        return _Subject(person, number, nobody, caller)


def _names(batches: Sequence[Batch], subjects: Sequence[_Subject | None]) -> Iterator[str]:
    """What to lock: consents that are continued, numbers, callers and lines."""
    for batch, subject in zip(batches, subjects, strict=True):
        yield f"consent:{batch.consent_id}"
        if subject is not None:
            yield f"number:{subject.number}"
            if _caller_limit(subject.person)[1]:
                yield f"caller:{subject.caller}"
            if subject.person.rules.line_per_hour:
                yield f"line:{subject.person.line_id}"


def _after_all(event: StoredEvent) -> StoredEvent:
    """The outcome of a submission whose consent was revoked while it was on its way."""
    body = {**event.body, "outcome": event.type.value}
    return StoredEvent(event.event_id, event.consent_id, Act.SETTLED, event.at, body)


def _caller_limit(person: PersonalData) -> tuple[str, int]:
    """How many agreements a caller may make in 24 hours, and the reason to withhold one more."""
    if person.caller_id is None:
        return "unidentified_limit", person.rules.unidentified_per_day
    return "caller_limit", person.rules.caller_per_day


def _since(now: float, span: float, limit: int) -> str:
    """From when on agreements count; where there is no limit, none has to be looked at."""
    return stamp(now - span) if limit else "9999"


_FIRST: Final = frozenset({State.DISCLOSED, State.RETURNED})
