"""A time stamp in other bytes: what BER allows and DER does not, and what is no stamp any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CERTIFICATES = "0/1/1/0/3"
"""Where the certificates of a `TimeStampResp` are."""


@dataclass(eq=False)
class Node:
    """One value of a tree of ASN.1."""

    path: str
    tag: int
    content: bytes = b""
    parts: list[Node] | None = None

    @property
    def encoded(self) -> bytes:
        """The value in DER."""
        joined = self.joined
        return bytes([self.tag]) + length(len(joined)) + joined

    @property
    def joined(self) -> bytes:
        """What tag and length stand before."""
        return self.content if self.parts is None else b"".join(p.encoded for p in self.parts)

    def walk(self) -> Iterator[Node]:
        """The value and all within it."""
        yield self
        for part in self.parts or ():
            yield from part.walk()


def length(size: int) -> bytes:
    """A length in DER."""
    if size < 128:
        return bytes([size])
    width = (size.bit_length() + 7) // 8
    return bytes([128 + width]) + size.to_bytes(width, "big")


def parse(encoded: bytes, path: str = "") -> list[Node]:
    """The values in some bytes of DER."""
    found: list[Node] = []
    at = 0
    while at < len(encoded):
        tag, size, begin = encoded[at], encoded[at + 1], at + 2
        if size > 127:
            begin += size & 127
            size = int.from_bytes(encoded[at + 2 : begin], "big")
        content = encoded[begin : begin + size]
        here = f"{path}/{len(found)}".lstrip("/")
        parts = parse(content, here) if tag & 32 else None
        found.append(Node(here, tag, content, parts))
        at = begin + size
    return found


WAYS: dict[str, Callable[[Node], bytes | None]] = {
    "indefinite length": lambda n: (
        bytes([n.tag, 128]) + n.joined + bytes(2) if n.parts is not None else None
    ),
    "long length": lambda n: bytes([n.tag, 132]) + len(n.joined).to_bytes(4, "big") + n.joined,
    "string in pieces": lambda n: _in_pieces(n) if n.tag == 4 else None,
    "padded integer": lambda n: _with(n, bytes(1) + n.content) if n.tag == 2 else None,
    "truth of 1": lambda n: _with(n, b"\1") if n.tag == 1 else None,
    "reversed": lambda n: (
        _with(n, b"".join(part.encoded for part in reversed(n.parts))) if n.parts else None
    ),
    "last one twice": lambda n: _with(n, n.joined + n.parts[-1].encoded) if n.parts else None,
    "one more": lambda n: _with(n, n.joined + b"\5\0") if n.parts is not None else None,
    "last one dropped": lambda n: (
        _with(n, b"".join(part.encoded for part in n.parts[:-1])) if n.parts else None
    ),
    "empty": lambda n: _with(n, b""),
}
"""How a value is written otherwise; None where it cannot be."""


def _with(node: Node, content: bytes) -> bytes:
    return bytes([node.tag]) + length(len(content)) + content


def _in_pieces(node: Node) -> bytes:
    piece = b"\4" + length(len(node.content)) + node.content
    return bytes([node.tag | 32]) + length(len(piece)) + piece


def rewritten(stamp: bytes, path: str, way: str) -> bytes | None:
    """A stamp with one value written otherwise; None if it cannot be."""
    [root] = parse(stamp)

    def write(node: Node) -> bytes:
        if node.path == path:
            written = WAYS[way](node)
            if written is None:
                raise ValueError(way)
            return written
        if node.parts is None:
            return node.encoded
        return _with(node, b"".join(map(write, node.parts)))

    try:
        return write(root)
    except ValueError:
        return None


def variants(stamp: bytes) -> Iterator[tuple[str, bytes]]:
    """All of them that are other bytes than the stamp, each with a name."""
    [root] = parse(stamp)
    for way in WAYS:
        for node in root.walk():
            made = rewritten(stamp, node.path, way)
            if made is not None and made != stamp:
                yield f"{way} at {node.path}", made
