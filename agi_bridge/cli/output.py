"""What every command answers with: a table for people, or one JSON document for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

_PIPE_WIDTH = 200
"""Columns where no terminal is: an id cut in two is of no use to `grep`."""


class Answer(Protocol):
    """What a command has to say."""

    @property
    def ok(self) -> bool:
        """Whether the answer is yes: exit status 0, else 1."""

    def json(self) -> object:
        """The answer as plain values; its keys are part of the interface."""

    def show(self, console: Console) -> None:
        """Print the answer for people."""


def give(answer: Answer, *, as_json: bool) -> None:
    """Print an answer on standard output."""
    if as_json:
        print(json.dumps(answer.json(), ensure_ascii=False, indent=2))  # noqa: T201 - the output
        return
    # Texts of the database are shown as they are: nothing in them is markup.
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    answer.show(console)


def plain(text: str) -> str:
    """A text from outside, fit for a terminal: no line break, no control sequence."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """A table without lines, each cell made fit for a terminal."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*map(plain, row))
    return made
