"""One group of appends, one transaction: the writes that every call waits for.

SQLAlchemy Core describes the tables and writes the SQL, once; the driver carries it out. Measured,
its execution layer costs four times what SQLite itself takes for such a small transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import bindparam, insert, select
from sqlalchemy.dialects import sqlite

from agi_bridge.consent import schema
from agi_bridge.consent.errors import IllegalTransition
from agi_bridge.consent.proof import canonical, text_sha256
from agi_bridge.consent.states import State, step

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from sqlalchemy import ClauseElement, Table

    from agi_bridge.consent.record import Batch

Outcome: TypeAlias = "Exception | None"
"""What became of one batch: None is stored."""


def store(connection: sqlite3.Connection, batches: Sequence[Batch]) -> list[Outcome]:
    """Store what may be stored of a group in one transaction; say what became of each batch.

    Raises:
        sqlite3.Error: nothing of the group is stored.
    """
    outcomes: list[Outcome] = []
    connection.execute("BEGIN IMMEDIATE")
    try:
        states = _states(connection, batches)
        good = []
        for batch in batches:
            outcome = _advance(states, batch)
            outcomes.append(outcome)
            if outcome is None:
                good.append(batch)
        if good:
            _insert(connection, good)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors, as a full disk, have rolled back already
            connection.execute("ROLLBACK")
        raise
    return outcomes


def _states(connection: sqlite3.Connection, batches: Sequence[Batch]) -> dict[str, State]:
    """The last stored state of every consent that a batch goes on with."""
    states = {}
    for batch in batches:
        if batch.events[0].state is not State.DISCLOSED:
            last = connection.execute(_LAST_STATE, (batch.consent_id,)).fetchone()
            if last is not None:
                states[batch.consent_id] = State(last[0])
    return states


def _advance(states: dict[str, State], batch: Batch) -> Outcome:
    """Walk a batch through the table of states; keep the last one for the batches behind it."""
    state = states.get(batch.consent_id)
    try:
        for stored in batch.events:
            state = step(state, stored.state)
    except IllegalTransition as error:
        return IllegalTransition(f"consent {batch.consent_id}: {error}")
    if state is not None:
        states[batch.consent_id] = state
    return None


def _insert(connection: sqlite3.Connection, batches: Sequence[Batch]) -> None:
    disclosed = [b for b in batches if b.disclosure is not None]
    disclosures = {text_sha256(b.disclosure.text): b.disclosure for b in disclosed if b.disclosure}
    connection.executemany(
        _INSERT_DISCLOSURE,
        [(sha256, heard.language, heard.text) for sha256, heard in disclosures.items()],
    )
    connection.executemany(
        INSERT_EVENT,
        [
            (e.event_id, e.consent_id, e.state.value, e.at, canonical(e.body))
            for batch in batches
            for e in batch.events
        ],
    )
    connection.executemany(
        _INSERT_PII,
        [
            (
                b.consent_id,
                b.personal.salt,
                b.personal.number,
                b.personal.caller_id,
                b.personal.digits,
                text_sha256(b.disclosure.text),
            )
            for b in batches
            if b.personal is not None and b.disclosure is not None
        ],
    )


def _compiled(statement: ClauseElement, table: Table) -> str:
    columns = [column.key for column in table.columns if column.key != "seq"]
    return str(statement.compile(dialect=sqlite.dialect(), column_keys=columns))


_LAST_STATE = str(
    select(schema.EVENT.c.type)
    .where(schema.EVENT.c.consent_id == bindparam("id"))
    .order_by(schema.EVENT.c.seq.desc())
    .compile(dialect=sqlite.dialect())
)
INSERT_EVENT = _compiled(insert(schema.EVENT), schema.EVENT)
"""Parameters: event id, consent id, type, time, body."""
_INSERT_PII = _compiled(insert(schema.PII), schema.PII)
_INSERT_DISCLOSURE = _compiled(
    sqlite.insert(schema.DISCLOSURE).on_conflict_do_nothing(), schema.DISCLOSURE
)
