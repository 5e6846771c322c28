"""Writes a group of appends in one transaction: checks them, seals personal data, chains events.

Blocks; belongs to the ledger's thread.
"""

from __future__ import annotations

from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
from sqlalchemy import func, select

from agi_bridge.consent.encoding import stamp
from agi_bridge.consent.errors import IllegalTransition, KeyFault, VaultDamaged, Withheld
from agi_bridge.consent.ledger import agreements, queries, transitions
from agi_bridge.consent.ledger.agreements import AllowedAgreement, Subject
from agi_bridge.consent.ledger.chain_writer import ChainWriter
from agi_bridge.consent.ledger.commit_checks import FAR, Allowed, last_statements
from agi_bridge.consent.ledger.repeats import check_repetition
from agi_bridge.consent.ledger.schema import DISCLOSURE, LIFTING, brand_key
from agi_bridge.consent.ledger.staged import FIRST, MAX_GROUP, Attempt, Found, Group, Person, Sealed
from agi_bridge.consent.ledger.transaction import IDLE_MS
from agi_bridge.consent.models import StoredEvent
from agi_bridge.consent.signing.vault import PersonKey
from agi_bridge.consent.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agi_bridge.consent.ledger.staged import Outcome
    from agi_bridge.consent.ledger.statement import Row, Statement
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.models import Batch, DisclosureHeard, PersonalData


T = TypeVar("T")

SEALED_AT_ONCE: Final = 32
"""Most rows of personal data in one statement."""


class Writer(ChainWriter):
    """Writes one bridge's chain, and the personal data that belongs to it.

    The arguments are those of `ChainWriter`.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - passed on
        super().__init__(*arguments, **named)
        self._known_versions: dict[str, int] = {}

    def store(
        self, transaction: Transaction, batches: Sequence[Batch], attempt: Attempt = FIRST
    ) -> list[Outcome]:
        """Store the valid batches of a group; return the result of each batch."""
        subjects = [
            None if batch.personal is None else Subject.of(batch.personal, self.vault)
            for batch in batches
        ]
        self.lock(transaction, _names(batches, subjects), wait_ms=attempt.wait_ms, by_index=True)
        group, found = Group(attempt.exclusive), self._look_up(transaction, batches, subjects)
        for batch, subject, rows in zip(batches, subjects, found, strict=True):
            if self._was_stored(transaction, batch, attempt):
                group.outcomes.append(None)
                continue
            try:
                self._stage(transaction, group, batch, subject, rows)
            except (IllegalTransition, Withheld) as refusal:
                group.outcomes.append(refusal)
            else:
                group.outcomes.append(None)
        if group.events:
            self._insert(transaction, group)
        if group.allowed and transaction.locks:
            transaction.last.extend(
                last_statements(group.allowed, self.clock(), largest_group=MAX_GROUP)
            )
        return group.outcomes

    @staticmethod
    def _was_stored(transaction: Transaction, batch: Batch, attempt: Attempt) -> bool:
        """Whether an earlier attempt stored a batch, though nobody was told so."""
        last = batch.events[-1].event_id
        return last in attempt.maybe_stored and any(
            row.fields["event_id"] == last for row in queries.rows_of(transaction, batch.consent_id)
        )

    def keep_personal(
        self, transaction: Transaction, consent_id: str, personal: PersonalData
    ) -> PersonKey:
        """Seal and store personal data under the id of an act; returns its person.

        What a person has asked for is stored even if the key of their other data cannot be opened:
        it then gets its own key.
        """
        subject = Subject.of(personal, self.vault)
        known = None
        if subject.number is not None:
            sql = self._sql.person
            known = transaction.cursor.execute(
                sql.text, sql.arguments(person_id=subject.number)
            ).fetchone()
        owner = self._owner(consent_id, subject.number, None if known is None else known[0])
        row = self._row(consent_id, subject, owner, stamp(self.clock()), None)
        transaction.write(
            (
                (self._sql.insert_person, [self._person_row(owner)] if owner.is_new else []),
                (self._sql.insert_pii, [row]),
            )
        )
        return owner.key

    def _owner(self, consent_id: str, number: str | None, sealed: bytes | None) -> Person:
        """The person of a record: that of the number, opened from the sealed key if there is one.

        Where no number is known, or the key that is there cannot be opened, the record gets its
        own person: what somebody has asked for is stored all the same.
        """
        if number is None:
            return Person(consent_id, PersonKey.new(), is_new=True)
        if sealed is None:
            return Person(number, PersonKey.new(), is_new=True)
        try:
            return Person(number, self.vault.open_person(number, sealed))
        except (KeyFault, VaultDamaged) as error:
            structlog.get_logger().error(
                "consent.person_key_unusable", consent=consent_id, reason=str(error)
            )
            return Person(consent_id, PersonKey.new(), is_new=True)

    def version(self, transaction: Transaction, language: str, text: str, sha256: str) -> int:
        """The version of a disclosure's wording in its language; a new one gets the next."""
        known = self._known_versions.get(sha256)
        if known is not None:
            return known
        table = DISCLOSURE.c
        kept = select(table.version).where(table.sha256 == sha256)
        version: int | None = transaction.core.execute(kept).scalar()
        if version is None:
            transaction.lock(["disclosure"], idle_ms=IDLE_MS)
            newest = select(func.coalesce(func.max(table.version), 0)).where(table.lang == language)
            following = transaction.core.execute(newest).scalar_one() + 1
            sql = self._sql.insert_disclosure
            transaction.cursor.execute(
                sql.text, sql.arguments(sha256=sha256, lang=language, version=following, text=text)
            )
            version = int(transaction.core.execute(kept).scalar_one())
        transaction.committed.append(partial(self._known_versions.__setitem__, sha256, version))
        return version

    def _look_up(
        self,
        transaction: Transaction,
        batches: Sequence[Batch],
        subjects: Sequence[Subject | None],
    ) -> list[Found]:
        """What is stored of each batch's record, and what stands against its agreement.

        The hour of a line is counted once for all of its callers: it may have thousands.
        """
        sql = self._sql
        continued = [batch.events[0].type not in _FIRST for batch in batches]
        agreeing = [subject for subject in subjects if subject is not None]
        lines = {
            each.person.line_id: agreements.line_question(self, sql.line_counts, each)
            for each in agreeing
            if each.person.rules.line_per_hour
        }
        records = [(batch.consent_id,) for batch in compress(batches, continued)]
        questions = [agreements.question(self, sql.agreement_checks, each) for each in agreeing]
        stored, checks, counts = transaction.look_up(
            (
                (sql.stored, records),
                (sql.agreement_checks, questions),
                (sql.line_counts, list(lines.values())),
            )
        )
        of_line = dict(zip(lines, counts, strict=True))
        next_stored, next_checks = iter(stored), iter(checks)
        return [
            Found(
                next(next_stored) if is_continued else None,
                None
                if subject is None
                else (*next(next_checks), *(of_line.get(subject.person.line_id) or (0, 0, 0))),
            )
            for is_continued, subject in zip(continued, subjects, strict=True)
        ]

    # A batch

    def _stage(
        self,
        transaction: Transaction,
        group: Group,
        batch: Batch,
        subject: Subject | None,
        found: Found,
    ) -> None:
        """Add a batch to the group, or raise the reason why it is not allowed."""
        events, consent_id = batch.events, batch.consent_id
        begins = events[0].type in _FIRST
        state = group.states.get(consent_id)
        if state is None and not begins:
            state = self._state_before(transaction, consent_id, found)
        check_repetition(transaction, state, events[0])
        if transitions.comes_late(state, events[0].type):
            events = (transitions.after_all(events[0]), *events[1:])
        state = transitions.state_after(state, events)
        if subject is not None:
            verdict = agreements.check(transaction, self, found.checks, subject, group.taken)
            events = self._agree(group, batch, subject, verdict, events)
        elif begins:
            group.whose[consent_id] = None
        elif consent_id not in group.whose:
            self._continue(group, batch, found.stored)
        group.states[consent_id] = state
        if batch.lease_seconds:
            group.leases[consent_id] = batch.lease_seconds
        if batch.disclosure is not None:
            events = (self._with_version(transaction, events[0], batch.disclosure), *events[1:])
        group.events += events

    def _state_before(
        self, transaction: Transaction, consent_id: str, found: Found
    ) -> State | None:
        """The stored state of a consent that is continued."""
        if found.stored is None:
            return self.state(transaction, consent_id)
        return None if found.stored[0] is None else State(found.stored[0])

    def _agree(
        self,
        group: Group,
        batch: Batch,
        subject: Subject,
        verdict: AllowedAgreement,
        events: tuple[StoredEvent, ...],
    ) -> tuple[StoredEvent, ...]:
        """Accept an agreement; returns its events, with those of the revocations that it lifts."""
        assert subject.number is not None  # noqa: S101 - an agreement has a number
        person = group.persons.get(subject.number)
        if person is None:
            person = self._owner(batch.consent_id, subject.number, verdict.person)
            if person.is_new:
                group.new_persons.append(person)
            if person.person_id == subject.number:
                group.persons[subject.number] = person
        group.whose[batch.consent_id] = person.key
        group.subjects.append((batch, subject, person))
        sealed = None if person.is_new else verdict.person
        is_far = verdict.most_left > FAR and not group.exclusive
        group.allowed.append(Allowed(subject, sealed, is_far))
        brand = subject.person.brand or ""
        group.lifted += [(id_, brand_key(brand)) for id_ in verdict.lifts]
        return (*events, *transitions.lifting(batch.consent_id, verdict.lifts, brand))

    def _continue(self, group: Group, batch: Batch, stored: Any) -> None:  # noqa: ANN401 - a row
        """Find the person of a stored consent; open its personal data if there is more to add."""
        id_ = batch.consent_id
        group.whose[id_] = None
        if stored is None:
            return
        _, person_id, key, sealed = stored
        try:
            person = self.vault.open_person(person_id, key)
            values = self.vault.open(person, id_, sealed) if batch.learned else {}
        except (KeyFault, VaultDamaged) as error:  # the outcome is stored all the same
            if batch.learned:
                structlog.get_logger().error(
                    "consent.details_not_kept", consent=id_, reason=str(error)
                )
            return
        group.whose[id_] = person
        if batch.learned:
            group.learned.append((batch, Sealed(person, values)))

    def _with_version(
        self, transaction: Transaction, event: StoredEvent, heard: DisclosureHeard
    ) -> StoredEvent:
        version = self.version(transaction, heard.language, heard.text, heard.sha256)
        body = {**event.body, "disclosure_version": version}
        return StoredEvent(event.event_id, event.consent_id, event.type, event.at, body)

    # The group

    def _insert(self, transaction: Transaction, group: Group) -> None:
        self.append(
            transaction,
            group.events,
            persons=group.whose,
            leases=group.leases,
            then=self._personal(group),
        )
        for revocation_id, brand in group.lifted:
            transaction.core.execute(
                LIFTING.insert().values(revocation_id=revocation_id, brand=brand)
            )

    def _personal(self, group: Group) -> Iterator[tuple[Statement, Sequence[Row]]]:
        """What stores the personal data of a group, sealed as it is written."""
        sql, now = self._sql, stamp(self.clock())
        yield sql.insert_person, [self._person_row(each) for each in group.new_persons]
        for some in _portions(group.subjects):
            rows = [
                self._row(
                    batch.consent_id, subject, person, now,
                    None if batch.disclosure is None else batch.disclosure.sha256,
                )
                for batch, subject, person in some
            ]  # fmt: skip
            yield sql.insert_pii, rows
        for learned in _portions(sorted(group.learned, key=lambda each: each[0].consent_id)):
            yield sql.reseal, [self._resealed(*each) for each in learned]

    def _person_row(self, person: Person) -> tuple[Any, ...]:
        sealed = self.vault.seal_person(person.person_id, person.key)
        return self._sql.insert_person.arguments(person_id=person.person_id, sealed=sealed)

    def _resealed(self, batch: Batch, sealed: Sealed) -> tuple[Any, ...]:
        """What is sealed of a record, with what was learned since."""
        values = {**sealed.values, **(batch.learned or {})}
        fresh = self.vault.seal(sealed.person, batch.consent_id, values)
        return self._sql.reseal.arguments(of=batch.consent_id, sealed=fresh)

    def _row(
        self,
        consent_id: str,
        subject: Subject,
        person: Person,
        at: str,
        disclosure_sha256: str | None,
    ) -> tuple[Any, ...]:
        personal = subject.person
        return self._sql.insert_pii.arguments(
            consent_id=consent_id,
            person_id=person.person_id,
            kind=personal.kind,
            line_id=personal.line_id,
            brand=None if personal.brand is None else brand_key(personal.brand),
            at=at,
            number_hmac=subject.number,
            caller_hmac=subject.caller,
            sealed=self.vault.seal(person.key, consent_id, personal.values),
            disclosure_sha256=disclosure_sha256,
            trimmed=False,
            restricted_until=None,
        )


def _names(batches: Sequence[Batch], subjects: Sequence[Subject | None]) -> Iterator[str]:
    """The names to lock first: the consents themselves. The rest is `commit_checks`' to lock."""
    for batch, subject in zip(batches, subjects, strict=True):
        yield f"consent:{batch.consent_id}"
        if subject is not None and subject.person.relies_on is not None:
            yield f"consent:{subject.person.relies_on}"


def _portions(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Rows in their order, as many at a time as PostgreSQL stores while the next are sealed."""
    return (rows[first : first + SEALED_AT_ONCE] for first in range(0, len(rows), SEALED_AT_ONCE))


_FIRST: Final = frozenset({State.DISCLOSED, State.RETURNED})
