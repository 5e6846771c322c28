"""Man pages and completions: every command and every option, in a form that their readers take."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from scripts.manuals import Command, Option, commands, man_page, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manuals")
    write(folder)
    return folder


def complete(made: Path, *words: str) -> set[str]:
    """What bash offers for the last of these words."""
    script = (
        f"source {made}/completions/agi-bridge.bash; compopt() {{ :; }}; "
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _agi_bridge; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    ran = subprocess.run(  # noqa: S603 - our own script
        ["/bin/bash", "-euc", script, "bash", "agi-bridge", *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=made,
    )
    assert ran.stderr == ""
    return set(ran.stdout.split())


def names(options: Sequence[Option]) -> set[str]:
    return {name for option in options for name in option.names}


def test_every_command_has_a_page_with_every_option(made: Path) -> None:
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (made / "man1").iterdir()}
    assert pages.keys() == {each.page for each in commands().all()}
    assert {"agi-bridge", "agi-bridge-serve", "agi-bridge-consents-verify"} <= pages.keys()
    for each in commands().all():
        page = pages[each.page].replace("\\-", "-")
        for name in names(each.options):
            assert f"\\fB{name}\\fR" in page, (each.page, name)
        for below in each.commands:
            assert f"\\fB{below.page}\\fR(1)" in page


def test_a_text_never_becomes_a_macro() -> None:
    hostile = Option(("--x",), "FILE", ".so /etc/passwd", required=False, several=False)
    page = man_page(Command(("x",), "'quoted \\fBnot bold\n\n.sp\n\n-1 is a number", (hostile,)))
    lines = page.splitlines()
    assert "\\&.so /etc/passwd" in lines
    assert "\\&'quoted \\efBnot bold" in lines
    assert "\\&.sp" in lines
    assert "\\-1 is a number" in lines


@pytest.mark.programs
def test_bash_offers_every_command_at_its_place(made: Path) -> None:
    for each in commands().all():
        below = {child.words[-1] for child in each.commands}
        offered = complete(made, *each.words[1:], "")
        if each.commands:
            assert offered == below | names(each.options)
        assert complete(made, *each.words[1:], "--") == {
            name for name in names(each.options) if name.startswith("--")
        }
    assert complete(made, "consents", "ver") == {"verify"}


@pytest.mark.programs
def test_bash_offers_files_where_one_is_expected(made: Path) -> None:
    assert complete(made, "check", "--config", "") == {"man1", "completions"}
    assert complete(made, "restore", "ma") == {"man1"}
    assert complete(made, "check", "ma") == set()


def test_the_completions_of_zsh_and_fish_name_every_command_and_option(made: Path) -> None:
    zsh = (made / "completions" / "_agi-bridge").read_text(encoding="utf-8")
    fish = (made / "completions" / "agi-bridge.fish").read_text(encoding="utf-8")
    assert zsh.startswith("#compdef agi-bridge\n")
    for each in commands().all()[1:]:
        assert f" -a {each.words[-1]} " in fish
        assert f"_{'_'.join(each.words).replace('-', '_')}() {{" in zsh
        for name in names(each.options):
            assert f" -l {name[2:]} " in fish or f" -s {name[1:]} " in fish or len(name) == 2
            assert f"{name}[" in zsh or each.commands
