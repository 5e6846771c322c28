"""The SQL of the writes that every call waits for: composed once, carried out by the driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import bindparam, case, func, insert, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite

from agi_bridge.consent.ledger.schema import DISCLOSURE, EVENT, EVERY_BRAND, PII, SUPPRESSION
from agi_bridge.consent.states import State

if TYPE_CHECKING:
    from sqlalchemy import ClauseElement, ColumnElement, Dialect, ScalarSelect, Table
    from sqlalchemy.engine.interfaces import Compiled
    from sqlalchemy.sql.compiler import SQLCompiler


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text for one driver, and the names of its parameters in their order."""

    text: str
    names: tuple[str, ...]

    def arguments(self, **values: Any) -> tuple[Any, ...]:  # noqa: ANN401 - what the column takes
        """The parameters in their order; a name that is missing is a KeyError."""
        return tuple([values[name] for name in self.names])


@dataclass(frozen=True, slots=True)
class Statements:
    """All of them, in one database's words."""

    head: Statement
    """seq and hash of a chain's last event."""
    last_state: Statement
    """The state that a consent was left in."""
    agreement_checks: Statement
    """What stands against an agreement: see `_agreement_checks` below."""
    insert_event: Statement
    insert_disclosure: Statement
    insert_pii: Statement
    sealed: Statement
    reseal: Statement

    @classmethod
    def for_sqlite(cls) -> Statements:
        """For Python's sqlite3."""
        return cls._compiled(sqlite.dialect(), sqlite.insert(DISCLOSURE).on_conflict_do_nothing())

    @classmethod
    def for_postgresql(cls) -> Statements:
        """For psycopg."""
        return cls._compiled(
            postgresql.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its constructor untyped
            postgresql.insert(DISCLOSURE).on_conflict_do_nothing(),
        )

    @classmethod
    def _compiled(cls, dialect: Dialect, disclosure: ClauseElement) -> Statements:
        states = [_constant(state.value) for state in State]
        event = EVENT.c
        return cls(
            head=_statement(
                select(event.seq, event.hash)
                .where(event.ledger_id == bindparam("ledger_id"))
                .order_by(event.seq.desc())
                .suffix_with("LIMIT 1"),
                dialect,
            ),
            last_state=_statement(
                select(event.type)
                .where(event.consent_id == bindparam("consent_id"), event.type.in_(states))
                .order_by(event.id.desc())
                .suffix_with("LIMIT 1"),
                dialect,
            ),
            agreement_checks=_statement(_agreement_checks(), dialect),
            insert_event=_insert(insert(EVENT).inline(), EVENT, dialect, without="id"),
            insert_disclosure=_insert(disclosure, DISCLOSURE, dialect),
            insert_pii=_insert(insert(PII), PII, dialect),
            sealed=_statement(
                select(PII.c.sealed)
                .where(PII.c.consent_id == bindparam("consent_id"))
                .with_for_update(),
                dialect,
            ),
            reseal=_statement(
                update(PII)
                .where(PII.c.consent_id == bindparam("of"))
                .values(sealed=bindparam("sealed")),
                dialect,
            ),
        )


def _agreement_checks() -> ClauseElement:
    """What stands against an agreement, in one row.

    Whether a number is revoked for this brand (1), lifted (0) or neither (NULL); the same for every
    brand; how many agreements there were for this number on this line, from this caller, and on
    this line: all, by callers who keyed the number they showed, and by callers who showed none.
    """
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
        _revoked(bindparam("brand_number"), bindparam("brand")),
        _revoked(bindparam("every_number"), _constant(EVERY_BRAND)),
        _count(PII.c.number_hmac == bindparam("number"), PII.c.line_id == bindparam("on_line"),
               since="day"),
        _count(PII.c.caller_hmac == bindparam("caller"), since="caller_day"),
        line.c.all_, line.c.own, line.c.nobody,
    )  # fmt: skip


def _revoked(number: ColumnElement[str], brand: ColumnElement[str]) -> ScalarSelect[Any]:
    row = SUPPRESSION.c
    return (
        select(case((row.lifted_at.is_(None), literal_column("1")), else_=literal_column("0")))
        .where(row.number_hmac == number, row.brand == brand)
        .scalar_subquery()
    )


def _count(*conditions: ColumnElement[bool], since: str) -> ScalarSelect[Any]:
    return select(func.count()).where(*conditions, _within(since)).scalar_subquery()


def _within(since: str) -> ColumnElement[bool]:
    """Since then, and not in the future: a clock that was ahead for a while must not count on."""
    return PII.c.at.between(bindparam(since), bindparam(f"{since}_until"))


def _constant(value: str) -> ColumnElement[str]:
    """A word of ours inside the statement."""
    return literal_column(f"'{value}'")


def _insert(
    statement: ClauseElement, table: Table, dialect: Dialect, *, without: str = ""
) -> Statement:
    keys = [column.key for column in table.columns if column.key != without]
    return _ordered(statement.compile(dialect=dialect, column_keys=keys))


def _statement(statement: ClauseElement, dialect: Dialect) -> Statement:
    return _ordered(statement.compile(dialect=dialect))


def _ordered(compiled: Compiled) -> Statement:
    names = cast("SQLCompiler", compiled).positiontup or []
    return Statement(str(compiled), tuple(names))
