"""WAV files as programs write them, lawful and not, all of the same samples."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING, NamedTuple

from agi_bridge.speech import RecordingFix
from agi_bridge.speech.wav import header

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE = 8000
PLAIN = bytes.fromhex("0100 0100 401f0000 803e0000 0200 1000")
_EXTENDED = bytes.fromhex(
    "feff 0100 401f0000 803e0000 0200 1000 1600 1000 04000000 0100000000001000800000aa00389b71"
)


class Variant(NamedTuple):
    """A file, what is said of it, and what puts it right."""

    content: bytes
    problem: str
    """The beginning; empty if it is taken."""
    fix: RecordingFix | None = None


def chunk(name: bytes, body: bytes, stated: int | None = None, *, padded: bool = True) -> bytes:
    size = len(body) if stated is None else stated
    return name + size.to_bytes(4, "little") + body + b"\0" * (len(body) % 2 if padded else 0)


def riff(*chunks: bytes, stated: int | None = None) -> bytes:
    return chunk(b"RIFF", b"WAVE" + b"".join(chunks), stated, padded=False)


def _format(tag: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16) -> bytes:
    align = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits))


def variants(samples: bytes) -> Iterator[tuple[str, Variant]]:
    """Yield every kind of file by its name; `samples` are 16 bit, one channel, 8 kHz, even more."""
    fmt, data = chunk(b"fmt ", PLAIN), chunk(b"data", samples)
    art = random.Random(1).randbytes(2000)  # noqa: S311 - noise, no secret
    misread, shape = "header", "format"
    rewrite, convert, again = RecordingFix.REWRITE, RecordingFix.CONVERT, RecordingFix.RECORD
    yield "as Asterisk writes it", Variant(riff(fmt, data), "")
    yield (
        "metadata before the samples",
        Variant(riff(fmt, chunk(b"id3 ", art), data), misread, rewrite),
    )
    yield "an empty chunk before", Variant(riff(fmt, chunk(b"JUNK", b""), data), misread, rewrite)
    yield (
        "a chunk before the format",
        Variant(riff(chunk(b"bext", art), fmt, data), misread, rewrite),
    )
    odd = chunk(b"iXML", b"<BWFXML><TAKE>1</TAKE></BWFXML>")
    yield "a chunk of odd size", Variant(riff(fmt, odd, data), misread, rewrite)
    yield "LIST behind", Variant(riff(fmt, data, chunk(b"LIST", art)), misread, rewrite)
    yield "bytes behind", Variant(riff(fmt, data) + art, misread, rewrite)
    yield "fmt of 18 bytes", Variant(riff(chunk(b"fmt ", PLAIN + b"\0\0"), data), misread, rewrite)
    yield "extensible", Variant(riff(chunk(b"fmt ", _EXTENDED), data), misread, rewrite)
    yield "odd data size", Variant(riff(fmt, chunk(b"data", samples + b"\7")), misread, rewrite)
    streamed = chunk(b"data", samples, 0xFFFFFFFF)
    yield "length unknown", Variant(riff(fmt, streamed, stated=0xFFFFFFFF), misread, rewrite)
    sox = chunk(b"data", samples, 0x7FFFF000)
    yield "length unknown to SoX", Variant(riff(fmt, sox, stated=0x7FFFF024), misread, rewrite)
    yield "wrong size of the whole", Variant(riff(fmt, data, stated=36), misread, rewrite)
    short = chunk(b"data", samples, len(samples) + 2000)
    yield "cut short", Variant(riff(fmt, short), "cut_short", again)
    yield "not closed", Variant(riff(fmt, chunk(b"data", samples, 0), stated=0), "empty", again)
    two = (chunk(b"data", samples[: len(samples) // 4 * 2]), chunk(b"data", samples))
    yield "two data chunks", Variant(riff(fmt, *two), "several_blocks", again)
    yield "8 bit", Variant(riff(_format(bits=8), data), shape, convert)
    yield "stereo", Variant(riff(_format(channels=2), data), shape, convert)
    yield "16 kHz", Variant(riff(_format(rate=16_000), data), shape, convert)
    yield (
        "24 bit",
        Variant(
            riff(_format(bits=24), chunk(b"data", samples[: len(samples) // 6 * 6])), shape, convert
        ),
    )
    yield "mu-law", Variant(riff(_format(tag=7, bits=8), data), shape, convert)
    yield "no samples", Variant(riff(fmt, chunk(b"data", b"")), "empty", again)
    yield "no data chunk", Variant(riff(fmt, chunk(b"LIST", art)), "empty", again)
    yield "no format", Variant(riff(data), "not_wav", again)
    ds64 = chunk(
        b"ds64", struct.pack("<QQQI", len(samples) + 72, len(samples), len(samples) // 2, 0)
    )
    rf64 = riff(ds64, fmt, chunk(b"data", samples, 0xFFFFFFFF), stated=0xFFFFFFFF)
    yield "RF64", Variant(b"RF64" + rf64[4:], "not_wav", convert)
    yield "headless samples", Variant(samples, "not_wav", again)
    yield "nothing", Variant(b"", "not_wav", again)


def sound(samples: bytes) -> bytes:
    """The one form that is taken."""
    return header(len(samples), RATE) + samples
