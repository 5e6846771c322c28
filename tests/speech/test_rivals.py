from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from agi_bridge.speech import SHIPPED, Recording, read_sound_info, rivals, text_hash
from agi_bridge.speech.rivals import conflicting_files, intact, visible_files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return recorded(tmp_path / "en" / "disclosure.wav")


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that are listed, where every folder counts as settled."""
    listed: list[Path] = []

    def counting(folder: Path) -> list[Path]:
        listed.append(folder)
        return visible_files(folder)

    monkeypatch.setattr(rivals, "visible_files", counting)
    monkeypatch.setattr(rivals, "SETTLED_NANOSECONDS", -(10**9))
    return listed


def changed(folder: Path) -> None:
    """The folder as it is after a change that the kernel's clock tells from the one before."""
    os.utime(folder, ns=(0, folder.stat().st_mtime_ns + 10**9))


def test_a_folder_that_has_not_changed_is_listed_once(
    recording: Recording, listings: list[Path]
) -> None:
    assert all(intact(recording) for _ in range(3))
    assert listings == [recording.wav.parent]


def test_a_file_that_comes_beside_is_noticed_at_once(
    recording: Recording, listings: list[Path]
) -> None:
    assert intact(recording)
    recording.wav.with_suffix(".ulaw").write_bytes(b"\x7f" * 800)
    changed(recording.wav.parent)
    assert not intact(recording)
    assert not intact(recording)
    recording.wav.with_suffix(".ulaw").unlink()
    changed(recording.wav.parent)
    assert intact(recording)
    assert len(listings) == 3


def test_a_file_that_comes_into_a_languages_folder_below_is_noticed_too(
    recording: Recording, listings: list[Path]
) -> None:
    below = recording.wav.parent / "fr"
    below.mkdir()
    assert intact(recording)
    (below / "disclosure.gsm").write_bytes(b"")
    changed(below)
    assert not intact(recording)
    assert conflicting_files(recording.wav) == ["fr/disclosure.gsm"]
    assert listings.count(below) == 3


def test_a_folder_that_has_just_changed_is_listed_again(
    recording: Recording, listings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second change in the same step of the kernel's clock leaves the same times."""
    monkeypatch.setattr(rivals, "SETTLED_NANOSECONDS", 10**12)
    assert intact(recording)
    assert intact(recording)
    assert len(listings) == 2


def test_what_a_folder_held_is_not_trusted_if_it_cannot_be_read(
    recording: Recording, listings: list[Path]
) -> None:
    assert intact(recording)
    folder = recording.wav.parent
    folder.rename(folder.with_name("elsewhere"))
    assert not intact(recording)
    assert len(listings) == 2


def test_the_folders_that_are_remembered_are_limited(
    tmp_path: Path, listings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rivals, "_MOST_LISTED", 2)
    several = [recorded(tmp_path / f"line{n}" / "disclosure.wav") for n in range(5)]
    assert all(intact(each) for each in several)
    assert len(rivals._listed) <= 2
    assert len(listings) == 5


def recorded(file: Path) -> Recording:
    file.parent.mkdir(parents=True)
    shutil.copy(SHIPPED / "en" / "disclosure.wav", file)
    sound = read_sound_info(file)
    return Recording(
        name=file.stem, language="en", text="Hello.", path=str(file.with_suffix("")), wav=file,
        samples=sound.samples, sha256=sound.sha256, text_sha256=text_hash("Hello."),
        state=sound.state,
    )  # fmt: skip
