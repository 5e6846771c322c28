"""The SQL of the writes that calls wait for: compiled once, executed directly by the driver."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import (
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
from agi_bridge.consent.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import (
        BindParameter,
        ClauseElement,
        ColumnElement,
        Dialect,
        Insert,
        ScalarSelect,
        Select,
        Table,
    )
    from sqlalchemy.engine.interfaces import Compiled
    from sqlalchemy.sql.compiler import SQLCompiler


MOST_VALUES: Final = 50
"""Most values that one INSERT takes: psycopg does not keep longer statements parsed."""
_VALUES: Final = " VALUES "


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text for one driver, and the names of its parameters in their order.

    `inserts` says that the text is an INSERT that ends with the values of one row.
    """

    text: str
    names: tuple[str, ...]
    inserts: bool = False

    def arguments(self, **values: Any) -> tuple[Any, ...]:  # noqa: ANN401 - what the column takes
        """The parameters in their order; a name that is missing is a KeyError."""
        return tuple([values[name] for name in self.names])

    def grouped(
        self, rows: Sequence[tuple[Any, ...]]
    ) -> Iterator[tuple[str, Sequence[tuple[Any, ...]]]]:
        """The statements that carry out this one for all rows, each with its own sets of arguments.

        An INSERT takes as many rows at once as `MOST_VALUES` allows: each statement is a message to
        PostgreSQL and executed by itself.
        """
        most = MOST_VALUES // len(self.names) if self.inserts else 1
        whole = len(rows) - len(rows) % most
        if most > 1 and whole:
            several = [tuple(chain(*rows[first : first + most])) for first in range(0, whole, most)]
            yield _several_rows(self.text, most), several
            rows = rows[whole:]
        if rows:
            yield self.text, rows


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
            sqlite.dialect(),
            sqlite.insert(DISCLOSURE).on_conflict_do_nothing(),
            "(julianday('now') - 2440587.5) * 86400.0",
        )

    @classmethod
    @cache
    def for_postgresql(cls) -> Statements:
        """For psycopg. A ledger in SQLite does not load PostgreSQL's words."""
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - the reason stands above

        return cls._compiled(
            postgresql.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its constructor untyped
            postgresql.insert(DISCLOSURE).on_conflict_do_nothing(),
            "extract(epoch FROM clock_timestamp())::float8",
        )

    @classmethod
    def _compiled(cls, dialect: Dialect, disclosure: ClauseElement, now: str) -> Statements:
        event = EVENT.c
        last_state = _last_state(bindparam("consent_id"))
        return cls(
            head=_statement(
                select(event.seq, event.hash, event.at)
                .where(event.ledger_id == bindparam("ledger_id"))
                .order_by(event.seq.desc())
                .suffix_with("LIMIT 1"),
                dialect,
            ),
            now=_statement(select(literal_column(now)), dialect),
            last_state=_statement(last_state, dialect),
            agreement_checks=_statement(_agreement_checks(), dialect),
            insert_event=_insert(insert(EVENT).inline(), EVENT, dialect, without="id"),
            insert_disclosure=_insert(disclosure, DISCLOSURE, dialect),
            insert_pii=_insert(insert(PII), PII, dialect),
            insert_person=_insert(insert(PERSON), PERSON, dialect),
            person=_statement(
                select(PERSON.c.sealed).where(PERSON.c.person_id == bindparam("person_id")),
                dialect,
            ),
            sealed=_statement(
                select(PII.c.person_id, PERSON.c.sealed, PII.c.sealed)
                .select_from(PII.outerjoin(PERSON, PERSON.c.person_id == PII.c.person_id))
                .where(PII.c.consent_id == bindparam("consent_id"))
                .with_for_update(of=PII),
                dialect,
            ),
            stored=_statement(
                select(
                    _last_state(PII.c.consent_id).scalar_subquery(),
                    PII.c.person_id,
                    PERSON.c.sealed,
                    PII.c.sealed,
                )
                .select_from(PII.outerjoin(PERSON, PERSON.c.person_id == PII.c.person_id))
                .where(PII.c.consent_id == bindparam("consent_id"))
                .with_for_update(of=PII),
                dialect,
            ),
            reseal=_statement(
                update(PII)
                .where(PII.c.consent_id == bindparam("of"))
                .values(sealed=bindparam("sealed")),
                dialect,
            ),
            insert_submission=_insert(insert(SUBMISSION), SUBMISSION, dialect),
            end_submission=_statement(
                delete(SUBMISSION).where(SUBMISSION.c.consent_id == bindparam("consent_id")),
                dialect,
            ),
            insert_outbox=_statement(_insert_outbox(), dialect),
            may_send=_statement(
                select(
                    SUBMISSION.c.owner,
                    SUBMISSION.c.deadline,
                    literal_column(now),
                    _last_state(SUBMISSION.c.consent_id).scalar_subquery(),
                ).where(SUBMISSION.c.consent_id == bindparam("consent_id")),
                dialect,
            ),
        )


def _last_state(consent_id: ColumnElement[str]) -> Select[Any]:
    """The state that a consent was left in."""
    event = EVENT.c
    states = [_constant(state.value) for state in State]
    return (
        select(event.type)
        .where(event.consent_id == consent_id, event.type.in_(states))
        .order_by(event.id.desc())
        .suffix_with("LIMIT 1")
    )


def _agreement_checks() -> ClauseElement:
    """What stands against an agreement, in one row.

    How many revocations of the number are in force for this brand; how many agreements there were
    for this number on this line, from this caller, and on this line: all, by callers who keyed the
    number they showed, and by callers who showed none. Last, the sealed key of the number's person.
    """
    # SQLite does not know that a number has few rows and a line many: `coalesce` keeps it from
    # counting a number's agreements by the index of lines.
    own, nobody = PII.c.number_hmac == PII.c.caller_hmac, PII.c.caller_hmac == bindparam("nobody")
    line = (
        select(
            func.count().label("all_"),
            func.count().filter(own).label("own"),
            func.count().filter(nobody).label("nobody"),
        )
        .where(PII.c.line_id == bindparam("line"), _within("hour"))
        .subquery("of_line")
    )
    return select(
        _in_force(),
        _count(
            PII.c.number_hmac == bindparam("number"),
            func.coalesce(PII.c.line_id, _constant("")) == bindparam("on_line"),
            since="day",
        ),
        _count(PII.c.caller_hmac == bindparam("caller"), since="caller_day"),
        line.c.all_, line.c.own, line.c.nobody,
        select(PERSON.c.sealed).where(PERSON.c.person_id == bindparam("person")).scalar_subquery(),
    )  # fmt: skip


def _in_force() -> ScalarSelect[Any]:
    row, lifted = SUPPRESSION.c, LIFTING.c
    return (
        select(func.count())
        .where(
            row.number_hmac == bindparam("revoked_number"),
            or_(
                row.scope == bindparam("brand_scope"),
                row.scope == bindparam("seller_scope"),
                row.scope == _constant(EVERYTHING),
                row.brand == bindparam("named_brand"),
            ),
            ~exists().where(
                lifted.revocation_id == row.revocation_id, lifted.brand == bindparam("brand")
            ),
        )
        .scalar_subquery()
    )


def _count(*conditions: ColumnElement[bool], since: str) -> ScalarSelect[Any]:
    return select(func.count()).where(*conditions, _within(since)).scalar_subquery()


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


def _within(since: str) -> ColumnElement[bool]:
    """Since that time and not in the future, so rows dated by a fast clock do not count later."""
    return PII.c.at.between(bindparam(since), bindparam(f"{since}_until"))


def _constant(value: str) -> ColumnElement[str]:
    """A word of ours inside the statement."""
    return literal_column(f"'{value}'")


def _insert(
    statement: ClauseElement, table: Table, dialect: Dialect, *, without: str = ""
) -> Statement:
    keys = [column.key for column in table.columns if column.key != without]
    compiled = statement.compile(dialect=dialect, column_keys=keys)
    return _ordered(compiled, inserts=str(compiled).endswith(")"))


def _statement(statement: ClauseElement, dialect: Dialect) -> Statement:
    return _ordered(statement.compile(dialect=dialect))


def _ordered(compiled: Compiled, *, inserts: bool = False) -> Statement:
    names = cast("SQLCompiler", compiled).positiontup or []
    return Statement(str(compiled), tuple(names), inserts)


@cache
def _several_rows(text: str, count: int) -> str:
    """An INSERT of one row, as one of several."""
    before, values, row = text.rpartition(_VALUES)
    return f"{before}{values}{', '.join([row] * count)}"
