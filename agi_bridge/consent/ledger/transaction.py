"""An open transaction of the ledger: its statements, and the locks that other bridges wait for.

Blocks; belongs to the ledger's thread.
"""

from __future__ import annotations

import hashlib
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from agi_bridge.consent.ledger.engines import pipelined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Connection

    from agi_bridge.consent.ledger.statement import Row, Statement

IDLE_MS: Final = 1000
"""How long PostgreSQL waits, in milliseconds, for the next statement of a transaction that holds
locks on consents, numbers or a chain. A bridge that was merely slow tries again."""
STARTING_IDLE_MS: Final = 10_000
"""The same of other locks, which are held at a start and at an upgrade."""
STARTING_WAIT_MS: Final = 12_000
"""How long a start waits for a lock, in milliseconds: longer than PostgreSQL leaves one with a
bridge that was frozen or killed while it held it."""
_LOCK_ORDER: Final = (
    "schema", "ledger", "lease", "chain", "consent", "disclosure", "number", "caller", "line",
    "push",
)  # fmt: skip
"""The kinds of locks in the order in which they are taken."""

_LOCK: Final = (
    "SELECT (SELECT set_config("
    "'lock_timeout', coalesce(%s, current_setting('lock_timeout')), true)), "
    "(SELECT set_config('idle_in_transaction_session_timeout', %s, true)), "
    "pg_advisory_xact_lock(k) FROM unnest(%s::bigint[]) k"
)
_LOCK_BY_INDEX: Final = _LOCK.replace(
    "SELECT ",
    "SELECT (SELECT set_config('enable_hashjoin', 'off', true)), "
    "(SELECT set_config('enable_mergejoin', 'off', true)), ",
    1,
)

Question: TypeAlias = "tuple[str, tuple[Any, ...]]"
"""The driver's text, and its arguments."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """An open transaction.

    `core` executes SQLAlchemy's statements; `cursor` is the driver's own, for the writes that every
    call waits for: SQLAlchemy's execution layer costs several times what SQLite takes for them.
    What is in `committed` is called once all of it is durable. `connection` counts the
    connections: a new one may lead to another server than the one before. What is in `last` is sent
    in one message with the COMMIT: what it locks is never held while the server waits for us.
    """

    core: Connection
    cursor: Any
    locks: bool
    connection: int = 0
    committed: list[Callable[[], None]] = field(default_factory=list)
    last: list[Question] = field(default_factory=list)

    def lock(
        self,
        names: Iterable[str],
        *,
        wait_ms: int | None = None,
        idle_ms: int = STARTING_IDLE_MS,
        by_index: bool = False,
    ) -> None:
        """Lock these names against all other bridges until the end of the transaction.

        SQLite has one writer at a time anyway. The locks are taken in the same order by all, so
        that no two bridges wait for each other. What `last` locks comes after these.

        Args:
            names: `KIND:NAME`, or a kind that has one lock alone.
            wait_ms: longest wait for a lock from now on, in milliseconds; None is the connection's.
            idle_ms: PostgreSQL ends the transaction if it hears nothing from us for so long: a
                process that is frozen must not keep others waiting.
            by_index: find the rows of a group one by one, by index. PostgreSQL keeps the plan of a
                statement, and one that it made for a new ledger reads whole tables.
        """
        if self.locks:
            self.cursor.execute(
                _LOCK_BY_INDEX if by_index else _LOCK,
                (wait_ms and str(wait_ms), str(idle_ms), array(lock_keys(names))),
            )

    def look_up(self, asked: Sequence[tuple[Statement, Sequence[Row]]]) -> list[list[Any]]:
        """For each look-up, the row that each of its sets of arguments finds, or None.

        PostgreSQL is sent all of them before it answers the first: one round trip, not one each.
        """
        if not self.locks:
            return [
                [self.cursor.execute(statement.text, row).fetchone() for row in rows]
                for statement, rows in asked
            ]
        driver = self.cursor.connection
        with pipelined(driver):
            sent = [
                (len(rows), driver.execute(statement.text, (statement.document(rows),)))
                for statement, rows in asked
                if rows
            ]
        found = iter(sent)
        return [_in_places(*next(found)) if rows else [] for _, rows in asked]

    def write(self, statements: Iterable[tuple[Statement, Sequence[Row]]]) -> None:
        """Carry out statements, each with several sets of arguments or none.

        PostgreSQL is sent each as it comes, and goes to work on it while the next is made; it
        answers at the end. So what makes them asks the database nothing.
        """
        with pipelined(self.cursor.connection) if self.locks else nullcontext() as send:
            for statement, rows in statements:
                for text, arguments in statement.grouped(rows):
                    if len(arguments) == 1:  # psycopg's `executemany` costs more than the message
                        self.cursor.execute(text, arguments[0])
                    else:
                        self.cursor.executemany(text, arguments)
                    if send is not None:
                        send()

    def hold_still(self) -> None:
        """See one moment of the database until the end of the transaction; before anything else."""
        if self.locks:
            self.cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            self.lift_timeout()
        # The first look fixes the moment: in SQLite a read transaction sees no later write.
        self.cursor.execute("SELECT count(*) FROM ledger").fetchone()

    def be_patient(self) -> None:
        """Wait for locks as a start may: no caller waits for it, and nobody tries again for it."""
        if self.locks:
            self.cursor.execute(f"SET LOCAL lock_timeout = {STARTING_WAIT_MS}")
            self.cursor.execute(f"SET LOCAL statement_timeout = {2 * STARTING_WAIT_MS + 5000}")

    def lift_timeout(self) -> None:
        """Let statements take as long as they need: no caller waits for this transaction."""
        if self.locks:
            self.cursor.execute("SET LOCAL statement_timeout = 0")
            self.cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")


def _in_places(count: int, found: Iterable[Sequence[Any]]) -> list[Any]:
    """The rows of a look-up in the places of their arguments: see `statement.PLACE`."""
    rows: list[Any] = [None] * count
    for *row, place in found:
        rows[place] = row
    return rows


def array(values: Iterable[object]) -> str:
    """Texts, bytes, integers, truth values or None as PostgreSQL's text of an array.

    A group's are long, and psycopg takes three times as long for a list.
    """
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        value = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{value}"'
    return f'"\\\\x{value.hex()}"' if isinstance(value, bytes) else str(value)


def lock_keys(names: Iterable[str]) -> list[int]:
    """The keys of PostgreSQL's advisory locks, signed 64-bit numbers, in the order to take them."""
    ordered = sorted(
        (_LOCK_ORDER.index(name.partition(":")[0]), _lock_key(name)) for name in set(names)
    )
    return [key for _, key in ordered]


def _lock_key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
