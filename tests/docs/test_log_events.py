"""docs/log-events.md and the code name the same events, at the same levels."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
LEVELS: Final = frozenset({"debug", "info", "warning", "error", "critical", "exception"})
NAME: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
ROW: Final = re.compile(
    r"^\| `([^`]+)` \| ([a-z, ]+) \| ([^|]*) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE
)
CALL: Final = "call"
"""The one event without an area: the line that each call leaves."""


def logged() -> Iterator[tuple[str, str, str]]:
    """Each event that the package logs: name, level, file and line."""
    for path in sorted((ROOT / "agi_bridge").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LEVELS
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and isinstance(node.args[0].value, str)
            ):
                level = "error" if node.func.attr == "exception" else node.func.attr
                yield node.args[0].value, level, f"{path.relative_to(ROOT)}:{node.lineno}"


def documented() -> dict[str, set[str]]:
    """The levels of each event on the page."""
    page = (ROOT / "docs" / "log-events.md").read_text(encoding="utf-8")
    return {
        name: {level.strip() for level in levels.split(",")}
        for name, levels, *_ in ROW.findall(page)
    }


def test_every_event_is_a_name_and_no_sentence() -> None:
    wrong = [
        f"{where}: {name!r}"
        for name, _, where in logged()
        if not NAME.fullmatch(name) or ("." not in name and name != CALL)
    ]
    assert wrong == []


def test_every_event_is_documented_at_its_level() -> None:
    page = documented()
    missing = [
        f"{where}: {name} ({level})"
        for name, level, where in logged()
        if level not in page.get(name, set())
    ]
    assert missing == []


def test_the_page_names_no_event_that_is_never_logged() -> None:
    in_code = {name for name, _, _ in logged()}
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "agi_bridge").rglob("*.py")
    )
    # Some names reach the log through a variable; they stand in the source all the same.
    gone = [name for name in documented() if name not in in_code and f'"{name}"' not in source]
    assert gone == []


def test_every_event_has_a_meaning_and_a_cure() -> None:
    page = (ROOT / "docs" / "log-events.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows
    assert [row for row in rows if not ROW.match(row)] == []
