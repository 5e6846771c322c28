"""The sentences that people read in errors and findings, kept in one file per room.

Other tests assert on codes, so a sentence can be corrected freely; here the change is seen. Write
the files again with `python -m tests.docs.test_sentences`.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[2] / "agi_bridge"
KEPT = Path(__file__).parent / "sentences"
ROOMS = ("app", "cli/check", "doctor", "hook", "lab", "prompts", "settings", "speech", "web")
PLACEHOLDER = "{}"


def sentences(room: str) -> str:
    """All texts of several words in a room's code, without docstrings, by module."""
    lines: list[str] = []
    for file in sorted((PACKAGE / room).rglob("*.py")):
        found = sorted(set(_texts(ast.parse(file.read_text(encoding="utf-8")))))
        if found:
            lines += [f"[{file.relative_to(PACKAGE)}]", *found, ""]
    return "\n".join(lines)


def _texts(tree: ast.AST) -> Iterator[str]:
    """Yield the texts inside functions: those of modules are patterns, tables and help."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node, clean=False) else node.body
            for statement in body:
                yield from _spoken(statement)


def _spoken(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return  # visited by itself
    if isinstance(node, ast.Constant | ast.JoinedStr):
        text = _as_text(node)
        if " " in text.strip() and "\n" not in text:
            yield text.strip()
        return
    for child in ast.iter_child_nodes(node):
        yield from _spoken(child)


def _as_text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_as_text, node.values))
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return PLACEHOLDER


def kept(room: str) -> Path:
    return KEPT / f"{room.replace('/', '-')}.txt"


@pytest.mark.parametrize("room", ROOMS)
def test_the_sentences_are_those_that_were_read(room: str) -> None:
    assert sentences(room) == kept(room).read_text(encoding="utf-8"), (
        "read the change, then run: python -m tests.docs.test_sentences"
    )


if __name__ == "__main__":
    KEPT.mkdir(exist_ok=True)
    for each in ROOMS:
        kept(each).write_text(sentences(each), encoding="utf-8")
