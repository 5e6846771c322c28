"""The form of the documentation: what an editor's window and a diff show without wrapping."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from tests.support.documented import pages_of

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")],
)
WIDTH = 100
GENERATED = {"heard.md"}
RULE = re.compile(r"^\|( ?:?-+:? ?\|)+$")
FENCED = re.compile(r"^\s*```.*?^\s*```\s*$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_prose_is_wrapped(page: Path) -> None:
    """Tables, pictures and code are as wide as they are; so is a single word, like a link."""
    prose = FENCED.sub("", page.read_text(encoding="utf-8")).splitlines()
    long = [
        line
        for line in prose
        if len(line) > WIDTH and " " in line.strip() and not line.startswith(("|", "    ", "!["))
    ]
    assert long == [] or page.name in GENERATED


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_table_is_one_block_below_its_head(page: Path) -> None:
    """A blank line within one makes text of the rows that follow."""
    blocks = FENCED.sub("", page.read_text(encoding="utf-8")).split("\n\n")
    tables = [found.splitlines() for found in blocks if found.lstrip("\n").startswith("|")]
    rows = [[line for line in table if line] for table in tables]
    assert [each[0] for each in rows if len(each) < 3 or not RULE.match(each[1])] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_column_has_a_name(page: Path) -> None:
    """A screen reader says it before each cell."""
    lines = FENCED.sub("", page.read_text(encoding="utf-8")).splitlines()
    heads = [head for head, rule in itertools.pairwise(lines) if RULE.match(rule)]
    nameless = [head for head in heads if not all(map(str.strip, head.strip("|").split("|")))]
    assert nameless == [] or page.name in GENERATED


@pytest.mark.parametrize("page", pages_of("Start", "Operate"), ids=lambda page: page.name)
def test_a_block_in_a_list_is_indented_by_four(page: Path) -> None:
    """With fewer spaces the site ends the list before the block, and counts from one again."""
    indents = re.findall(r"^( +)```", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [each for each in indents if len(each) % 4] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_an_item_after_an_items_second_paragraph_stands_apart(page: Path) -> None:
    """Without an empty line before it, the site shows it as part of that paragraph."""
    prose = FENCED.sub("\n\n", page.read_text(encoding="utf-8"))
    joined = [
        line
        for paragraph in re.split(r"\n\s*\n", prose)
        if re.match(r" {2,}(?![-*0-9])\S", paragraph)
        for line in paragraph.splitlines()
        if re.match(r"(?:[-*]|[0-9]+\.) ", line)
    ]
    assert joined == []
