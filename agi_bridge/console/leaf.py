"""A page of a list and what leads to the next: by the rows at its ends, which stay where they are.

A page that is counted from the newest would repeat rows as new ones come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Leaf(Generic[_Row]):
    """Rows of a list, the newest first.

    Attributes:
        rows: what is shown.
        newer: the id of the first row, if there may be newer ones; "": there are none.
        older: the id of the last row, if there are older ones; "": there are none.
    """

    rows: Sequence[_Row]
    newer: str
    older: str


async def leaf(
    read: Callable[[str, bool], Awaitable[Sequence[_Row]]],
    id_of: Callable[[_Row], str],
    size: int,
    *,
    past: str = "",
    newer: str = "",
) -> Leaf[_Row]:
    """Read a page.

    Args:
        read: reads `size + 1` rows behind the one with an id ("": from the end), the oldest first
            if it is told so.
        id_of: the id of a row.
        size: rows on a page.
        past: the id of the last row of the newer page.
        newer: the id of the first row of the older page. Where no whole page is newer, the newest
            one is read.
    """
    if newer:
        found = await read(newer, True)  # noqa: FBT003 - as `read` is described
        if len(found) > size:
            rows = found[:size][::-1]
            return Leaf(rows, id_of(rows[0]), id_of(rows[-1]))
        past = ""
    found = await read(past, False)  # noqa: FBT003 - as above
    rows = found[:size]
    return Leaf(
        rows,
        id_of(rows[0]) if past and rows else "",
        id_of(rows[-1]) if len(found) > size else "",
    )
