"""A package is built only if program, tag and change log name one version."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from scripts import version_gate
from scripts.version_gate import faults, main

if TYPE_CHECKING:
    from pathlib import Path

RELEASED: Final = """# Changelog

## [Unreleased]

## [1.2.0] - 2026-11-26

### Added

- A thing.

## [1.1.0] - 2026-10-01
"""
BEFORE: Final = """# Changelog

## [Unreleased]

### Added

- A thing.

## [1.1.0] - 2026-10-01
"""


def test_a_release_has_its_tag_its_version_and_its_section() -> None:
    assert faults("1.2.0", RELEASED, here=["v1.2.0"], tags=["v1.1.0", "v1.2.0"]) == []


def test_a_commit_before_a_release_has_a_version_that_no_tag_has() -> None:
    assert faults("1.2.0", BEFORE, here=[], tags=["v1.1.0"]) == []


@pytest.mark.parametrize(
    ("version", "changelog", "here"),
    [
        ("1.1.9", RELEASED, ["v1.2.0"]),  # the program was forgotten
        ("1.2.0", RELEASED, ["v1.2.0", "v1.3.0"]),  # two releases are one
        ("1.2.0", BEFORE, ["v1.2.0"]),  # the change log was forgotten
        ("1.2.0", RELEASED.replace(" - 2026-11-26", ""), ["v1.2.0"]),  # no date
        ("1.2.0", RELEASED.replace("[Unreleased]\n", "[Unreleased]\n\n- Left."), ["v1.2.0"]),
        ("1.1.0", BEFORE, []),  # what was released is built again from another commit
        ("1.2.0", BEFORE.replace("Unreleased", "Next"), []),
    ],
)
def test_what_disagrees_is_refused(version: str, changelog: str, here: list[str]) -> None:
    assert faults(version, changelog, here=here, tags=["v1.1.0", *here]) != []


def test_a_tag_of_another_kind_is_not_a_release() -> None:
    assert faults("1.2.0", BEFORE, here=["nightly"], tags=["nightly", "v1.1.0"]) == []


@pytest.mark.programs
def test_the_command_reads_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def git(*arguments: str) -> None:
        name = ["-c", "user.name=x", "-c", "user.email=x@localhost"]
        subprocess.run(  # noqa: S603 - fixed words
            ["git", *name, *arguments],  # noqa: S607 - the git of this machine
            cwd=tmp_path, check=True, capture_output=True,
        )  # fmt: skip

    monkeypatch.setattr(version_gate, "ROOT", tmp_path)
    monkeypatch.setattr(version_gate, "__version__", "1.2.0")
    (tmp_path / "CHANGELOG.md").write_text(RELEASED, encoding="utf-8")
    git("init")
    git("commit", "--allow-empty", "--message", "release")
    git("tag", "v1.2.0")
    assert main() == 0
    git("commit", "--allow-empty", "--message", "something after it")
    assert main() == 1
    assert "version: " in capsys.readouterr().err
