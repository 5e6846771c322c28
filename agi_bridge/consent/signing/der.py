"""DER, the one spelling of a value in ASN.1 (X.690, sections 10 and 11), as far as stamps need it.

A time stamp is kept as it came, and its hash is chained. Libraries read more than DER where nothing
depends on it, so that anyone could write a genuine stamp in other bytes. `check.py`, which is
written apart, holds stamps against the same rules.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SEQUENCE: Final = 0x30
_SET: Final = 0x31
_CERTIFICATES: Final = 0xA0
_CONSTRUCTED: Final = 0x20
_OF_A_CONTEXT: Final = 0x80
"""Tags from here on are of the structure that they stand in: their kind cannot be seen."""
_LONG_TAG: Final = 0x1F
_LONG_LENGTH: Final = 0x80


def is_der(content: bytes) -> bool:
    """Whether bytes are values in DER, and nothing else.

    Sets are not empty here: none of a time stamp's may be.
    """
    try:
        return all(_is_der(each) for each in values(content))
    except (ValueError, RecursionError):
        return False


def values(content: bytes) -> list[bytes]:
    """The values that stand one after the other, each in its bytes.

    Raises:
        ValueError: they do not fill the bytes, or a length is not as short as it can be.
    """
    found, at = [], 0
    while at < len(content):
        end = sum(_header(content, at))
        if end > len(content):
            raise ValueError("cut short")
        found.append(content[at:end])
        at = end
    return found


def unwrapped(value: bytes) -> bytes:
    """What a value's tag and length stand before."""
    return value[_header(value, 0)[0] :]


def sorted_certificates(response: bytes) -> bytes:
    """A stamp (`TimeStampResp`) with its certificates in the order of a set in DER.

    Nobody has signed their order, and OpenSSL writes them in any. rfc3161-client wants this one.

    Raises:
        ValueError: it has another structure.
    """
    status, *token = values(unwrapped(response))
    if not token:
        return response  # a refusal
    kind, held = values(unwrapped(token[0]))
    parts = values(unwrapped(unwrapped(held)))
    parts = [
        _encoded(_CERTIFICATES, sorted(values(unwrapped(each))))
        if each[0] == _CERTIFICATES
        else each
        for each in parts
    ]
    signed = _encoded(held[0], [_encoded(_SEQUENCE, parts)])
    return _encoded(_SEQUENCE, [status, _encoded(_SEQUENCE, [kind, signed])])


def _encoded(tag: int, parts: list[bytes]) -> bytes:
    joined = b"".join(parts)
    if len(joined) < _LONG_LENGTH:
        return bytes([tag, len(joined)]) + joined
    width = (len(joined).bit_length() + 7) // 8
    return bytes([tag, _LONG_LENGTH + width]) + len(joined).to_bytes(width, "big") + joined


def _header(encoded: bytes, at: int) -> tuple[int, int]:
    """Where a value's content begins, and its length."""
    try:
        length, begin = encoded[at + 1], at + 2
        if length >= _LONG_LENGTH:
            begin += length % _LONG_LENGTH
            written = encoded[at + 2 : begin]
            length = int.from_bytes(written, "big")
            if length < _LONG_LENGTH or written[0] == 0:
                raise ValueError("a length is not as short as it can be")
    except IndexError:
        raise ValueError("cut short") from None
    return begin, length


def _is_der(encoded: bytes) -> bool:
    tag, value = encoded[0], unwrapped(encoded)
    parts = values(value) if tag & _CONSTRUCTED else []
    if tag & _LONG_TAG == _LONG_TAG or not all(map(_is_der, parts)):
        return False
    if tag < _OF_A_CONTEXT and bool(tag & _CONSTRUCTED) != (
        tag | _CONSTRUCTED in {_SEQUENCE, _SET}
    ):
        return False  # a string in pieces
    rule = _RULES.get(tag)
    return rule is None or rule(value)


def _is_short(integer: bytes) -> bool:
    """Whether the first nine bits of an integer are not all alike."""
    bits = int.from_bytes(integer[:2], "big") >> 7
    return len(integer) == 1 or (len(integer) > 1 and bits not in {0, 0x1FF})


def _is_sorted(members: bytes) -> bool:
    return bool(members) and all(one < other for one, other in pairwise(values(members)))


_RULES: Final[Mapping[int, Callable[[bytes], bool]]] = {
    0x01: lambda truth: truth == b"\xff",  # what is false is the default, and left out
    0x02: _is_short,
    0x06: bool,  # an object identifier
    0x17: bool,  # UTCTime
    0x18: bool,  # GeneralizedTime
    _SET: _is_sorted,
}
"""What a value of a universal type has to be, by its tag."""
