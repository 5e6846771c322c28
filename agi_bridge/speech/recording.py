"""A recording: one text, spoken in one language, in a file that the PBX can play."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from . import wav
from .errors import BadAudio

if TYPE_CHECKING:
    from pathlib import Path

RATE = 8000
"""Samples per second, the unit of STREAM FILE's endpos in a telephone call."""

WIDE_RATE = 16_000
"""Samples per second of HD voice, Asterisk's `wav16`."""

MAX_SECONDS = 360.0
"""Longest sound that is accepted."""

LEAST_SPEECH_SECONDS = 0.3
"""A recording in which less than this is as loud as speech says nothing that has words."""

LEAST_WORD_SECONDS = 0.1
"""The same for a text of less than FEW_LETTERS, as a digit is."""

FEW_LETTERS = 12
"""A text shorter than this is a word or two, too short to tell its pace."""


_MOST_KNOWN = 4096
"""Files whose length and hash are remembered."""

SETTLED_NANOSECONDS = 1_000_000_000
"""A file that changed within this time is not remembered: a second change may have the same ctime,
whose steps are those of the kernel's clock (4 ms, on most systems)."""

FileState = tuple[int, int, int, int]
"""Device, inode, mtime and ctime in nanoseconds, which identify a file and its content.

Programs cannot set ctime, so a changed file is always noticed.
"""


@dataclass(frozen=True, slots=True)
class Recording:
    """One text, spoken. The hashes are what the record of consent refers to."""

    name: str
    language: str
    text: str
    """The words, exactly as spoken."""
    path: str
    """The file on the PBX: an absolute path without its extension, as STREAM FILE expects."""
    wav: Path
    """The file on this machine."""
    samples: int
    """Length in samples of 8 kHz; a playback with a smaller endpos was not heard to the end."""
    sha256: str
    """SHA-256 of the sound file, in hex."""
    text_sha256: str
    """SHA-256 of the text in UTF-8, in hex."""
    state: FileState | None = field(default=None, compare=False)
    """Which file was read."""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / RATE


@dataclass(frozen=True, slots=True)
class SoundInfo:
    """Length, hash and identity of a sound file."""

    samples: int
    sha256: str
    state: FileState | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class _Measured:
    """What was found in a sound file that Asterisk plays correctly."""

    samples: int
    sha256: str
    audible: float | None
    """Seconds as loud as speech, counted up to LEAST_SPEECH_SECONDS; None: not measured."""


_known: dict[tuple[FileState, int, int], _Measured] = {}
"""By the state of the file, its size and the rate. A start and a reload read each prompt several
times: for the rules of the configuration, for the library and for each line."""


def read_sound_info(path: Path, rate: int = RATE, *, text: str | None = None) -> SoundInfo:
    """Read a sound file's length and hash. `rate` is the expected sample rate.

    With the `text` that it speaks, a recording in which nothing can be heard is refused too
    (see `refuse_inaudible`).

    Raises BadAudio if Asterisk would not play it correctly (see `wav`) or it is longer than
    MAX_SECONDS; OSError if it cannot be read.
    """
    # O_NONBLOCK: opening a pipe would block.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as opened:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise BadAudio("not_file")
        key = (file_state(status), status.st_size, rate)
        measured = _known.get(key)
        if measured is None or (text is not None and measured.audible is None):
            measured = _measure(opened, rate, listen=text is not None)
            if time.time_ns() - status.st_ctime_ns > SETTLED_NANOSECONDS:
                if len(_known) >= _MOST_KNOWN:
                    _known.clear()
                _known[key] = measured
    if text is not None and (measured.audible or 0.0) < _least_audible(text):
        raise BadAudio("silent")
    return SoundInfo(measured.samples, measured.sha256, file_state(status))


def _measure(opened: BinaryIO, rate: int, *, listen: bool) -> _Measured:
    most = wav.HEADER_BYTES + int(MAX_SECONDS * rate) * wav.SAMPLE_BYTES
    content = opened.read(most + 1)
    if len(content) > most:
        raise BadAudio("too_long", seconds=MAX_SECONDS)
    samples = wav.check(content, rate)
    sound = content[wav.HEADER_BYTES :]
    audible = wav.audible_seconds(sound, rate, LEAST_SPEECH_SECONDS) if listen else None
    return _Measured(samples, hashlib.sha256(content).hexdigest(), audible)


def _least_audible(text: str) -> float:
    return LEAST_SPEECH_SECONDS if len(text) >= FEW_LETTERS else LEAST_WORD_SECONDS


def refuse_inaudible(sound: bytes, text: str, rate: int = RATE) -> None:
    """Raise BadAudio if a caller would not hear a text in 16 bit samples.

    The record of consent would still say that it was played: the service and `prompts check` both
    ask here.
    """
    least = _least_audible(text)
    if wav.audible_seconds(sound, rate, least) < least:
        raise BadAudio("silent")


def unchanged(recording: Recording) -> bool:
    """Return whether the file of a recording is unchanged since it was read. Blocks.

    A file that was copied or touched is read again: only its content counts.
    """
    try:
        if file_state(recording.wav.stat()) == recording.state:
            return True
        return read_sound_info(recording.wav).sha256 == recording.sha256
    except (BadAudio, OSError):
        return False


def file_state(status: os.stat_result) -> FileState:
    """What changes when a file or the names in a folder change."""
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def text_hash(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
