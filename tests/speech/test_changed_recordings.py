"""A recording that changes while the service runs is noticed before a caller hears it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agi_bridge.speech import SHIPPED, Library, PromptFolder
from agi_bridge.speech.library import LOOK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def disclosure(tmp_path: Path) -> Path:
    """A business's own recording."""
    file = tmp_path / "own" / "en" / "disclosure.wav"
    file.parent.mkdir(parents=True)
    shutil.copy(SHIPPED / "en" / "disclosure.wav", file)
    file.with_suffix(".txt").write_text("Hello.", encoding="utf-8")
    return file


def replaced(file: Path) -> None:
    """By another of the same size and age."""
    status = file.stat()
    content = bytearray(file.read_bytes())
    content[20_000:20_100] = b"\x11" * 100
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def renamed_over(file: Path) -> None:
    shutil.copy(SHIPPED / "en" / "busy.wav", file.with_name("new.wav"))
    file.with_name("new.wav").replace(file)


def gone(file: Path) -> None:
    file.unlink()


def rivalled(file: Path) -> None:
    file.with_suffix(".ulaw").write_bytes(b"\x7f" * 800)


def widened(file: Path) -> None:
    file.with_suffix(".wav16").write_bytes(b"")


@pytest.mark.parametrize("change", [replaced, renamed_over, gone, rivalled, widened])
async def test_a_changed_disclosure_is_not_intact(
    tmp_path: Path, disclosure: Path, change: Callable[[Path], None]
) -> None:
    now = [1000.0]
    books = Library(cache=tmp_path / "speech", clock=lambda: now[0]).with_overrides(
        PromptFolder(tmp_path / "own")
    )
    recording = books.prompt("disclosure", "en")
    assert recording.wav == disclosure
    assert await books.intact(recording)
    change(disclosure)
    now[0] += LOOK_SECONDS
    with capture_logs() as logs:
        assert not await books.intact(recording)
        assert not await books.intact(recording)  # a fault is looked for every time
    assert [(log["log_level"], log["file"]) for log in logs] == 2 * [("error", str(disclosure))]


async def test_a_look_counts_for_a_moment_and_for_its_own_recording(
    tmp_path: Path, disclosure: Path
) -> None:
    now = [1000.0]
    shared = Library(cache=tmp_path / "speech", clock=lambda: now[0])
    books = shared.with_overrides(PromptFolder(tmp_path / "own"))
    recording = books.prompt("disclosure", "en")
    assert await shared.intact(shared.prompt("disclosure", "en"))
    assert await books.intact(recording)
    gone(disclosure)
    now[0] += LOOK_SECONDS / 2
    assert await books.intact(recording)
    now[0] += LOOK_SECONDS
    assert not await books.intact(recording)


async def test_one_that_was_only_touched_or_put_back_is(tmp_path: Path, disclosure: Path) -> None:
    books = Library(cache=tmp_path / "speech").with_overrides(PromptFolder(tmp_path / "own"))
    recording = books.prompt("disclosure", "en")
    content = disclosure.read_bytes()
    disclosure.unlink()
    disclosure.write_bytes(content)
    disclosure.chmod(0o640)
    assert await books.intact(recording)


async def test_what_the_pbx_fetches_is_compared_when_it_is_fetched(
    tmp_path: Path, disclosure: Path
) -> None:
    books = Library(cache=tmp_path / "speech", address=lambda _: "http://192.0.2.1/a.wav")
    own = books.with_overrides(PromptFolder(tmp_path / "own"))
    disclosure.unlink()
    assert await own.intact(own.prompt("disclosure", "en"))
