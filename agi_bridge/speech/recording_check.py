"""Recordings that a business brings: whether they will do on a telephone, and made so.

Everything is said in words that a person in a studio understands, with what helps: what can be put
right here, and what has to be recorded again.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import TYPE_CHECKING, Final

from . import wav
from .audio import LEVEL_DBOV, PEAK_DBFS, active_level, read_samples
from .errors import BadAudio
from .recording import RATE, read_sound_info

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from .audio import Samples

LEVEL_TOLERANCE_DB: Final = 3.0
"""How far a recording's level may be from LEVEL_DBOV: less is hardly heard as a difference."""

EDGE_SECONDS: Final = 0.4
"""Longest silence before and after the speech: callers take more for a dead line."""

LETTERS_PER_SECOND: Final = (5.0, 28.0)
"""Slowest and fastest speech that can be the text; the shipped prompts have 8 to 20."""

LONG_DISCLOSURE_SECONDS: Final = 30.0
"""A disclosure that is longer than this loses callers."""

_CLIPPED_RUN = 3  # samples in a row at the peak: no voice stands still there
_CLIPPED_FROM = 0.5  # of full scale; a soft peak is no clipping
_SILENCE = 0.01  # of the peak, as in audio
_FEW_LETTERS = 12  # a text too short to tell its pace
_ORIGINAL = ".original"
_LARGEST = 32 << 20  # no file of 16 bit, one channel, 8 kHz is larger, whatever else is in it


class RecordingFix(IntEnum):
    """What puts a recording right, the mildest first."""

    REWRITE = 1
    """The samples are good: they are written again, untouched, with the header that is played."""
    CONVERT = 2
    """Format, level and silence are converted."""
    RECORD = 3
    """It has to be recorded, or exported, again."""


@dataclass(frozen=True, slots=True)
class RecordingIssue:
    """Something about a recording that will not do."""

    problem: str
    """What is wrong, as the end of a sentence that begins with the file's name."""
    fix: RecordingFix


def check_recording(path: Path, text: str) -> list[RecordingIssue]:
    """Return all that will not do about a recording of a text; blocks for some 10 ms a minute."""
    try:
        samples, rate = read_samples(path)
    except BadAudio as error:
        return [RecordingIssue(str(error), RecordingFix.RECORD)]
    issues = []
    try:
        read_sound_info(path)
    except BadAudio as error:
        issues.append(RecordingIssue(str(error), _cure(path)))
    except OSError as error:
        return [RecordingIssue(f"cannot be read ({error.strerror})", RecordingFix.RECORD)]
    if abs(samples).max(initial=0.0) <= wav.SILENCE_PEAK / 32768:
        return [*issues, RecordingIssue("is silent", RecordingFix.RECORD)]
    return issues + _sound(samples, rate) + _timing(samples, rate, text)


def rewrite(path: Path, target: Path) -> None:
    """Write a recording again, its samples untouched, as Asterisk plays it; `review` says when.

    Raises BadAudio if its samples would have to be converted, or OSError.
    """
    samples = wav.samples(path.read_bytes(), RATE)
    if samples is None:
        raise BadAudio("cannot be rewritten: it is in another format, or damaged")
    with target.open("wb") as opened:
        opened.write(wav.header(len(samples), RATE) + samples)
        opened.flush()
        os.fsync(opened.fileno())


def keep_original(path: Path) -> Path:
    """Copy a recording to what an original is called, and return it; none is ever replaced."""
    original = _free(path.with_name(f"{path.name}{_ORIGINAL}"))
    shutil.copy2(path, original)
    return original


def _cure(path: Path) -> RecordingFix:
    """What makes of a file that can be read one that Asterisk plays."""
    if path.stat().st_size > _LARGEST:
        return RecordingFix.CONVERT
    content = path.read_bytes()
    if wav.samples(content, RATE) is not None:
        return RecordingFix.REWRITE
    found = wav.parts(content)
    # Of several stretches of samples libsndfile reads one, of a file that was not closed what is
    # there: nobody could tell that it is all of it.
    whole = found is None or (len(found.sounds) == 1 and found.stated)
    return RecordingFix.CONVERT if whole else RecordingFix.RECORD


def _free(path: Path) -> Path:
    """The path, or with a number that no file has: an earlier original is never replaced."""
    found = path
    for number in count(2):
        if not found.exists():
            break
        found = path.with_name(f"{path.name}-{number}")
    return found


def _sound(samples: Samples, rate: int) -> list[RecordingIssue]:
    import numpy as np  # noqa: PLC0415  # as in audio

    height = np.abs(samples)
    peak = float(height.max())
    issues = []
    clipped = _runs(height >= peak * 0.999) if peak >= _CLIPPED_FROM else 0
    if clipped:
        issues.append(
            RecordingIssue(
                f"is clipped in {clipped} places: record it again, softer", RecordingFix.RECORD
            )
        )
    level = active_level(samples, rate)
    if abs(level - LEVEL_DBOV) > LEVEL_TOLERANCE_DB:
        word = "loud" if level > LEVEL_DBOV else "soft"
        issues.append(
            RecordingIssue(
                f"is too {word}: {level:.0f} dB instead of {LEVEL_DBOV:.0f} dB",
                RecordingFix.CONVERT,
            )
        )
    elif peak > 10 ** (PEAK_DBFS / 20) + 1e-3:
        issues.append(
            RecordingIssue("has peaks that a telephone line may clip", RecordingFix.CONVERT)
        )
    return issues


def _timing(samples: Samples, rate: int, text: str) -> list[RecordingIssue]:
    import numpy as np  # noqa: PLC0415  # as in audio

    height = np.abs(samples)
    loud = np.flatnonzero(height > height.max() * _SILENCE)
    silence = max(loud[0], len(samples) - 1 - loud[-1]) / rate
    issues = []
    if silence > EDGE_SECONDS:
        issues.append(
            RecordingIssue(f"has {silence:.1f} s of silence at one end", RecordingFix.CONVERT)
        )
    seconds = (loud[-1] - loud[0] + 1) / rate
    slowest, fastest = LETTERS_PER_SECOND
    if len(text) >= _FEW_LETTERS and not slowest <= len(text) / seconds <= fastest:
        word = "short" if len(text) / seconds > fastest else "long"
        problem = f"is {seconds:.1f} s, too {word} for its text: is it the right one?"
        issues.append(RecordingIssue(problem, RecordingFix.RECORD))
    return issues


def _runs(flags: np.ndarray) -> int:
    """Count the stretches of at least _CLIPPED_RUN flags that are set."""
    import numpy as np  # noqa: PLC0415  # as in audio

    edges = np.diff(np.concatenate([[0], flags.astype(int), [0]]))
    return int(np.sum(np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1) >= _CLIPPED_RUN))
