"""G.711 mu-law (PCMU, RTP payload type 0) in pure Python.

Samples are 16-bit signed, 8,000 per second; one coded byte is one sample. It is not fast, but a
test phone encodes only a few seconds of sound, and decoding is a table.
"""

from array import array
from functools import cache

MULAW_SILENCE = 0xFF
"""The byte of a zero sample."""

_BIAS = 0x84
_CLIP = 32635


def _decode_byte(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + _BIAS) << ((code & 0x70) >> 4)
    return _BIAS - magnitude if code & 0x80 else magnitude - _BIAS


_DECODED = tuple(_decode_byte(code) for code in range(256))


@cache
def _encode_sample(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _CLIP) + _BIAS
    exponent = max(0, magnitude.bit_length() - 8)
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return ~(sign | (exponent << 4) | mantissa) & 0xFF


def mulaw_decode(coded: bytes) -> "array[int]":
    """Return the samples of mu-law bytes (ITU-T G.711, table 2b)."""
    return array("h", (_DECODED[code] for code in coded))


def mulaw_encode(samples: "array[int]") -> bytes:
    """Return the mu-law bytes of 16-bit samples (ITU-T G.711, table 2a)."""
    return bytes(map(_encode_sample, samples))
