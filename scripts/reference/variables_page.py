"""The page of the channel variables, from the module that names them."""

from __future__ import annotations

import ast
import inspect
import itertools
from typing import Final

from agi_bridge.call import variables
from scripts.reference.markdown import prose, table

_HEAD: Final = """# Channel variables

What the bridge sets for your dialplan, and what it reads. `AGI_BRIDGE_RESULT` is the last one set.
"""


def variables_page() -> str:
    """The page."""
    body = ast.parse(inspect.getsource(variables)).body
    rows, parts = _documented(body), []
    for each in body:
        if isinstance(each, ast.ClassDef):
            title = prose(ast.get_docstring(each) or "").rstrip(".")
            values = table(("value", "meaning"), _documented(each.body))
            parts.append(f"## {title}\n\n{values}")
    return "\n".join([_HEAD, table(("variable", "meaning"), rows), *parts])


def _documented(body: list[ast.stmt]) -> list[tuple[str, ...]]:
    """Each constant of a body with the text that follows it."""
    rows: list[tuple[str, ...]] = []
    for constant, note in itertools.pairwise(body):
        value = getattr(constant, "value", None)
        if (
            isinstance(constant, ast.Assign | ast.AnnAssign)
            and isinstance(value, ast.Constant)
            and isinstance(note, ast.Expr)
            and isinstance(note.value, ast.Constant)
        ):
            rows.append((f"`{value.value!s}`", prose(str(note.value.value)).replace("\n", " ")))
    return rows
