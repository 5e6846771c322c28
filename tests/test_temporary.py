"""Temporary folders: locked while in use, and swept once their process is gone."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from agi_bridge.temporary import temporary_folder

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "agi-bridge-test-"
HOLD = f"""
from agi_bridge.temporary import temporary_folder
with temporary_folder("{PREFIX}") as folder:
    (folder / "consents.db").write_text("personal")
    print(folder, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_it_is_private_and_deleted_at_the_end(tmp_path: Path) -> None:
    with temporary_folder(PREFIX) as folder:
        (folder / "file").write_text("x")
        assert folder.parent.parent == tmp_path
        assert folder.parent.stat().st_mode & 0o777 == 0o700
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []


def test_it_is_deleted_when_its_block_raises(tmp_path: Path) -> None:
    with pytest.raises(KeyError), temporary_folder(PREFIX):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.programs
def test_what_a_killed_process_left_is_deleted_and_what_a_living_one_uses_is_not(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        [theirs] = tmp_path.iterdir()
        with temporary_folder(PREFIX) as ours:
            assert sorted(tmp_path.iterdir()) == sorted((theirs, ours.parent))
        other.kill()
    assert (theirs / "work" / "consents.db").read_text() == "personal"
    with temporary_folder(PREFIX) as ours:
        assert list(tmp_path.iterdir()) == [ours.parent]


def test_a_link_and_what_has_another_name_are_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    (tmp_path / f"{PREFIX}link").symlink_to(kept)
    (tmp_path / f"{PREFIX}file").write_text("x")
    with temporary_folder(PREFIX):
        pass
    assert (kept / "file").exists()
    assert (tmp_path / f"{PREFIX}link").is_symlink()
    assert (tmp_path / f"{PREFIX}file").exists()


def test_its_user_may_lock_it(tmp_path: Path) -> None:
    with temporary_folder(PREFIX) as folder:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)
    assert list(tmp_path.iterdir()) == []
