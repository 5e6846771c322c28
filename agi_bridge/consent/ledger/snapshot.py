"""Copies a whole ledger: all tables as they were at one moment, and into an empty database.

Tables are copied by what the database says of them, at the revision that they are of. So a backup
made before an upgrade can be read, and one of SQLite can be put into PostgreSQL or the other way
round. Everything here blocks, on its own connection: calls go on meanwhile.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import Boolean, MetaData, inspect, select, text

from agi_bridge.consent.encoding import timestamp
from agi_bridge.consent.errors import LedgerUnavailable
from agi_bridge.consent.ledger import queries, schema
from agi_bridge.consent.ledger.database import Database
from agi_bridge.consent.ledger.upgrade import revisions, run_migrations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Table

    from agi_bridge.consent.chain import Chain
    from agi_bridge.consent.ledger.transaction import Transaction

Value: TypeAlias = bool | int | float | str | bytes | None

ROWS_AT_ONCE: Final = 100
"""Rows that are in memory at the same time: one of `audio` has half a megabyte."""
_OF_REVISION: Final = frozenset({"alembic_version", schema.COMPATIBILITY.name})
"""Tables that say something of the tables: the migrations fill them."""


class Snapshot:
    """A ledger as it was at one moment, however long its reading takes."""

    def __init__(self, transaction: Transaction, name: str) -> None:
        self._transaction = transaction
        self._tables = _tables(transaction.core)
        self.name = name
        """The database, for people."""
        self.revision = _revision(transaction, name)
        """The revision of its tables."""

    @property
    def tables(self) -> dict[str, tuple[str, ...]]:
        """The names of the columns of each table, in an order in which rows can be inserted."""
        return {
            table.name: tuple(column.name for column in table.columns) for table in self._tables
        }

    def chains(self) -> list[Chain]:
        """The chains, with their heads."""
        return queries.chains(self._transaction)

    def newest_checkpoint(self, ledger_id: str) -> str:
        """The newest checkpoint of a chain in the database, as a line; empty if there is none."""
        table = schema.CHECKPOINT.c
        query = select(table.line).where(table.ledger_id == ledger_id).order_by(table.seq.desc())
        return self._transaction.core.execute(query.limit(1)).scalar() or ""

    def rows(self, table: str) -> Iterator[Sequence[tuple[Value, ...]]]:
        """The rows of a table by its primary key, some at a time.

        Raises:
            LedgerUnavailable: a text in it is not UTF-8 (`text_invalid`).
        """
        [of] = [each for each in self._tables if each.name == table]
        flags = {n for n, column in enumerate(of.columns) if isinstance(column.type, Boolean)}
        names = ", ".join(f'"{column.name}"' for column in of.columns)
        order = ", ".join(f'"{column.name}"' for column in of.primary_key.columns)
        asked = f'SELECT {names} FROM "{table}" ORDER BY {order}'  # noqa: S608 - the database's own names
        driver = self._transaction.cursor.connection
        # Of a plain cursor, psycopg reads all rows into memory.
        with _closing(
            driver.cursor("backup") if self._transaction.locks else driver.cursor()
        ) as cursor:
            cursor.execute(asked)
            while found := cursor.fetchmany(ROWS_AT_ONCE):
                rows = [
                    tuple(
                        bool(value) if n in flags and isinstance(value, int) else _plain(value)
                        for n, value in enumerate(row)
                    )
                    for row in found
                ]
                for row in rows:
                    _check_texts(row, table)
                yield rows


@contextmanager
def open_snapshot(where: Path | str) -> Iterator[Snapshot]:
    """Read a ledger at one moment; the block may take as long as it needs.

    SQLite keeps its log from being emptied meanwhile, PostgreSQL keeps old rows.

    Raises:
        LedgerUnavailable: there is no ledger, its tables have no revision or a newer one, or the
            database failed.
    """
    database = Database(where)
    try:
        if database.is_sqlite and not database.file_is_there():
            raise LedgerUnavailable(f"{database.name}: no ledger is there", code="no_ledger")
        with database.transaction(reads=True) as transaction:
            if transaction.locks:
                transaction.cursor.execute(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                )
            transaction.lift_timeout()
            yield Snapshot(transaction, database.name)
    finally:
        database.close()


def is_empty(where: Path | str) -> bool:
    """Whether a database has no tables, so that a ledger can be put into it.

    Raises:
        LedgerUnavailable: the database failed.
    """
    database = Database(where)
    try:
        if database.is_sqlite and not database.file_is_there():
            return True
        with database.transaction(reads=True) as transaction:
            return not inspect(transaction.core).get_table_names()
    finally:
        database.close()


def fill(
    where: Path | str,
    revision: str,
    tables: Iterable[tuple[str, Sequence[str], Sequence[tuple[Value, ...]]]],
    *,
    end_chains: bool,
) -> None:
    """Put a ledger into an empty database, in one transaction, and upgrade its tables.

    Args:
        where: the database; a SQLite file is made.
        revision: that of the tables in the copy.
        tables: name, columns and rows of each piece; a table may come in several.
        end_chains: the ledger is to be used. Its chains end where they do here, because their
            later events may exist elsewhere: no bridge goes on with them.

    Raises:
        LedgerUnavailable: it is not empty (`not_empty`), this version does not know the revision
            (`schema_newer`), or the database failed. Nothing was stored.
    """
    if revision not in revisions():
        raise LedgerUnavailable(
            f"the tables in the backup are of a newer version ({revision}, not {schema.VERSION}): "
            "install the agi-bridge that made it, or a newer one",
            code="schema_newer",
        )
    database = Database(where)
    try:
        database.prepare()
        with database.transaction() as transaction:
            transaction.lock(["schema"])
            transaction.lift_timeout()
            if inspect(transaction.core).get_table_names():
                raise LedgerUnavailable(
                    f"{database.name}: is not empty; restore into an empty database",
                    code="not_empty",
                )
            run_migrations(transaction, revision)
            known = {
                table.name: frozenset(column.name for column in table.columns)
                for table in _tables(transaction.core)
            }
            for name, columns, rows in tables:
                _insert(transaction, known, name, columns, rows)
            _count_on(transaction)
            run_migrations(transaction, "head")
            if end_chains:
                _end_chains(transaction)
    finally:
        database.close()


def _end_chains(transaction: Transaction) -> None:
    at = timestamp()
    ended = queries.ended_chains(transaction)
    for chain in queries.chains(transaction):
        if chain.ledger_id not in ended:
            transaction.core.execute(
                schema.ENDED_CHAIN.insert().values(
                    ledger_id=chain.ledger_id, seq=chain.seq, hash=chain.hash, at=at
                )
            )


def _tables(core: Connection) -> list[Table]:
    found = MetaData()
    found.reflect(core)
    return [table for table in found.sorted_tables if table.name not in _OF_REVISION]


def _revision(transaction: Transaction, name: str) -> str:
    version = schema.version(transaction.core)
    if version is None:
        raise LedgerUnavailable(f"{name}: no ledger is there", code="no_ledger")
    if version == schema.UNVERSIONED:
        raise LedgerUnavailable(f"{name}: its tables have no version", code="schema_unversioned")
    if version not in revisions():
        raise LedgerUnavailable(
            f"{name}: its tables are of a newer version: install a newer agi-bridge",
            code="schema_newer",
        )
    return version


def _insert(
    transaction: Transaction,
    known: Mapping[str, frozenset[str]],
    table: str,
    columns: Sequence[str],
    rows: Sequence[tuple[Value, ...]],
) -> None:
    """Insert rows into one of the `known` tables, and no other that the database has."""
    if not set(columns) <= known.get(table, frozenset()):
        raise LedgerUnavailable(
            f"the backup has a table, or columns of one, that its version does not have: {table}",
            code="schema_unversioned",
        )
    mark = "%s" if transaction.locks else "?"
    names, marks = ", ".join(f'"{name}"' for name in columns), ", ".join([mark] * len(columns))
    statement = f'INSERT INTO "{table}" ({names}) VALUES ({marks})'  # noqa: S608 - names that the database has
    if rows:
        transaction.cursor.executemany(statement, rows)


def _count_on(transaction: Transaction) -> None:
    """Let PostgreSQL number new rows after those that were put in; SQLite does so by itself."""
    if not transaction.locks:
        return
    counted = transaction.core.execute(
        text(
            "SELECT table_name, column_name,"
            " pg_get_serial_sequence(quote_ident(table_name), column_name) AS counter"
            " FROM information_schema.columns WHERE table_schema = current_schema()"
            " AND (column_default LIKE 'nextval(%' OR is_identity = 'YES')"
        )
    ).all()
    for table, column, counter in counted:
        transaction.core.execute(
            text(
                f'SELECT setval(\'{counter}\', (SELECT max("{column}") FROM "{table}"))'  # noqa: S608 - the same
                f' WHERE EXISTS (SELECT 1 FROM "{table}")'
            )
        )


@contextmanager
def _closing(cursor: Any) -> Iterator[Any]:  # noqa: ANN401 - a cursor of either driver
    try:
        yield cursor
    finally:
        cursor.close()


def _plain(value: Any) -> Value:  # noqa: ANN401 - whatever a driver gives
    return bytes(value) if isinstance(value, memoryview) else value


def _check_texts(row: Sequence[Value], table: str) -> None:
    for value in row:
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                raise LedgerUnavailable(
                    f"the table {table} has a text that is not UTF-8: something other than "
                    "agi-bridge wrote it; run `agi-bridge consents verify`",
                    code="text_invalid",
                ) from None
