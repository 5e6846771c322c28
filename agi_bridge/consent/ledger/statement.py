"""One SQL statement of the writes that calls wait for: its text, and how rows are given to it.

What waits at the same time is done together, so most statements are executed for many rows. SQLite
is given them one by one: a statement costs it a few microseconds. PostgreSQL is given all rows of a
statement at once, as a JSON document that it reads as a table: there each statement is a message,
and costs both ends more than the row that it is about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import orjson
from sqlalchemy import JSON, ColumnElement, Integer, bindparam, column, func, insert, select
from sqlalchemy import cast as sql_cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ClauseElement, Dialect, Select, Table, TableValuedAlias
    from sqlalchemy.engine.interfaces import Compiled
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.types import TypeEngine

MOST_ROWS: Final = 16
"""Most rows that one INSERT takes in SQLite. Each number of rows is a statement of its own, and
Python's driver keeps 128 of them prepared: `engines` says nothing else."""
PLACE: Final = "place"
"""The column with the number of the row that a row found belongs to, the last that is selected."""
_VALUES: Final = " VALUES "

Values: TypeAlias = Callable[[str], ColumnElement[Any]]
"""The value that a name stands for: a parameter, or a column of the rows that are given."""
Row: TypeAlias = tuple[Any, ...]
Call: TypeAlias = "tuple[str, Sequence[Row]]"
"""The text of a statement, and the sets of arguments that it is executed with."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text for one driver, and the names of its parameters in their order.

    `inserts` says that the text is an INSERT that ends with the values of one row. `takes_rows`
    says that it has one parameter, all rows as a JSON document.
    """

    text: str
    names: tuple[str, ...]
    inserts: bool = False
    takes_rows: bool = False

    def arguments(self, **values: Any) -> Row:  # noqa: ANN401 - what the column takes
        """The parameters in their order; a name that is missing is a KeyError."""
        return tuple([values[name] for name in self.names])

    def grouped(self, rows: Sequence[Row]) -> list[Call]:
        """The statements that carry out this one for all rows, each with its own sets of arguments.

        In SQLite an INSERT takes `MOST_ROWS` at once: at each execution of one into `event` it
        makes a table of the types that `event_rare` holds.
        """
        if self.takes_rows:
            return [(self.text, [(self.document(rows),)])] if rows else []
        if len(rows) <= 1 or not self.inserts:
            return [(self.text, rows)] if rows else []
        rest = len(rows) % MOST_ROWS
        whole = len(rows) - rest
        several = [
            tuple(chain(*rows[first : first + MOST_ROWS])) for first in range(0, whole, MOST_ROWS)
        ]
        calls: list[Call] = [(_several_rows(self.text, MOST_ROWS), several)] if several else []
        if rest:
            calls.append((_several_rows(self.text, rest), [tuple(chain(*rows[whole:]))]))
        return calls

    def document(self, rows: Sequence[Row]) -> str:
        """Rows as one JSON document, each with its number."""
        names = (*self.names, PLACE)
        given = [dict(zip(names, (*row, place), strict=True)) for place, row in enumerate(rows)]
        return orjson.dumps(given, default=_bytea).decode()


class Compiler:
    """Compiles SQLAlchemy's statements into the text of one driver.

    Args:
        dialect: with the driver's style of parameters.
        takes_rows: whether the database is given all rows of a statement at once.
    """

    def __init__(self, dialect: Dialect, *, takes_rows: bool) -> None:
        self._dialect = dialect
        self._takes_rows = takes_rows

    def alone(self, statement: ClauseElement, keys: Sequence[str] | None = None) -> Statement:
        """A statement that is executed for one set of arguments; `keys` are an INSERT's columns."""
        return _ordered(statement.compile(dialect=self._dialect, column_keys=keys))

    def looks_up(
        self,
        build: Callable[[Values], Select[Any]],
        types: Mapping[str, TypeEngine[Any]],
        *,
        counts: bool = False,
    ) -> Statement:
        """A look-up that finds one row or none for each row of arguments.

        One that `counts` finds no row where PostgreSQL has nothing to count.
        """
        if not self._takes_rows:
            return self.alone(build(bindparam))
        given = _given({**types, PLACE: Integer()})
        found = build(given.c.__getitem__).add_columns(given.c[PLACE]).select_from(given)
        return self._for_rows(found.group_by(given.c[PLACE]) if counts else found, types)

    def changes(
        self, build: Callable[[Values], ClauseElement], types: Mapping[str, TypeEngine[Any]]
    ) -> Statement:
        """An UPDATE or a DELETE for each row of arguments."""
        if not self._takes_rows:
            return self.alone(build(bindparam))
        return self._for_rows(build(_given(types).c.__getitem__), types)

    def inserts(self, table: Table, *, without: str = "") -> Statement:
        """An INSERT of each row into all columns of a table but one, in the order given."""
        columns = [each for each in table.columns if each.key != without]
        if not self._takes_rows:
            compiled = (
                insert(table)
                .inline()
                .compile(dialect=self._dialect, column_keys=[each.key for each in columns])
            )
            return _ordered(compiled, inserts=True)
        types = {str(each.key): each.type for each in columns}
        given = _given({**types, PLACE: Integer()})
        rows = select(*(given.c[name] for name in types)).order_by(given.c[PLACE])
        return self._for_rows(insert(table).from_select([*types], rows).inline(), types)

    def _for_rows(
        self, statement: ClauseElement, types: Mapping[str, TypeEngine[Any]]
    ) -> Statement:
        text = str(statement.compile(dialect=self._dialect))
        return Statement(text, tuple(types), takes_rows=True)


def _given(types: Mapping[str, TypeEngine[Any]]) -> TableValuedAlias:
    """The rows of the document, as a table."""
    document = sql_cast(bindparam("document"), JSON)
    columns = [column(name, type_) for name, type_ in types.items()]
    rows = func.json_to_recordset(document).table_valued(*columns, name="given")
    return rows.render_derived(name="given", with_types=True)


def _bytea(value: object) -> str:
    """Bytes, as PostgreSQL reads them in a text."""
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    raise TypeError(type(value).__name__)


def _ordered(compiled: Compiled, *, inserts: bool = False) -> Statement:
    names = cast("SQLCompiler", compiled).positiontup or []
    return Statement(str(compiled), tuple(names), inserts)


@cache
def _several_rows(text: str, count: int) -> str:
    """An INSERT of one row, as one of several."""
    before, values, row = text.rpartition(_VALUES)
    return f"{before}{values}{', '.join([row] * count)}"
