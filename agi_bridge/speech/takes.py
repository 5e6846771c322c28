"""Recordings that a business brings: whether they will do on a telephone, and made so.

Everything is said in words that a person in a studio understands, with what helps: what `convert`
puts right, and what has to be recorded again.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .audio import LEVEL_DBOV, PEAK_DBFS, active_level, read, telephone
from .errors import BadAudio
from .recording import examine

if TYPE_CHECKING:
    import numpy as np

    from .audio import Samples

LEVEL_TOLERANCE_DB: Final = 3.0
"""How far a recording's level may be from LEVEL_DBOV: less is hardly heard as a difference."""

EDGE_SECONDS: Final = 0.4
"""Longest silence before and after the speech: callers take more for a dead line."""

LETTERS_A_SECOND: Final = (5.0, 28.0)
"""Slowest and fastest speech that can be the text; the shipped prompts have 8 to 20."""

LONG_DISCLOSURE_SECONDS: Final = 30.0
"""A disclosure that is longer than this loses callers."""

_CLIPPED_RUN = 3  # samples in a row at the peak: no voice stands still there
_CLIPPED_FROM = 0.5  # of full scale; a soft peak is no clipping
_SILENCE = 0.01  # of the peak, as in audio
_FEW_LETTERS = 12  # a text too short to tell its pace
_ORIGINAL = ".original"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a recording that will not do."""

    problem: str
    """What is wrong, as the end of a sentence that begins with the file's name."""
    converts: bool
    """Whether `convert` puts it right; else it has to be recorded again."""


def review(path: Path, text: str) -> list[Remark]:
    """Return all that will not do about a recording of a text; blocks for some 10 ms a minute."""
    try:
        samples, rate = read(path)
    except BadAudio as error:
        return [Remark(str(error), converts=False)]
    try:
        examine(path)
    except (BadAudio, OSError):
        remarks = [Remark("is not 16 bit, one channel, 8 kHz WAV", converts=True)]
    else:
        remarks = []
    if not samples.any():
        return [*remarks, Remark("is silent", converts=False)]
    return remarks + _sound(samples, rate) + _timing(samples, rate, text)


def convert(path: Path) -> Path:
    """Make a recording fit for the telephone, in place; the original is kept beside it.

    Returns where the original is now. Raises BadAudio, and then nothing has changed, or OSError.
    """
    target = path.with_suffix(".wav")
    with tempfile.TemporaryDirectory(prefix=".work-", dir=path.parent) as place:
        ready = Path(place) / "ready.wav"
        telephone(path, ready)
        ready.chmod(0o644)
        original = _free(path.with_name(f"{path.name}{_ORIGINAL}"))
        shutil.copy2(path, original)
        ready.replace(target)
    if path != target:
        path.unlink()
    return original


def _free(path: Path) -> Path:
    """The path, or with a number that no file has: an earlier original is never replaced."""
    found = path
    for number in count(2):
        if not found.exists():
            break
        found = path.with_name(f"{path.name}-{number}")
    return found


def _sound(samples: Samples, rate: int) -> list[Remark]:
    import numpy as np  # noqa: PLC0415  # as in audio

    height = np.abs(samples)
    peak = float(height.max())
    remarks = []
    clipped = _runs(height >= peak * 0.999) if peak >= _CLIPPED_FROM else 0
    if clipped:
        remarks.append(
            Remark(f"is clipped in {clipped} places: record it again, softer", converts=False)
        )
    level = active_level(samples, rate)
    if abs(level - LEVEL_DBOV) > LEVEL_TOLERANCE_DB:
        word = "loud" if level > LEVEL_DBOV else "soft"
        remarks.append(
            Remark(f"is too {word}: {level:.0f} dB instead of {LEVEL_DBOV:.0f} dB", converts=True)
        )
    elif peak > 10 ** (PEAK_DBFS / 20) + 1e-3:
        remarks.append(Remark("has peaks that a telephone line may clip", converts=True))
    return remarks


def _timing(samples: Samples, rate: int, text: str) -> list[Remark]:
    import numpy as np  # noqa: PLC0415  # as in audio

    height = np.abs(samples)
    loud = np.flatnonzero(height > height.max() * _SILENCE)
    silence = max(loud[0], len(samples) - 1 - loud[-1]) / rate
    remarks = []
    if silence > EDGE_SECONDS:
        remarks.append(Remark(f"has {silence:.1f} s of silence at one end", converts=True))
    seconds = (loud[-1] - loud[0] + 1) / rate
    slowest, fastest = LETTERS_A_SECOND
    if len(text) >= _FEW_LETTERS and not slowest <= len(text) / seconds <= fastest:
        word = "short" if len(text) / seconds > fastest else "long"
        problem = f"is {seconds:.1f} s, too {word} for its text: is it the right one?"
        remarks.append(Remark(problem, converts=False))
    return remarks


def _runs(flags: np.ndarray) -> int:
    """Count the stretches of at least _CLIPPED_RUN flags that are set."""
    import numpy as np  # noqa: PLC0415  # as in audio

    edges = np.diff(np.concatenate([[0], flags.astype(int), [0]]))
    return int(np.sum(np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1) >= _CLIPPED_RUN))
