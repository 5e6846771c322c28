"""Any usable sound comes out fit for the telephone."""

from __future__ import annotations

import subprocess
import sys
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from agi_bridge.speech import BadAudio
from agi_bridge.speech.audio import (
    LEVEL_DBOV,
    active_level,
    convert_for_telephone,
    shape,
)
from agi_bridge.speech.recording import MAX_SECONDS, WIDE_RATE, read_sound_info

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("rate", "channels", "subtype"),
    [(8000, 1, "PCM_16"), (22050, 1, "PCM_16"), (48000, 2, "FLOAT"), (16000, 1, "ULAW")],
)
def test_any_usual_wav_becomes_8_khz_16_bit_mono(
    tone: Callable[..., Path], tmp_path: Path, rate: int, channels: int, subtype: str
) -> None:
    target = tmp_path / "out.wav"
    samples = convert_for_telephone(tone(rate=rate, channels=channels, subtype=subtype), target)
    with wave.open(str(target)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 8000)
        assert sound.getnframes() == samples


def test_what_is_written_is_what_asterisk_plays(tone: Callable[..., Path], tmp_path: Path) -> None:
    target, wide = tmp_path / "out.wav", tmp_path / "out.wav16"
    samples = convert_for_telephone(tone(rate=48_000), target, wide)
    assert read_sound_info(target).samples == samples
    assert read_sound_info(wide, WIDE_RATE).samples == pytest.approx(2 * samples, abs=2)
    read, _ = soundfile.read(target)
    assert (tmp_path / "out.wav").read_bytes()[44:46] == b"\0\0"
    assert np.abs(read).max() <= 10 ** (-1 / 20)


@pytest.mark.programs
def test_a_hardened_service_can_convert(tone: Callable[..., Path], tmp_path: Path) -> None:
    """No memory both written and executed: systemd's MemoryDenyWriteExecute, prctl since 6.3."""
    program = """
import ctypes, pathlib, sys
ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN
from agi_bridge.speech.audio import convert_for_telephone
convert_for_telephone(*map(pathlib.Path, sys.argv[1:]))
"""
    target = tmp_path / "out.wav"
    command = [sys.executable, "-c", program, str(tone(rate=48_000)), str(target)]
    subprocess.run(command, check=True)  # noqa: S603 - the interpreter that runs this
    assert read_sound_info(target).samples


def test_a_disk_that_is_full_is_an_os_error(tone: Callable[..., Path]) -> None:
    with pytest.raises(OSError, match="No space left"):
        convert_for_telephone(tone(), Path("/dev/full"))


def test_silence_at_both_ends_is_trimmed_to_a_twentieth_of_a_second(
    tone: Callable[..., Path], tmp_path: Path
) -> None:
    samples = convert_for_telephone(tone(seconds=1.0, silence=2.0), tmp_path / "out.wav")
    assert samples == pytest.approx(8000 * 1.1, abs=40)


def test_a_soft_beginning_fades_in_and_is_not_cut_off() -> None:
    breath = np.full(4000, 1e-3)  # softer than what counts as speech
    (sound,) = shape(np.concatenate([breath, 0.5 * np.sin(np.arange(8000)), breath]), 8000)
    assert len(sound) == pytest.approx(8000 + 2 * 400, abs=10)
    assert sound[0] == sound[-1] == 0
    assert 0 < sound[200] < sound[390]


@pytest.mark.parametrize("level", [0.002, 0.05, 0.99])
def test_faint_and_loud_speech_come_out_at_the_same_level(
    tone: Callable[..., Path], tmp_path: Path, level: float
) -> None:
    target = tmp_path / "out.wav"
    convert_for_telephone(tone(level=level, subtype="FLOAT"), target)
    samples, _ = soundfile.read(target)
    assert active_level(samples) == pytest.approx(LEVEL_DBOV, abs=0.2)


def test_hd_voice_has_the_same_length_and_level(tone: Callable[..., Path], tmp_path: Path) -> None:
    target, wide = tmp_path / "out.wav", tmp_path / "out.wav16"
    samples = convert_for_telephone(tone(rate=24_000), target, wide)
    broad, rate = soundfile.read(wide)
    assert rate == WIDE_RATE
    assert len(broad) == pytest.approx(2 * samples, abs=2)
    assert active_level(broad, rate) == pytest.approx(LEVEL_DBOV, abs=0.2)


def test_a_source_without_hd_voice_gives_none(tone: Callable[..., Path], tmp_path: Path) -> None:
    convert_for_telephone(tone(rate=11_025), tmp_path / "out.wav", tmp_path / "out.wav16")
    assert not (tmp_path / "out.wav16").exists()


def test_the_peak_holds_at_both_rates() -> None:
    clicks = np.full(48_000, 1e-3)
    clicks[::6000] = 0.5
    narrow, broad = shape(clicks, 48_000, (8000, 16_000))
    assert max(np.abs(narrow).max(), np.abs(broad).max()) == pytest.approx(10 ** (-1 / 20))


def test_pauses_do_not_count_for_the_level() -> None:
    speech = 0.1 * np.sin(np.arange(8000))
    broken = np.concatenate([speech, np.zeros(16_000), speech])
    assert active_level(broken) == pytest.approx(active_level(speech), abs=0.1)


def test_peaks_stay_a_decibel_below_full_scale() -> None:
    clicks = np.full(8000, 1e-3)
    clicks[::1000] = 0.5
    assert np.abs(shape(clicks, 8000)[0]).max() == pytest.approx(10 ** (-1 / 20), abs=1e-6)


def test_a_sound_shorter_than_a_frame_still_has_a_level() -> None:
    assert active_level(np.full(10, 0.1)) == pytest.approx(-20.0)


def test_resampling_leaves_no_alias() -> None:
    whistle = 0.5 * np.sin(2 * np.pi * 6000 * np.arange(48_000) / 48_000)
    with pytest.raises(BadAudio) as caught:
        # What is above 4 kHz must vanish, not come back as a whistle at 2 kHz.
        shape(whistle * np.hanning(48_000), 48_000)
    assert caught.value.problem.code == "silent"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"level": 0.0}, "silent"),
        ({"rate": 2000}, "rate"),
        ({"channels": 3}, "rate"),
        ({"seconds": MAX_SECONDS + 1}, "too_long"),
        ({"level": np.nan, "subtype": "FLOAT"}, "not_numbers"),
    ],
)
def test_unusable_speech_is_refused(
    tone: Callable[..., Path], tmp_path: Path, options: dict[str, float], code: str
) -> None:
    with pytest.raises(BadAudio) as caught:
        convert_for_telephone(tone(**options), tmp_path / "out.wav")
    assert caught.value.problem.code == code


@pytest.mark.parametrize("content", [b"", b"RIFF", b"<html>not found</html>"])
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "in.wav").write_bytes(content)
    with pytest.raises(BadAudio) as caught:
        convert_for_telephone(tmp_path / "in.wav", tmp_path / "out.wav")
    assert caught.value.problem.code == "not_sound"


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", np.zeros(0), 8000)
    with pytest.raises(BadAudio) as caught:
        convert_for_telephone(tmp_path / "in.wav", tmp_path / "out.wav")
    assert caught.value.problem.code == "silent"


@pytest.mark.programs
def test_the_sound_libraries_are_not_loaded_before_they_are_needed() -> None:
    program = (
        "import sys, pathlib, agi_bridge.speech as s\n"
        "s.Library(cache=pathlib.Path('/nonexistent')).prompt('goodbye', 'en')\n"
        "sys.exit(bool({'numpy', 'soundfile', 'soxr'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603  # our own interpreter
