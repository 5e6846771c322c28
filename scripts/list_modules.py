#!/usr/bin/env python3
"""List every module of the package with its opening sentence, by room.

    scripts/list_modules.py [--json] [ROOM ...]

Read the list aloud as a stranger: each sentence must say what the module holds. Exit status 1 if
a module has no docstring.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).resolve().parents[1] / "agi_bridge"
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s|\n\n")


@dataclass(frozen=True, slots=True)
class Module:
    """One module: its dotted name without the package's, its length and its opening sentence."""

    name: str
    lines: int
    opening: str


def modules(root: Path = ROOT, rooms: Sequence[str] = ()) -> Iterator[Module]:
    """Yield the modules of the package in the order of their names; of some rooms if named."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if rooms and parts[0] not in rooms:
            continue
        name = ".".join(part for part in parts if part != "__init__") or root.name
        source = path.read_text(encoding="utf-8")
        docstring = ast.get_docstring(ast.parse(source)) or ""
        opening = " ".join(_SENTENCE_END.split(docstring, maxsplit=1)[0].split())
        yield Module(name, source.count("\n"), opening)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the list; return the exit status."""
    parser = argparse.ArgumentParser(description="List every module with its opening sentence.")
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help="only these, like agi or consent")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args(arguments)
    found = list(modules(rooms=asked.rooms))
    if asked.json:
        print(json.dumps([asdict(each) for each in found], indent=2))
    else:
        room = None
        for each in found:
            if (first := each.name.partition(".")[0]) != room:
                room = first
                print(f"\n{room}")
            print(f"  {each.name:<40} {each.lines:>4}  {each.opening or '-- no docstring --'}")
    return int(any(not each.opening for each in found))


if __name__ == "__main__":
    sys.exit(main())
