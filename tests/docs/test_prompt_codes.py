"""docs/prompts.md lists every code of a prompt's problem with its sentence, word for word."""

from __future__ import annotations

import re
from pathlib import Path

from agi_bridge.speech.problems import SENTENCES

PAGE = Path(__file__).parents[2] / "docs" / "prompts.md"
ROW = re.compile(r"^\| `([a-z_]+)` \| `(.+)` \|$", re.MULTILINE)


def test_the_page_lists_every_code_with_its_sentence() -> None:
    _, codes = PAGE.read_text(encoding="utf-8").split("### Codes", 1)
    assert dict(ROW.findall(codes)) == SENTENCES
