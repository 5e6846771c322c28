"""Recordings from a studio: what will not do is said, and what can be is put right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from agi_bridge.speech import SHIPPED, Script
from agi_bridge.speech.recording_check import RecordingFix, check_recording, keep_original

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT = "We are open."


def issues(path: Path, text: str = TEXT) -> list[tuple[str, RecordingFix]]:
    return [(issue.problem.code, issue.fix) for issue in check_recording(path, text)]


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*/*.wav")), ids=lambda path: path.stem)
def test_the_shipped_prompts_are_as_recordings_should_be(path: Path) -> None:
    assert check_recording(path, Script().shipped(path.stem, path.parent.name)) == []


def test_a_recording_of_the_usual_level_and_length_will_do(tone: Callable[..., Path]) -> None:
    assert issues(tone(level=0.14, silence=0.1)) == []


@pytest.mark.parametrize(
    ("options", "code", "fix"),
    [
        ({"rate": 44_100}, "format", RecordingFix.CONVERT),
        ({"channels": 2}, "format", RecordingFix.CONVERT),
        ({"level": 0.01}, "too_quiet", RecordingFix.CONVERT),
        ({"level": 0.4}, "too_loud", RecordingFix.CONVERT),
        ({"silence": 1.5}, "long_silence", RecordingFix.CONVERT),
        (
            {"seconds": 0.4},
            "short_for_text",
            RecordingFix.RECORD,
        ),
        (
            {"seconds": 9.0},
            "long_for_text",
            RecordingFix.RECORD,
        ),
    ],
)
def test_issues_name_their_fix(
    tone: Callable[..., Path], options: dict[str, Any], code: str, fix: RecordingFix
) -> None:
    path = tone(**{"level": 0.14, "silence": 0.1, **options})
    assert issues(path) == [(code, fix)]


def write(tmp_path: Path, samples: np.ndarray) -> Path:
    path = tmp_path / "take.wav"
    soundfile.write(path, samples, 8000, subtype="PCM_16")
    return path


def test_clipping_cannot_be_put_right(tmp_path: Path) -> None:
    loud = 2.0 * np.sin(2 * np.pi * 200 * np.arange(8000) / 8000)
    found = issues(write(tmp_path, loud.clip(-0.9, 0.9)))
    assert ("clipped", RecordingFix.RECORD) in found


def test_a_single_high_peak_is_too_high_but_not_clipping(tmp_path: Path) -> None:
    samples = 0.14 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    samples[4000] = 0.95
    assert issues(write(tmp_path, samples)) == [("peaks", RecordingFix.CONVERT)]


def test_silence_and_garbage_are_not_recordings(tmp_path: Path) -> None:
    assert issues(write(tmp_path, np.zeros(8000))) == [("silent", RecordingFix.RECORD)]
    (tmp_path / "take.wav").write_bytes(b"garbage")
    assert issues(tmp_path / "take.wav") == [("not_sound", RecordingFix.RECORD)]


def test_a_word_is_too_short_to_tell_its_pace(tone: Callable[..., Path]) -> None:
    assert issues(tone(level=0.14, silence=0.1, seconds=0.2), "Hi.") == []


def test_each_original_is_kept_under_a_new_name(tone: Callable[..., Path]) -> None:
    path = tone()
    kept = [keep_original(path).name for _ in range(3)]
    assert kept == ["tone.wav.original", "tone.wav.original-2", "tone.wav.original-3"]
    assert path.with_name("tone.wav.original").read_bytes() == path.read_bytes()
