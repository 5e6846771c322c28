"""The audited account comes from the kernel, not from the environment."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from agi_bridge.cli.audit import actor

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ME = pwd.getpwuid(os.geteuid()).pw_name


def test_the_actor_is_the_account_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("SUDO_USER", "somebody-else")
    assert actor(tmp_path / "no-such-note") == ME


def test_no_login_or_the_same_login_adds_nothing(tmp_path: Path) -> None:
    note = tmp_path / "loginuid"
    for uid in ("4294967295", str(os.geteuid()), "not a number"):
        note.write_text(uid)
        assert actor(note) == ME


def test_behind_sudo_the_login_is_named(tmp_path: Path) -> None:
    note = tmp_path / "loginuid"
    other = next(each for each in pwd.getpwall() if each.pw_uid != os.geteuid())
    note.write_text(str(other.pw_uid))
    assert actor(note) == f"{other.pw_name} as {ME}"


def test_an_account_without_a_name_is_its_number(tmp_path: Path) -> None:
    note = tmp_path / "loginuid"
    note.write_text("3999999999")
    assert actor(note) == f"uid 3999999999 as {ME}"
