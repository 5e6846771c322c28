"""Every exception from a linter or the type checker has its reason on the same line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("agi_bridge", "bench", "docker", "docs", "scripts", "tests")
SUPPRESSION = re.compile(r"# (?:noqa|type: ignore)\b(?:: ?[A-Z0-9, ]+|\[[a-z, -]+\])?(.*)$")
REASON = re.compile(r"\s*(?:#|-)\s*\S")


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_suppression_has_a_reason(folder: str) -> None:
    bare = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        if file != Path(__file__)
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if (found := SUPPRESSION.search(line)) and not REASON.match(found[1])
    ]
    assert bare == []
