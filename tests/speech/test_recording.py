"""A sound file is measured once, until it changes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from agi_bridge.speech import SHIPPED, BadAudio, recording
from agi_bridge.speech.recording import read_sound_info
from agi_bridge.speech.wav import header

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "Thank you for calling."
SILENCE = header(16_000, 8000) + bytes(16_000)


class Measurements:
    """How often a file was measured."""

    count = 0


@pytest.fixture
def measurements(monkeypatch: pytest.MonkeyPatch) -> Measurements:
    counted, measure = Measurements(), recording._measure

    def counting(*given: object, **options: object) -> object:
        counted.count += 1
        return measure(*given, **options)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(recording, "_measure", counting)
    monkeypatch.setattr(recording, "_known", {})
    return counted


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take each file for one that has not changed for long."""
    monkeypatch.setattr(recording, "SETTLED_NANOSECONDS", -(10**18))


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    file = tmp_path / "spoken.wav"
    file.write_bytes((SHIPPED / "en" / "accepted.wav").read_bytes())
    return file


@pytest.mark.usefixtures("settled")
def test_a_file_that_has_not_changed_is_measured_once(
    spoken: Path, measurements: Measurements
) -> None:
    first = read_sound_info(spoken, text=TEXT)
    assert read_sound_info(spoken) == read_sound_info(spoken, text="Yes") == first
    assert measurements.count == 1


@pytest.mark.usefixtures("settled")
def test_whether_anything_is_heard_is_asked_when_the_file_has_words(
    tmp_path: Path, measurements: Measurements
) -> None:
    file = tmp_path / "silence.wav"
    file.write_bytes(SILENCE)
    assert read_sound_info(file).samples == 8000
    for _ in range(2):
        with pytest.raises(BadAudio) as caught:
            read_sound_info(file, text=TEXT)
        assert caught.value.problem.code == "silent"
    assert measurements.count == 2


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("how", ["written over", "another file in its place", "cut"])
def test_a_file_that_has_changed_is_measured_again(
    how: str, spoken: Path, measurements: Measurements
) -> None:
    before, seen = read_sound_info(spoken, text=TEXT), spoken.stat()
    other = spoken.with_name("other.wav")
    changed = bytearray(spoken.read_bytes())
    changed[-1] ^= 1
    match how:
        case "written over":
            spoken.write_bytes(changed)
        case "another file in its place":
            other.write_bytes(changed)
            other.replace(spoken)
        case _:
            os.truncate(spoken, len(changed) - 2)
            os.utime(spoken, ns=(seen.st_atime_ns, seen.st_mtime_ns))
            with pytest.raises(BadAudio):
                read_sound_info(spoken, text=TEXT)
            assert measurements.count == 2
            return
    os.utime(spoken, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    while spoken.stat().st_ctime_ns == seen.st_ctime_ns:  # one step of the kernel's clock
        os.utime(spoken, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert read_sound_info(spoken, text=TEXT).sha256 != before.sha256
    assert measurements.count == 2


def test_a_file_that_has_just_changed_is_not_remembered(
    spoken: Path, measurements: Measurements
) -> None:
    assert read_sound_info(spoken) == read_sound_info(spoken)
    assert measurements.count == 2


@pytest.mark.usefixtures("settled")
def test_what_is_remembered_has_a_limit(
    spoken: Path, measurements: Measurements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_MOST_KNOWN", 1)
    other = spoken.with_name("other.wav")
    other.write_bytes(SILENCE)
    for _ in range(2):
        read_sound_info(spoken)
        read_sound_info(other)
    assert measurements.count == 4
    assert len(recording._known) == 1
