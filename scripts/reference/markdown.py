"""Markdown: escaped cells of a table, and prose wrapped as the documentation is."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDTH: Final = 100
_MARKUP: Final = re.compile(r"([\\*<>])")
_WORDS: Final = re.compile(r"`[^`]*`|[^`]+")


def cell(text: str) -> str:
    """A text in a table: on one line, and no pipe ends it."""
    return " ".join(text.split()).replace("|", "\\|")


def prose(text: str) -> str:
    """A paragraph in which only code in backticks is markup, wrapped."""
    line = " ".join(text.split())
    safe = "".join(
        each if each.startswith("`") else _MARKUP.sub(r"\\\1", each)
        for each in _WORDS.findall(line)
    )
    return textwrap.fill(safe, WIDTH, break_long_words=False, break_on_hyphens=False)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table with a row for each of `rows`; their cells are Markdown."""
    lines = [head, ("--",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell(each) for each in line)} |" for line in lines) + "\n"
