"""The SQL of the writes that calls wait for: compiled once, executed directly by the driver."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    LargeBinary,
    String,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import sqlite

from agi_bridge.consent.ledger.schema import (
    DISCLOSURE,
    EVENT,
    EVERYTHING,
    LIFTING,
    OUTBOX,
    PERSON,
    PII,
    SUBMISSION,
    SUPPRESSION,
)
from agi_bridge.consent.ledger.statement import Compiler, Statement
from agi_bridge.consent.states import State

if TYPE_CHECKING:
    from sqlalchemy import (
        BindParameter,
        ColumnElement,
        Delete,
        Insert,
        ScalarSelect,
        Select,
        Update,
    )

    from agi_bridge.consent.ledger.statement import Values


_TEXT: Final = String()
_CHECKED: Final = (
    "revoked_number", "brand_scope", "seller_scope", "named_brand", "brand",
    "number", "on_line", "day", "day_until", "caller", "caller_day", "caller_day_until", "person",
)  # fmt: skip
_COUNTED: Final = ("nobody", "line", "hour", "hour_until")
"""What look-ups are given, in the order of their texts."""


@dataclass(frozen=True, slots=True)
class Statements:
    """All statements, in the SQL dialect of one database."""

    head: Statement
    """seq, hash and time of a chain's last event."""
    now: Statement
    """The database's clock, in seconds since the epoch."""
    last_state: Statement
    """The state that a consent was left in."""
    agreement_checks: Statement
    """What stands against an agreement: see `_agreement_checks` below."""
    line_counts: Statement
    """A line's agreements in an hour: all, by callers who keyed the number they showed, and by
    callers who showed none."""
    insert_event: Statement
    insert_disclosure: Statement
    insert_pii: Statement
    insert_person: Statement
    person: Statement
    """A person's sealed key."""
    sealed: Statement
    """Of a record: the person's id, their sealed key (NULL if it is gone), the sealed data."""
    stored: Statement
    """The same behind the state that the record was left in; no row if nothing of it is sealed."""
    reseal: Statement
    insert_submission: Statement
    end_submission: Statement
    insert_outbox: Statement
    """A message to another system, under its person's number, or on its own if none is known."""
    may_send: Statement
    """Who submits a consent and until when, and the state that it is in."""

    @classmethod
    @cache
    def for_sqlite(cls) -> Statements:
        """For Python's sqlite3."""
        return cls._compiled(
            Compiler(sqlite.dialect(), takes_rows=False),
            sqlite.insert(DISCLOSURE).on_conflict_do_nothing(),
            "(julianday('now') - 2440587.5) * 86400.0",
        )

    @classmethod
    @cache
    def for_postgresql(cls) -> Statements:
        """For psycopg. A ledger in SQLite does not load PostgreSQL's words."""
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - the reason stands above

        dialect = postgresql.dialect(paramstyle="format")  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its constructor untyped
        return cls._compiled(
            Compiler(dialect, takes_rows=True),
            postgresql.insert(DISCLOSURE).on_conflict_do_nothing(),
            "extract(epoch FROM clock_timestamp())::float8",
        )

    @classmethod
    def _compiled(cls, sql: Compiler, disclosure: Insert, now: str) -> Statements:
        return cls(
            head=sql.alone(
                select(EVENT.c.seq, EVENT.c.hash, EVENT.c.at)
                .where(EVENT.c.ledger_id == bindparam("ledger_id"))
                .order_by(EVENT.c.seq.desc())
                .suffix_with("LIMIT 1")
            ),
            now=sql.alone(select(literal_column(now))),
            last_state=sql.alone(_last_state(bindparam("consent_id"))),
            agreement_checks=sql.looks_up(_agreement_checks, dict.fromkeys(_CHECKED, _TEXT)),
            line_counts=sql.looks_up(_line_counts, dict.fromkeys(_COUNTED, _TEXT), counts=True),
            insert_event=sql.inserts(EVENT, without="id"),
            insert_disclosure=sql.alone(disclosure, DISCLOSURE.columns.keys()),
            insert_pii=sql.inserts(PII),
            insert_person=sql.inserts(PERSON),
            person=sql.alone(
                select(PERSON.c.sealed).where(PERSON.c.person_id == bindparam("person_id"))
            ),
            sealed=sql.alone(_of_record(bindparam, PII.c.person_id, PERSON.c.sealed, PII.c.sealed)),
            stored=sql.looks_up(_stored, {"consent_id": _TEXT}),
            reseal=sql.changes(_reseal, {"sealed": LargeBinary(), "of": _TEXT}),
            insert_submission=sql.inserts(SUBMISSION),
            end_submission=sql.changes(_end_submission, {"consent_id": _TEXT}),
            insert_outbox=sql.alone(_insert_outbox()),
            may_send=sql.alone(
                select(
                    SUBMISSION.c.owner,
                    SUBMISSION.c.deadline,
                    literal_column(now),
                    _last_state(SUBMISSION.c.consent_id).scalar_subquery(),
                ).where(SUBMISSION.c.consent_id == bindparam("consent_id"))
            ),
        )


def _last_state(consent_id: ColumnElement[str]) -> Select[Any]:
    """The state that a consent was left in.

    Not with IN: SQLite puts a list of constants into a table of its own at each execution, which
    costs more than the look-up.
    """
    event = EVENT.c
    is_state = or_(*(event.type == _constant(state.value) for state in State))
    return (
        select(event.type)
        .where(event.consent_id == consent_id, is_state)
        .order_by(event.id.desc())
        .suffix_with("LIMIT 1")
    )


def _of_record(value: Values, *columns: ColumnElement[Any]) -> Select[Any]:
    """What is sealed of a record, held against other writers until the end of the transaction."""
    return (
        select(*columns)
        .select_from(PII.outerjoin(PERSON, PERSON.c.person_id == PII.c.person_id))
        .where(PII.c.consent_id == value("consent_id"))
        .with_for_update(of=PII)
    )


def _stored(value: Values) -> Select[Any]:
    state = _last_state(PII.c.consent_id).scalar_subquery()
    return _of_record(value, state, PII.c.person_id, PERSON.c.sealed, PII.c.sealed)


def _reseal(value: Values) -> Update:
    return update(PII).values(sealed=value("sealed")).where(PII.c.consent_id == value("of"))


def _end_submission(value: Values) -> Delete:
    return delete(SUBMISSION).where(SUBMISSION.c.consent_id == value("consent_id"))


def _agreement_checks(value: Values) -> Select[Any]:
    """What stands against an agreement, in one row.

    How many revocations of the number are in force for this brand; how many agreements there were
    for this number on this line, and from this caller. Last, the sealed key of the number's person.
    """
    # SQLite does not know that a number has few rows and a line many: `coalesce` keeps it from
    # counting a number's agreements by the index of lines.
    number = PII.c.number_hmac == value("number")
    on_line = func.coalesce(PII.c.line_id, _constant("")) == value("on_line")
    person = select(PERSON.c.sealed).where(PERSON.c.person_id == value("person"))
    return select(
        _in_force(value),
        _count(number, on_line, _within(value, "day")),
        _count(PII.c.caller_hmac == value("caller"), _within(value, "caller_day")),
        person.scalar_subquery(),
    )


def _line_counts(value: Values) -> Select[Any]:
    own, nobody = PII.c.number_hmac == PII.c.caller_hmac, PII.c.caller_hmac == value("nobody")
    count = func.count(PII.c.consent_id)
    counts: list[Any] = [count, count.filter(own), count.filter(nobody)]
    return select(*counts).where(PII.c.line_id == value("line"), _within(value, "hour"))


def _in_force(value: Values) -> ScalarSelect[Any]:
    row, lifted = SUPPRESSION.c, LIFTING.c
    return (
        select(func.count())
        .where(
            row.number_hmac == value("revoked_number"),
            or_(
                row.scope == value("brand_scope"),
                row.scope == value("seller_scope"),
                row.scope == _constant(EVERYTHING),
                row.brand == value("named_brand"),
            ),
            ~exists()
            .where(lifted.revocation_id == row.revocation_id, lifted.brand == value("brand"))
            .correlate_except(LIFTING),
        )
        .scalar_subquery()
    )


def _count(*conditions: ColumnElement[bool]) -> ScalarSelect[Any]:
    return select(func.count()).where(*conditions).scalar_subquery()


def _insert_outbox() -> Insert:
    """A message, under the keyed hash of its record's number: messages of one go in order."""
    record: BindParameter[str] = bindparam("record")
    number = select(PII.c.number_hmac).where(PII.c.consent_id == record).scalar_subquery()
    named = ("ledger_id", "seq", "endpoint", "type", "at")
    return insert(OUTBOX).values(
        consent_id=record,
        subject=func.coalesce(number, record),
        **{name: bindparam(f"new_{name}") for name in named},
    )


def _within(value: Values, since: str) -> ColumnElement[bool]:
    """Since that time and not in the future, so rows dated by a fast clock do not count later."""
    return PII.c.at.between(value(since), value(f"{since}_until"))


def _constant(value: str) -> ColumnElement[str]:
    """A word of ours inside the statement."""
    return literal_column(f"'{value}'")
