"""A recording: one text, spoken in one language, in a file that the PBX can play."""

from __future__ import annotations

import hashlib
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import BadAudio

if TYPE_CHECKING:
    from pathlib import Path

RATE = 8000
"""Samples a second: what STREAM FILE's endpos counts in for a telephone call."""

_WIDTH = 2


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


def examine(path: Path) -> Sound:
    """Read a sound file's length and hash.

    Raises BadAudio if it is not what Asterisk's `wav` format plays (format_wav.c,
    check_header_fmt): 16 bit, one channel, 8 kHz; OSError if it cannot be read.
    """
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        opened.seek(0)
        try:
            with wave.open(opened) as sound:
                shape = (sound.getnchannels(), sound.getsampwidth(), sound.getframerate())
                stated = sound.getnframes()
                real = len(sound.readframes(stated)) // _WIDTH
        except (wave.Error, EOFError) as error:
            raise BadAudio("is not a WAV file") from error
    if shape != (1, _WIDTH, RATE):
        raise BadAudio("is not 16 bit, one channel, 8 kHz")
    if not real or real != stated:
        raise BadAudio("is empty or cut short")
    return Sound(real, digest)


def text_hash(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
