"""How commands print their answers: a table for people, or one JSON document for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.table import Table

_PIPE_WIDTH = 200
"""Columns if the output is not a terminal: an id cut in two cannot be found with `grep`."""


class Answer(Protocol):
    """The answer of a command."""

    @property
    def ok(self) -> bool | None:
        """Whether the answer is yes: exit code 0, else 1. None: 3, or the answer's `exit_code`."""

    def json(self) -> object:
        """The answer as plain values; its keys are part of the interface."""

    def show(self, console: Console) -> None:
        """Print the answer for people."""


def print_answer(answer: Answer, *, as_json: bool) -> None:
    """Print an answer on standard output."""
    if as_json:
        # A ledger that was changed may hold bytes in the place of a text.
        text = json.dumps(answer.json(), ensure_ascii=False, indent=2, default=repr)
        # Bytes of file names that are not UTF-8 become JSON's escapes.
        print(text.encode("utf-8", "backslashreplace").decode())  # noqa: T201 - the output
        return
    answer.show(_console())


def _console() -> Console:
    """Standard output, for texts of which nothing is markup and nothing steers the terminal.

    Exports, backups, transcripts and rows come from outside: what they say is printed by many
    lines of many commands, and none of them has to remember it.
    """
    from rich.console import Console

    class SafeConsole(Console):
        def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401 - as its own
            """Print; a text keeps its line breaks and loses other control characters."""
            safe = (printable_lines(each) if isinstance(each, str) else each for each in objects)
            super().print(*safe, **options)

    console = SafeConsole(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def printable(text: object) -> str:
    """A text from outside, safe for a terminal: without line breaks and control sequences."""
    signs = str(text)  # a ledger that was changed may hold a number in its place
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in signs)


def printable_lines(text: str) -> str:
    """A text of several lines, safe for a terminal: without other control sequences."""
    return "\n".join(map(printable, text.split("\n")))


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """A table without lines; each cell is made safe for a terminal."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*map(printable, row))
    return made


def count(number: int, noun: str) -> str:
    """A number of things: `no faults`, `1 fault`, `1,234 faults`."""
    return f"{f'{number:,}' if number else 'no'} {noun}{'' if number == 1 else 's'}"


def seconds(length: float | None) -> str:
    """A length in seconds, to a tenth; empty for None."""
    return "" if length is None else f"{length:.1f}"
