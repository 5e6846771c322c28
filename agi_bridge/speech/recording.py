"""A recording: one text, spoken in one language, in a file that the PBX can play."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import wav
from .errors import BadAudio

if TYPE_CHECKING:
    from pathlib import Path

RATE = 8000
"""Samples a second: what STREAM FILE's endpos counts in for a telephone call."""

WIDE_RATE = 16_000
"""Samples a second of HD voice: what Asterisk calls `wav16`."""

MAX_SECONDS = 360.0
"""Longest sound that is taken."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One text, spoken. The hashes are what the record of consent refers to."""

    name: str
    language: str
    text: str
    """The words, exactly as spoken."""
    path: str
    """As the PBX names the file: absolute and without its ending, as STREAM FILE wants it."""
    wav: Path
    """The file on this machine."""
    samples: int
    """Length in samples of 8 kHz; a playback whose endpos is less was not heard out."""
    sha256: str
    """Of the sound file, in hex."""
    text_sha256: str
    """Of the text in UTF-8, in hex."""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / RATE


@dataclass(frozen=True, slots=True)
class Sound:
    """What there is to know about a sound file."""

    samples: int
    sha256: str


def examine(path: Path, rate: int = RATE) -> Sound:
    """Read a sound file's length and hash; `rate` is what is expected of it.

    Raises BadAudio if it is not what Asterisk plays rightly: the one form that `wav` describes, of
    at most MAX_SECONDS; OSError if it cannot be read.
    """
    # Without waiting: a pipe of this name would never be opened.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as opened:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise BadAudio("is not a file")
        most = wav.HEADER_BYTES + int(MAX_SECONDS * rate) * wav.SAMPLE_BYTES
        content = opened.read(most + 1)
    if len(content) > most:
        raise BadAudio(f"is longer than {MAX_SECONDS:g} s")
    return Sound(wav.check(content, rate), hashlib.sha256(content).hexdigest())


def text_hash(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
