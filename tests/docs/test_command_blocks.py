"""What a reader is told to type works: each command block is run, or says why it is not."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from scripts.manuals import commands
from tests.support.documented import LANGUAGES, ROOT, blocks, pages_of
from tests.support.documented_machine import SECTIONS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.documented import Block

PAGES: Final = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")})
EVERY: Final = [block for page in PAGES for block in blocks(page)]
TYPED: Final = [block for page in pages_of(*SECTIONS) for block in blocks(page) if block.commands]
COMMANDS: Final = {
    each.words[1:]: {"--help", *(name for option in each.options for name in option.names)}
    for each in commands().all()
}
"""The options of each command, by its words."""
TYPED_WORDS: Final = re.compile(r"(?:^|[|;&] *|/)agi-bridge ([^|;&>\n]*)", re.MULTILINE)
RUN: Final = [block for block in TYPED if "not run" not in block.notes]


def typed_on_a_machine(folder: Path) -> dict[str, tuple[int, str]]:
    """Each block's exit code and output, on one machine, in the order of the site's menu."""
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    machine = subprocess.run(  # noqa: S603 - our own arguments
        [
            *("unshare", *root, "--net", "--mount"),
            *(sys.executable, "-m", "tests.support.documented_machine", folder),
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert machine.returncode == 0, machine.stderr[-4000:]
    results: dict[str, tuple[int, str]] = json.loads(machine.stdout.splitlines()[-1])
    return results


@pytest.mark.timeout(600)
def test_what_the_pages_say_to_type_works(tmp_path: Path) -> None:
    """One test, because one machine goes through all pages."""
    ran = typed_on_a_machine(tmp_path / "machine")
    assert list(ran) == [block.id for block in RUN]
    meant = {block.id: int(block.notes.get("exit code", "0")) for block in RUN}
    wrong = {
        where: said
        for where, (code, said) in ran.items()
        if code != meant[where] or "Traceback" in said
    }
    assert wrong == {}


def test_a_block_that_is_not_run_says_why() -> None:
    reasons = {block.id: block.notes["not run"] for block in TYPED if "not run" in block.notes}
    assert [where for where, reason in reasons.items() if not reason.startswith("needs ")] == []
    for reason in reasons.values():
        for path in re.findall(r"tests/[\w/]+(?:\.py)?", reason):
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize(
    "block", [block for block in EVERY if block.commands], ids=lambda block: block.id
)
def test_commands_and_options_exist(block: Block) -> None:
    """In all pages: those that no test runs have commands and options of this version too."""
    for typed in TYPED_WORDS.findall(block.commands):
        words = tuple(shlex.split(typed, comments=True))
        command = max((words[:n] for n in range(len(words) + 1) if words[:n] in COMMANDS), key=len)
        assert command, typed
        assert {word for word in words[len(command) :] if word.startswith("-")} <= COMMANDS[
            command
        ], typed


@pytest.mark.parametrize("block", EVERY, ids=lambda block: block.id)
def test_a_block_names_its_language(block: Block) -> None:
    assert block.language in LANGUAGES
