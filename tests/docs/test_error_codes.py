"""Every code of an error is named by the module that describes the room's errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "agi_bridge"
CODE = re.compile(r'\bcode ?= ?"(\w+)"')


@pytest.mark.parametrize(
    ("room", "raised"), [("consent", "."), ("evidence", "export"), ("backup", ".")]
)
def test_every_code_is_described(room: str, raised: str) -> None:
    described = (PACKAGE / room / "errors.py").read_text(encoding="utf-8")
    used = {
        code
        for file in (PACKAGE / room / raised).rglob("*.py")
        for code in CODE.findall(file.read_text(encoding="utf-8"))
    }
    names = set(re.findall(r'[`"](\w+)[`"]', described))
    assert used
    assert used <= names
