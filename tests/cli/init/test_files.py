"""The files of `agi-bridge init`: all of them, or none, and nothing that was there is replaced."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from agi_bridge.cli.init.files import NewFile, compare, write
from tests.support.commands import names

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_that_comes_into_being_meanwhile_is_left_and_nothing_else_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [NewFile(tmp_path / name, name, 0o644) for name in ("a", "b", "c")]
    link = os.link

    def slow(source: Path, target: Path) -> None:
        if target.name == "b":
            target.write_text("another program's")
        link(source, target)

    monkeypatch.setattr(os, "link", slow)
    with pytest.raises(FileExistsError):
        write(made)
    assert names(tmp_path) == ["b"]
    assert (tmp_path / "b").read_text() == "another program's"


def test_an_interrupt_waits_until_all_files_have_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def interrupted(source: Path, target: Path) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        link(source, target)

    monkeypatch.setattr(os, "link", interrupted)
    # A shell starts what runs in its background with this signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            write([NewFile(tmp_path / name, name, 0o644) for name in ("a", "b")])
    finally:
        signal.signal(signal.SIGINT, before)
    assert names(tmp_path) == ["a", "b"]


def test_the_difference_shows_no_token_that_is_there(tmp_path: Path) -> None:
    there = tmp_path / "agi-bridge.conf"
    there.write_text("same => n,Set(AGI_BRIDGE_TOKEN=S3cret)\n")
    _, (difference,) = compare([NewFile(there, "same => n,NoOp()\n", 0o644)])
    assert "AGI_BRIDGE_TOKEN" in str(difference)
    assert "S3cret" not in str(difference)
