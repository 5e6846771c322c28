"""The command blocks of the documentation: which commands a reader is told to type, and where.

A block in the language `sh` is commands; in `console`, commands follow `$ ` and the rest is what
they print. A comment before a block says what is particular about it:

    <!-- not run: REASON -->          no test on this page's machine runs it
    <!-- first: COMMAND -->           what the reader has and the machine does not
    <!-- ready: TEXT -->              it goes on, and is ready when it prints the text
    <!-- exit code: N -->             what it ends with, if not 0
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
LANGUAGES: Final = {
    "console",
    "csv",
    "ini",
    "json",
    "nginx",
    "python",
    "sh",
    "sql",
    "text",
    "toml",
    "xml",
}

_BLOCK: Final = re.compile(
    r"(?P<notes>(?:^ *<!-- [^\n]+ -->\n)*)"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_NOTE: Final = re.compile(r"<!-- (not run|first|ready|exit code): (.+) -->")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a page.

    Attributes:
        page: the page's path, from the project's folder.
        line: the line on which the block begins.
        language: what follows the fence.
        commands: the commands, as one shell script; empty if it holds none.
        notes: what comments before it say, by their first words.
    """

    page: str
    line: int
    language: str
    commands: str
    notes: dict[str, str]

    @property
    def id(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block of a page."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        lines = [line.removeprefix(found["indent"]) for line in found["body"].splitlines()]
        script = lines if found["language"] == "sh" else []
        if found["language"] == "console":
            script = _typed(lines)
        yield Block(
            page=page.relative_to(ROOT).as_posix(),
            line=text.count("\n", 0, found.start("indent")) + 1,
            language=found["language"],
            commands="\n".join(script),
            notes=dict(_NOTE.findall(found["notes"])),
        )


def _typed(lines: list[str]) -> list[str]:
    typed: list[str] = []
    for line in lines:
        if line.startswith("$ "):
            typed.append(line[2:])
        elif typed and typed[-1].endswith("\\"):
            typed[-1] = f"{typed[-1][:-1]}{line.lstrip()}"
    return typed


def pages_of(*sections: str) -> list[Path]:
    """The pages in sections of the site's menu, in its order; without one, of the whole menu."""
    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    entries = site["project"]["nav"]
    chosen = [each for each in entries if not sections or set(each) & set(sections)]
    return [ROOT / "docs" / name for name in _files(chosen)]


def _files(entries: Any) -> list[str]:
    if isinstance(entries, str):
        return [entries]
    values = entries.values() if isinstance(entries, dict) else entries
    return [file for each in values for file in _files(each)]
