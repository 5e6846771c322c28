"""What is written durably is synced before anybody is told that it is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agi_bridge.durable import sync_folder, write_synced


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The paths that were synced, each with its size at that moment."""
    seen: list[tuple[str, int]] = []

    def fsync(handle: int) -> None:
        seen.append((str(Path(f"/proc/self/fd/{handle}").readlink()), os.fstat(handle).st_size))

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


def test_a_file_is_synced_with_all_that_was_written(
    tmp_path: Path, synced: list[tuple[str, int]]
) -> None:
    path = tmp_path / "file"
    write_synced(path, b"x" * 100_000)
    assert synced == [(str(path), 100_000)]
    assert path.read_bytes() == b"x" * 100_000


def test_a_folder_is_synced_and_closed(tmp_path: Path, synced: list[tuple[str, int]]) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - names of this process's descriptors
    sync_folder(tmp_path)
    assert [path for path, _ in synced] == [str(tmp_path)]
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208 - as above


def test_a_folder_that_is_a_file_or_missing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "gone"):
        with pytest.raises(OSError):  # noqa: PT011 - what the system says of it
            sync_folder(path)
