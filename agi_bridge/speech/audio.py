"""Converts any WAV for the telephone: 16 bit, one channel, usual rates and level.

numpy, soundfile and soxr are loaded when first needed: they cost a second of start-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agi_bridge.durable import write_synced

from . import wav
from .errors import BadAudio
from .recording import MAX_SECONDS, RATE, WIDE_RATE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float64]

LEVEL_DBOV = -20.0
"""Active speech level, the usual one for telephone speech (measured as in ITU-T P.56)."""

PEAK_DBFS = -1.0
"""No sample exceeds this, so that no codec clips."""

_RATES = range(4000, 96_001)
_MAX_CHANNELS = 2
_SILENCE_DB = -40.0  # below the peak: breath and hiss at both ends
_FAINTEST = 10 ** (-70 / 20)  # a lower peak is only noise, which conversion would amplify
_EDGE_SECONDS = 0.05  # kept before and after, or the speech would sound cut off
_ACTIVE_RANGE_DB = 25.0  # frames this far below the loudest are pauses
_FRAMES_A_SECOND = 50


def load_libraries() -> None:
    """Load numpy, soundfile and soxr now. Blocks for half a second."""
    import soundfile  # noqa: F401, PLC0415  # see the top
    import soxr  # noqa: F401, PLC0415  # see the top


def convert_for_telephone(source: Path, target: Path, wide: Path | None = None) -> int:
    """Convert a sound file for the telephone and return its length in samples of 8 kHz.

    `wide`, if named, becomes the same sound at 16 kHz (Asterisk's `.wav16`), for callers with HD
    voice; it is left out if the source has a lower rate. Both are on disk (fsync) when this returns
    and can be renamed into place. Blocks for about 10 ms per minute of sound: call it in a thread.
    Raises BadAudio if `source` is not a sound file, is silent or is too long.
    """
    samples, rate = read_samples(source)
    if wide is None or rate < WIDE_RATE:
        (narrow,) = shape(samples, rate)
    else:
        narrow, broad = shape(samples, rate, (RATE, WIDE_RATE))
        _write(broad, WIDE_RATE, wide)
    _write(narrow, RATE, target)
    return len(narrow)


def shape(samples: Samples, rate: int, rates: Sequence[int] = (RATE,)) -> list[Samples]:
    """Resample to each rate, trim the silence at both ends, and set one level and peak for all.

    The first rate is RATE, the others are multiples of it. Raises BadAudio if the sound is silent.
    """
    import numpy as np  # noqa: PLC0415  # see the top

    # Around zero: a constant offset is not heard, and would be taken for the level.
    samples = samples - samples.mean() if len(samples) else samples
    sounds = [resampled(samples, rate, each) for each in rates]
    narrow = sounds[0]
    heard = float(np.abs(narrow).max(initial=0.0))
    if heard < _FAINTEST:
        raise BadAudio("silent")
    loud = np.flatnonzero(np.abs(narrow) > heard * _ratio(_SILENCE_DB))
    first, last = int(loud[0]), int(loud[-1]) + 1
    speech = [
        _faded(sound, first * each // RATE, last * each // RATE, int(_EDGE_SECONDS * each))
        for each, sound in zip(rates, sounds, strict=True)
    ]
    peak = max(float(np.abs(sound).max()) for sound in speech)
    gain = min(_ratio(LEVEL_DBOV - active_level(narrow[first:last])), _ratio(PEAK_DBFS) / peak)
    return [sound * gain for sound in speech]


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    """Return a sound at another rate."""
    import soxr  # noqa: PLC0415  # see the top

    if rate == wanted:
        return samples
    converted: Samples = soxr.resample(samples, rate, wanted, "VHQ")
    return converted


def sixteen_bit(samples: Samples) -> bytes:
    """Return a sound as 16 bit samples, as WAV files hold them; 1 is full scale."""
    import numpy as np  # noqa: PLC0415  # see the top

    height = -float(np.iinfo(np.int16).min)
    return np.rint(samples * height).clip(-height, height - 1).astype("<i2").tobytes()


def active_level(samples: Samples, rate: int = RATE) -> float:
    """Return the level in dBov of the 20 ms frames that are speech rather than pauses."""
    import numpy as np  # noqa: PLC0415  # see the top

    size = rate // _FRAMES_A_SECOND
    whole = samples[: len(samples) // size * size] if len(samples) >= size else samples
    frames = whole.reshape(-1, min(size, len(samples)))
    power = np.mean(frames**2, axis=1)
    active = power[power >= power.max() * _ratio(-_ACTIVE_RANGE_DB) ** 2]
    return float(10 * np.log10(np.mean(active)))


def read_samples(source: Path) -> tuple[Samples, int]:
    """Return a sound file as one channel, full scale being 1, and its rate. Raises BadAudio."""
    import numpy as np  # noqa: PLC0415  # see the top
    import soundfile  # noqa: PLC0415  # see the top

    try:
        if not source.is_file():  # opening a pipe would block
            raise BadAudio("not_file")
        if wav.cut_short(source):  # which libsndfile does not report
            raise BadAudio("cut_short")
        with soundfile.SoundFile(source) as sound:
            rate = int(sound.samplerate)
            if rate not in _RATES or sound.channels > _MAX_CHANNELS:
                raise BadAudio("rate")
            # One frame more than allowed, because a header may state any length.
            data: Any = sound.read(int(MAX_SECONDS * rate) + 1, dtype="float64", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise BadAudio("not_sound") from error
    if len(data) > MAX_SECONDS * rate:
        raise BadAudio("too_long", seconds=MAX_SECONDS)
    mono: Samples = data.mean(axis=1)
    if not np.isfinite(mono).all():
        raise BadAudio("not_numbers")
    return mono, rate


def _faded(samples: Samples, first: int, last: int, edge: int) -> Samples:
    """Cut out the speech with a faded edge at both ends, where quiet sounds may begin or end."""
    import numpy as np  # noqa: PLC0415  # see the top

    cut: Samples = np.pad(samples, edge)[first : last + 2 * edge].copy()
    fade = np.linspace(0.0, 1.0, edge)
    cut[:edge] *= fade
    cut[-edge:] *= fade[::-1]
    return cut


def _write(samples: Samples, rate: int, target: Path) -> None:
    """Write the one form that Asterisk plays.

    It does not use soundfile, which needs memory that is writable and executable for an open file
    (systemd's MemoryDenyWriteExecute forbids it) and raises no OSError when the disk is full.
    """
    sound = sixteen_bit(samples)
    write_synced(target, wav.header(len(sound), rate) + sound)


def _ratio(decibels: float) -> float:
    return float(10 ** (decibels / 20))
