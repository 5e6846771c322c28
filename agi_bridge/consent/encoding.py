"""Canonical bodies, commitments and identifiers: what makes a record checkable later."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Scalar: TypeAlias = "str | int | bool | None"
Body: TypeAlias = "Mapping[str, Scalar | Sequence[Scalar | Sequence[Scalar]]]"
"""What an event says: texts and whole numbers, flat or in short lists. No floats: two machines may
print the same one differently."""

_ENCODER = json.JSONEncoder(
    ensure_ascii=False,
    allow_nan=False,
    sort_keys=True,
    separators=(",", ":"),
    check_circular=False,  # a sixth of the time, and no body holds itself
)
SALT_BYTES = 32
HOUR: Final = 3600.0
"""Seconds."""
DAY: Final = 24 * HOUR
"""Seconds: a limit or a period of 24 hours, whatever the calendar says."""
_BLOCK = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_COUNT_BITS = (1 << 47) - 1
_DRAWN_BYTES = 4096


def canonical(body: Body | Sequence[str]) -> str:
    """The one way to write a body or a list of tags.

    JSON, keys sorted, no spaces, characters as themselves. Lone surrogates, which stand for bytes
    from outside that are not UTF-8, are written as JSON's escapes.
    """
    return canonical_bytes(body).decode()


def canonical_bytes(body: Body | Sequence[str]) -> bytes:
    """The same in UTF-8, as it is hashed.

    orjson writes what Python's encoder does, in a sixth of the time, and refuses what it cannot:
    lone surrogates, and whole numbers of more than 64 bits.
    """
    try:
        return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return _ENCODER.encode(body).encode("utf-8", "backslashreplace")


def commitment(salt: bytes, field: str, value: str) -> str:
    """Bind a record to a personal value without holding it.

    HMAC-SHA-256 keyed with the consent's salt over the field's name, a zero byte and the value, in
    hexadecimal. Salt and value together open it; with both erased it says nothing.
    """
    return commitments(salt, {field: value})[f"{field}_c"]


def commitments(salt: bytes, values: Mapping[str, str]) -> dict[str, str]:
    """The commitments to several values, by the names that a body holds them under."""
    keyed = Hmac(salt)
    return {
        f"{field}_c": keyed.digest(f"{field}\0{value}".encode()).hex()
        for field, value in values.items()
    }


class Hmac:
    """HMAC-SHA-256 (RFC 2104) with one key of 64 bytes at most, for several messages.

    A call computes a dozen. The key is hashed once, and so is what all messages begin with;
    `hmac.digest` takes four times as long, as OpenSSL looks the algorithm up each time.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes, prefix: bytes = b"") -> None:
        block = key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER) + prefix)
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def digest(self, message: bytes) -> bytes:
        """The code of the prefix and this message."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """The same of one message, where another with the same key does not follow."""
    block = key.ljust(_BLOCK, b"\0")
    inner = hashlib.sha256(block.translate(_INNER) + message).digest()
    return hashlib.sha256(block.translate(_OUTER) + inner).digest()


def text_sha256(text: str) -> str:
    """SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def suppression_sha256(revocation_id: str, number_hmac: str) -> str:
    """What binds a revocation to the keyed hash of its number once its personal data is erased."""
    return text_sha256(f"{revocation_id}{number_hmac}")


class _Drawn(threading.local):
    """Random bytes that a thread has drawn and not given yet."""

    def __init__(self) -> None:
        self.left = bytearray()


_drawn = _Drawn()


def _forget_drawn() -> None:
    """Two processes must not give the same bytes; a child has one thread, that which forked."""
    _drawn.left.clear()


os.register_at_fork(after_in_child=_forget_drawn)


def random_bytes(count: int) -> bytes:
    """Bytes from the operating system's random source, drawn a few thousand at a time.

    Each drawing lets another thread run first, which costs more than the bytes.
    """
    left = _drawn.left
    if len(left) < count:
        left += os.urandom(_DRAWN_BYTES)
    given = bytes(left[:count])
    del left[:count]
    return given


def new_salt() -> bytes:
    """A fresh salt."""
    return random_bytes(SALT_BYTES)


class Identifiers:
    """Version 7 UUIDs (RFC 9562, section 5.7): their order is the order of creation, to 1 ms.

    Random bits are drawn once and counted up for each further identifier (section 6.2, method 2);
    the highest of those that count is 0 at first, so that they do not overflow.
    """

    __slots__ = ("_count", "_middle")

    def __init__(self) -> None:
        drawn = int.from_bytes(random_bytes(10))
        self._count = drawn & _COUNT_BITS
        middle = drawn >> 48
        self._middle = f"7{middle >> 16 & 0xFFF:03x}-{middle & 0x3FFF | 0x8000:04x}"

    def next(self) -> str:
        """Return the next one."""
        self._count += 1
        time_ = f"{time.time_ns() // 1_000_000:012x}"
        return f"{time_[:8]}-{time_[8:]}-{self._middle}-{self._count:012x}"


def timestamp(nanoseconds: int | None = None) -> str:
    """RFC 3339 in UTC with milliseconds, of a time since the epoch or of now."""
    return _moment((time.time_ns() if nanoseconds is None else nanoseconds) // 1_000_000)


def stamp(seconds: float) -> str:
    """The same of seconds since the epoch."""
    return _moment(round(seconds * 1000))


def _moment(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=32)
def _second(seconds: int) -> str:
    """Date and time of a whole second: formatting them is most of a timestamp's cost.

    A consent asks for seven: now, when limits and leases end, and what is late.
    """
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
