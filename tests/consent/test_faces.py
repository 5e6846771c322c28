"""Outsiders import the consent package through its three faces alone, and each export is used."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import agi_bridge.consent
import agi_bridge.consent.ledger
import agi_bridge.consent.signing

ROOT = Path(__file__).parents[2]
PACKAGE = "agi_bridge.consent"
FACES = {
    PACKAGE: agi_bridge.consent.__all__,
    f"{PACKAGE}.ledger": agi_bridge.consent.ledger.__all__,
    f"{PACKAGE}.signing": agi_bridge.consent.signing.__all__,
}


def imports(*folders: str) -> dict[str, dict[str, set[str]]]:
    """The names that outsiders import, by module of this package and by file."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if PACKAGE in text and not path.is_relative_to(ROOT / "agi_bridge" / "consent"):
                for node in ast.walk(ast.parse(text)):
                    module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
                    if isinstance(node, ast.ImportFrom) and f"{module}.".startswith(f"{PACKAGE}."):
                        found[module][str(path)] |= {name.name for name in node.names}
    return found


def test_outsiders_import_from_the_faces_alone() -> None:
    past = {
        (path, module, name)
        for module, files in imports("agi_bridge", "bench").items()
        for path, names in files.items()
        for name in names
        if name not in FACES.get(module, ())
    }
    assert past == set()


def test_what_nobody_imports_is_not_exported() -> None:
    used = imports("agi_bridge", "bench", "tests")
    for face, exported in FACES.items():
        assert set(exported) <= set().union(*used[face].values()), face
