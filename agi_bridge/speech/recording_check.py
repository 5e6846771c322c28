"""Checks recordings that a business supplies: format, level and silence, and what fixes them.

Each issue names its fix: some recordings can be converted here, others must be recorded again.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import TYPE_CHECKING, Final

from agi_bridge.durable import write_synced

from . import wav
from .audio import LEVEL_DBOV, PEAK_DBFS, active_level, read_samples, resampled, sixteen_bit
from .errors import BadAudio
from .problems import Problem
from .recording import FEW_LETTERS, RATE, read_sound_info, refuse_inaudible

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from .audio import Samples

LEVEL_TOLERANCE_DB: Final = 3.0
"""How far a recording's level may be from LEVEL_DBOV; smaller differences are hardly audible."""

EDGE_SECONDS: Final = 0.4
"""Longest silence before and after the speech; with more, callers think the line is dead."""

LETTERS_PER_SECOND: Final = (5.0, 28.0)
"""Slowest and fastest speech that can be the text; the shipped prompts have 8 to 20."""

LONG_DISCLOSURE_SECONDS: Final = 30.0
"""Callers hang up during a disclosure that is longer than this."""

_CLIPPED_RUN = 3  # samples in a row at the peak: a voice does not stay there
_CLIPPED_FROM = 0.5  # of full scale; a lower peak is not clipping
_SILENCE = 0.01  # of the peak, as in audio
_ORIGINAL = ".original"
_LARGEST = 32 << 20  # no file of 16 bit, one channel, 8 kHz is larger, whatever else is in it


class RecordingFix(IntEnum):
    """What fixes a recording, the smallest change first."""

    REWRITE = 1
    """The samples are good: write them again, unchanged, with the header that Asterisk reads."""
    CONVERT = 2
    """Convert format, level and silence."""
    RECORD = 3
    """Record or export it again."""


@dataclass(frozen=True, slots=True)
class RecordingIssue:
    """Something that is wrong with a recording."""

    problem: Problem
    """What is wrong, after the file's name."""
    fix: RecordingFix


def check_recording(path: Path, text: str) -> list[RecordingIssue]:
    """Return everything that is wrong with a recording of a text. Blocks: 10 ms a minute."""
    try:
        samples, rate = read_samples(path)
    except BadAudio as error:
        return [RecordingIssue(error.problem, RecordingFix.RECORD)]
    issues = []
    try:
        read_sound_info(path)
    except BadAudio as error:
        issues.append(RecordingIssue(error.problem, _fix(path)))
    except OSError as error:
        problem = Problem("unreadable", reason=error.strerror)
        return [RecordingIssue(problem, RecordingFix.RECORD)]
    try:
        refuse_inaudible(sixteen_bit(resampled(samples, rate, RATE)), text)
    except BadAudio as error:
        return [*issues, RecordingIssue(error.problem, RecordingFix.RECORD)]
    samples = samples - samples.mean()
    return issues + _sound(samples, rate) + _timing(samples, rate, text)


def rewrite(path: Path, target: Path) -> None:
    """Write a recording again as Asterisk plays it, with its samples unchanged.

    Raises BadAudio if its samples would have to be converted, or OSError.
    """
    samples = wav.samples(path.read_bytes(), RATE)
    if samples is None:
        raise BadAudio("not_rewritable")
    write_synced(target, wav.header(len(samples), RATE) + samples)


def keep_original(path: Path) -> Path:
    """Copy a recording to `NAME.wav.original` and return that path; no original is replaced."""
    original = _free(path.with_name(f"{path.name}{_ORIGINAL}"))
    shutil.copy2(path, original)
    return original


def _fix(path: Path) -> RecordingFix:
    """Return what turns a readable file into one that Asterisk plays."""
    if path.stat().st_size > _LARGEST:
        return RecordingFix.CONVERT
    content = path.read_bytes()
    if wav.samples(content, RATE) is not None:
        return RecordingFix.REWRITE
    found = wav.parts(content)
    # libsndfile reads one of several blocks of samples, and whatever a file that was not closed
    # contains: whether that is everything cannot be known.
    whole = found is None or (len(found.sounds) == 1 and found.stated)
    return RecordingFix.CONVERT if whole else RecordingFix.RECORD


def _free(path: Path) -> Path:
    """Return the path, or the path with the first free number."""
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
        problem = Problem("clipped", count=clipped)
        issues.append(RecordingIssue(problem, RecordingFix.RECORD))
    level = active_level(samples, rate)
    if abs(level - LEVEL_DBOV) > LEVEL_TOLERANCE_DB:
        code = "too_loud" if level > LEVEL_DBOV else "too_quiet"
        problem = Problem(code, level=level, wanted=LEVEL_DBOV)
        issues.append(RecordingIssue(problem, RecordingFix.CONVERT))
    elif peak > 10 ** (PEAK_DBFS / 20) + 1e-3:
        issues.append(RecordingIssue(Problem("peaks"), RecordingFix.CONVERT))
    return issues


def _timing(samples: Samples, rate: int, text: str) -> list[RecordingIssue]:
    import numpy as np  # noqa: PLC0415  # as in audio

    height = np.abs(samples)
    loud = np.flatnonzero(height > height.max() * _SILENCE)
    silence = max(loud[0], len(samples) - 1 - loud[-1]) / rate
    issues = []
    if silence > EDGE_SECONDS:
        problem = Problem("long_silence", seconds=silence)
        issues.append(RecordingIssue(problem, RecordingFix.CONVERT))
    seconds = (loud[-1] - loud[0] + 1) / rate
    slowest, fastest = LETTERS_PER_SECOND
    if len(text) >= FEW_LETTERS and not slowest <= len(text) / seconds <= fastest:
        code = "short_for_text" if len(text) / seconds > fastest else "long_for_text"
        problem = Problem(code, seconds=seconds)
        issues.append(RecordingIssue(problem, RecordingFix.RECORD))
    return issues


def _runs(flags: np.ndarray) -> int:
    """Count the runs of at least _CLIPPED_RUN set flags."""
    import numpy as np  # noqa: PLC0415  # as in audio

    edges = np.diff(np.concatenate([[0], flags.astype(int), [0]]))
    return int(np.sum(np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1) >= _CLIPPED_RUN))
