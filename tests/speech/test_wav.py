"""WAV files: the one form that Asterisk plays rightly, and what is said of all others.

`tests/asterisk/test_recordings.py` holds the same files against what a real Asterisk plays.
"""

from __future__ import annotations

import contextlib
import os
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.speech import SHIPPED, BadAudio
from agi_bridge.speech.audio import read_samples
from agi_bridge.speech.recording import MAX_SECONDS, read_sound_info
from agi_bridge.speech.recording_check import RecordingFix, check_recording, rewrite
from agi_bridge.speech.wav import HEADER_BYTES, check, header, samples
from tests.support.wav_files import RATE, Variant, chunk, riff, sound, variants

if TYPE_CHECKING:
    from pathlib import Path

SPEECH = (0.14 * 32768 * np.sin(np.arange(12_000) / 3)).astype("<i2").tobytes()
"""A second and a half, as loud as speech should be."""

VARIANTS = dict(variants(SPEECH))
named = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "take.wav"


@named
def test_only_what_asterisk_plays_rightly_is_taken(file: Path, variant: Variant) -> None:
    file.write_bytes(variant.content)
    if not variant.problem:
        assert read_sound_info(file).samples == len(SPEECH) // 2
        return
    with pytest.raises(BadAudio) as caught:
        read_sound_info(file)
    assert caught.value.problem.code == variant.problem


@named
def test_every_kind_of_problem_names_a_fix(file: Path, variant: Variant) -> None:
    file.write_bytes(variant.content)
    cures = [issue.fix for issue in check_recording(file, "")]
    assert max(cures, default=None) == variant.fix


@named
def test_the_samples_are_the_same_after_they_were_written_again(
    file: Path, variant: Variant
) -> None:
    file.write_bytes(variant.content)
    ready = file.with_name("ready.wav")
    if variant.fix is None or variant.fix is RecordingFix.REWRITE:
        rewrite(file, ready)
        assert ready.read_bytes() == sound(SPEECH)
    else:
        with pytest.raises(BadAudio):
            rewrite(file, ready)
        assert not ready.exists()


def test_python_and_the_package_write_the_one_form(file: Path) -> None:
    with wave.open(str(file), "wb") as opened:
        opened.setparams((1, 2, RATE, 0, "NONE", ""))
        opened.writeframes(SPEECH)
    assert file.read_bytes() == sound(SPEECH)
    for prompt in SHIPPED.glob("*/*.wav"):
        assert read_sound_info(prompt).samples == (prompt.stat().st_size - HEADER_BYTES) // 2


def test_hd_voice_has_the_same_form_at_its_own_rate() -> None:
    assert check(header(8, 16_000) + bytes(8), 16_000) == 4
    with pytest.raises(BadAudio) as caught:
        check(header(8, RATE) + bytes(8), 16_000)
    assert caught.value.problem.code == "format"


def test_a_sound_of_more_than_six_minutes_is_refused(file: Path) -> None:
    most = int(MAX_SECONDS * RATE) * 2
    file.write_bytes(sound(bytes(most)))
    assert read_sound_info(file).samples == MAX_SECONDS * RATE
    file.write_bytes(sound(bytes(most + 2)))
    with pytest.raises(BadAudio) as caught:
        read_sound_info(file)
    assert caught.value.problem.code == "too_long"


def test_a_pipe_of_that_name_is_not_waited_for(file: Path) -> None:
    os.mkfifo(file)
    for read in (read_sound_info, read_samples):
        with pytest.raises(BadAudio) as caught:
            read(file)
        assert caught.value.problem.code == "not_file"


@pytest.mark.parametrize("name", ["cut short", "a chunk of odd size"])
def test_no_reader_accepts_a_truncated_file(file: Path, name: str) -> None:
    content = VARIANTS[name].content
    file.write_bytes(content[:-200])
    with pytest.raises(BadAudio) as caught:
        read_samples(file)
    assert caught.value.problem.code == "cut_short"


@given(st.binary(max_size=200), st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_no_file_breaks_the_reading(noise: bytes, place: int, size: int) -> None:
    """Damage anywhere in the header: it is taken whole or refused in words."""
    good = bytearray(riff(chunk(b"fmt ", b"\1\0\1\0" + noise[:12]), chunk(b"data", noise)))
    good[place : place + 4] = size.to_bytes(4, "little")
    content = bytes(good)
    found = samples(content, RATE)
    assert found is None or found in content
    with contextlib.suppress(BadAudio):
        assert check(content, RATE) == (len(content) - HEADER_BYTES) // 2
