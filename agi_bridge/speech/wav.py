"""WAV files as Asterisk plays them, and what is wrong with those that it plays incorrectly.

Asterisk's `format_wav.c` (the same from 18 to 22) is not a general reader. `check_header` walks the
chunks, does not skip the padding byte after a chunk of odd size, and accepts only PCM. STREAM FILE
then plays everything from byte 44 (`wav_seek`, WAV_HEADER_SIZE) up to the size in the `data` chunk
(`wav_read`), and reports the length from byte 44 (`wav_tell`). So a chunk before the samples
is heard as noise and cuts off the end; a chunk after them makes the reported length too long. Only
one form is played and reported correctly: 44 bytes of header, then only samples. Other forms are
refused. (Asterisk does not play the last 44 bytes, 2.75 ms, because it counts the header as part of
the size. This is inaudible.)
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from operator import mul
from typing import TYPE_CHECKING, Final, NamedTuple

from .errors import BadAudio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER_BYTES: Final = 44
"""Size of the correct header: RIFF, `fmt ` of 16 bytes, and the head of `data`."""

SAMPLE_BYTES: Final = 2

SPEECH_DBOV: Final = -50.0
"""Faintest frame of 20 ms that can be speech: telephone speech has -20 dBov, hum and noise of a bad
recording less than -55 dBov."""

_FORM = struct.Struct("<4sI4s4sIHHIIHH4sI")
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_PCM, _EXTENSIBLE = 0x0001, 0xFFFE
_PCM_SUBFORMAT = bytes.fromhex("0100000000001000800000aa00389b71")
# Lengths that programs write while streaming: FFmpeg 0xFFFFFFFF, SoX 0x7FFFF000 and larger.
_UNKNOWN_LENGTH = 0x7FFFF000
_MOST_CHUNKS = 1000  # before the samples
_FRAMES_PER_SECOND = 50
_SPEECH_POWER = (32768 * 10 ** (SPEECH_DBOV / 20)) ** 2


class Parts(NamedTuple):
    """The chunks of a WAV file, as far as they can be read."""

    format: bytes
    """Body of the `fmt ` chunk; empty if there is none."""
    sounds: tuple[bytes, ...]
    """The available content of each `data` chunk; a valid file has one."""
    stated: int
    """Length in bytes that the first `data` chunk states."""
    others: tuple[str, ...]
    """Names of all other chunks."""

    @property
    def cut_short(self) -> bool:
        """Whether the file has fewer samples than it states; a streamed file states none."""
        return bool(self.sounds) and len(self.sounds[0]) < self.stated < _UNKNOWN_LENGTH


def header(data_bytes: int, rate: int) -> bytes:
    """Return the correct header: 16 bit, one channel, followed by `data_bytes` of samples."""
    return _FORM.pack(
        *(b"RIFF", HEADER_BYTES - 8 + data_bytes, b"WAVE"),
        *(b"fmt ", 16, _PCM, 1, rate, rate * SAMPLE_BYTES, SAMPLE_BYTES, 8 * SAMPLE_BYTES),
        *(b"data", data_bytes),
    )


def check(content: bytes, rate: int) -> int:
    """Return the number of samples of a WAV file that Asterisk plays correctly.

    Raises BadAudio, which says what is wrong, for any other file.
    """
    size = len(content) - HEADER_BYTES
    if size > 0 and size % SAMPLE_BYTES == 0 and content[:HEADER_BYTES] == header(size, rate):
        return size // SAMPLE_BYTES
    found = parts(content)
    if found is None or not found.format:
        raise BadAudio("not_wav")
    raise _fault(found, rate)


def audible_seconds(sound: bytes, rate: int, enough: float) -> float:
    """Return how many seconds of 16 bit samples are as loud as speech; counting stops at `enough`.

    Each frame is measured around its own mean: a constant offset is not heard, and hum little.
    """
    found = array("h", sound)
    if sys.byteorder == "big":
        found.byteswap()
    size = rate // _FRAMES_PER_SECOND
    wanted = round(enough * _FRAMES_PER_SECOND)
    heard = 0
    for place in range(0, len(found) - size + 1, size):
        if heard >= wanted:
            break
        frame = found[place : place + size]
        if sum(map(mul, frame, frame)) / size - (sum(frame) / size) ** 2 >= _SPEECH_POWER:
            heard += 1
    return heard / _FRAMES_PER_SECOND


def samples(content: bytes, rate: int) -> bytes | None:
    """Return the samples of a file with another header, if they are 16 bit, mono and at `rate`.

    None if they would have to be converted, or if the file is damaged or may be incomplete.
    """
    found = parts(content)
    if found is None or not _as_wanted(found.format, rate) or len(found.sounds) != 1:
        return None
    if found.cut_short or not found.stated:
        return None
    sound = found.sounds[0]
    return sound[: len(sound) - len(sound) % SAMPLE_BYTES] or None


def parts(content: bytes) -> Parts | None:
    """Split a WAV file into its chunks; None if it is not a WAV file."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return None
    formats: list[bytes] = []
    sounds: list[tuple[int, bytes]] = []
    others: list[str] = []
    for name, stated, body in _chunks(content):
        if name == b"fmt ":
            formats.append(body)
        elif name == b"data":
            sounds.append((stated, body))
        else:
            others.append(name.decode("ascii", "replace").strip())
    return Parts(
        formats[0] if formats else b"",
        tuple(body for _, body in sounds),
        sounds[0][0] if sounds else 0,
        tuple(others),
    )


def cut_short(path: Path) -> bool:
    """Return whether a file is a WAV with fewer samples than it states. Raises OSError."""
    with path.open("rb") as opened:
        size = opened.seek(0, os.SEEK_END)
        opened.seek(0)
        if parts(opened.read(12)) is None:
            return False
        for _ in range(_MOST_CHUNKS):
            head = opened.read(_CHUNK.size)
            if len(head) < _CHUNK.size:
                return False
            name, stated = _CHUNK.unpack(head)
            if name == b"data":
                return bool(opened.tell() + stated > size and stated < _UNKNOWN_LENGTH)
            opened.seek(stated + stated % 2, os.SEEK_CUR)
    return False


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield each chunk's name, stated length, and available content."""
    place = 12
    while place + _CHUNK.size <= len(content):
        name, stated = _CHUNK.unpack_from(content, place)
        place += _CHUNK.size
        yield name, stated, content[place : place + stated]
        place += stated + stated % 2


def _as_wanted(body: bytes, rate: int) -> bool:
    """Whether a `fmt ` chunk is that of PCM, 16 bit, one channel, at this rate."""
    if len(body) < _FORMAT.size:
        return False
    tag, channels, hertz, _, align, bits = _FORMAT.unpack_from(body)
    pcm = tag == _PCM or (tag == _EXTENSIBLE and body[24:40] == _PCM_SUBFORMAT)
    return pcm and (channels, hertz, align, bits) == (1, rate, SAMPLE_BYTES, 8 * SAMPLE_BYTES)


def _fault(found: Parts, rate: int) -> BadAudio:
    """Say why Asterisk does not play a WAV file correctly."""
    if not _as_wanted(found.format, rate):
        return BadAudio("format", khz=rate // 1000)
    if len(found.sounds) > 1:
        return BadAudio("several_blocks")
    if found.cut_short:
        return BadAudio("cut_short")
    if not found.sounds or not found.sounds[0]:
        return BadAudio("empty")
    named = found.others and found.others[0].isprintable()
    return BadAudio("header", example=f", such as {found.others[0]}" if named else "")
