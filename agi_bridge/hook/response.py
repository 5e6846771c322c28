"""One response of HTTP/1.1, read from bytes as they come. Pure: no socket, no clock.

The hook sends what it likes, so every byte counts: interim responses (1xx), headers, sizes and
extensions of chunks, and trailers as much as the body. Where a limit is passed, reading ends.

llhttp (httptools) reads what follows the standard. What does not, but can still be understood, is
put right before it is read again: the text has gone out by then, and an answer that is thrown away
costs the caller the forwarding. A response is never followed by a second one on its connection
unless llhttp read it as it came, so a generous reading can confuse nobody.
"""

from __future__ import annotations

import math
import re
from typing import Final

import httptools

MAX_HEAD: Final = 65_536
"""Bytes of all heads together: interim responses, status line and headers. Proxies add cookies and
policies by the ten thousand; curl reads 300,000 of them."""
MAX_FRAMING: Final = 65_536
"""Bytes that may surround a body: sizes and extensions of chunks, trailers."""

_START: Final = b"HTTP/"
_SWITCHING: Final = 101
_STATUS_LINE: Final = re.compile(rb"HTTP/\d(?:\.\d)? {1,8}(\d{3})(?!\d)(?:[ \t].*)?", re.DOTALL)
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BLANK_LINE: Final = re.compile(rb"\n\r?\n")
_LENGTH: Final = b"content-length"
_CODING: Final = b"transfer-encoding"
_KEEP_ALIVE: Final = b"keep-alive"
_SECONDS_DIGITS: Final = 6


class ResponseError(Exception):
    """The response cannot be read.

    Attributes:
        reason: `bad_http`, `too_large`, `truncated` or `connection_lost`.
        status: what the status line says if only the headers were too long; else None.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class ResponseReader:
    """Reads one response.

    Args:
        max_bytes: of the body, undone of its chunks.

    Attributes:
        status: None until the head of the final response is complete.
        headers: of the final response, as they came.
        complete: whether the body is there to its end.
        keepable: whether another request may follow on the connection.
    """

    __slots__ = (
        "_head",
        "_heads",
        "_left",
        "_max_bytes",
        "_parser",
        "_pieces",
        "_until_close",
        "complete",
        "headers",
        "keepable",
        "status",
    )

    def __init__(self, max_bytes: int) -> None:
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False
        self.keepable = False
        self._head = bytearray()
        self._heads = 0  # bytes of interim responses
        self._pieces: list[bytes] = []
        self._max_bytes = max_bytes
        self._left = max_bytes + MAX_FRAMING  # of what follows the head
        self._until_close = False
        self._parser: httptools.HttpResponseParser | None = None

    @property
    def body(self) -> bytes:
        """What came of the body so far."""
        return b"".join(self._pieces)

    @property
    def idle_seconds(self) -> float:
        """How long the server waits for another request; infinite if it does not say.

        `Keep-Alive: timeout=5` (RFC 2068, 19.7.1; what Node.js, Apache and gunicorn send).
        """
        for name, value in self.headers:
            if name.lower() == _KEEP_ALIVE:
                for parameter in value.split(b","):
                    key, _, number = (part.strip() for part in parameter.partition(b"="))
                    if key.lower() == b"timeout" and number[:_SECONDS_DIGITS].isdigit():
                        return float(number[:_SECONDS_DIGITS])
        return math.inf

    def feed(self, data: bytes) -> None:
        """Read on.

        Raises:
            ResponseError: it is not HTTP, or too long.
        """
        if self.complete:
            self.keepable = False  # nobody asked for more
            return
        if self._parser is None:
            data = self._read_head(data)
        if data:
            self._read_body(data)

    def end(self) -> None:
        """The server has closed its side: that completes a body without a declared length.

        Raises:
            ResponseError: something is missing.
        """
        self.keepable = False
        if self.complete:
            return
        if self._parser is None:
            raise ResponseError("connection_lost")
        if not self._until_close:
            raise ResponseError("truncated")
        self.complete = True

    def _read_head(self, data: bytes) -> bytes:
        """Gather heads until the final one; return what follows it."""
        head = self._head
        seen = max(0, len(head) - 3)
        head += data
        while self._parser is None:
            if not head.startswith(_START[: len(head)]):
                raise ResponseError("bad_http")
            found = _BLANK_LINE.search(head, seen)
            end = len(head) if found is None else found.end()
            if self._heads + end > MAX_HEAD:
                raise ResponseError("bad_http", _status(head))
            if found is None:
                return b""
            self._take(bytes(head[:end]))
            del head[:end]
            seen = 0
        rest = bytes(head)
        head.clear()
        return rest

    def _take(self, head: bytes) -> None:
        """Read a whole head; that of an interim response is only counted."""
        found = _STATUS_LINE.match(head)
        if found is not None and found[1][:1] == b"1" and int(found[1]) != _SWITCHING:
            self._heads += len(head)
            return
        parser = self._parsed(head)
        if parser is not None and _has_empty_coding(self.headers):
            parser = None  # llhttp would not see the chunks
        keepable = parser is not None
        if parser is None:
            parser = self._parsed(_mended(head))
        if parser is None or self.status is None:
            raise ResponseError("bad_http")
        self._parser = parser
        self.keepable = keepable and not self._until_close and parser.should_keep_alive()

    def _parsed(self, head: bytes) -> httptools.HttpResponseParser | None:
        self.headers.clear()
        self.complete = False
        parser = httptools.HttpResponseParser(self)
        # Servers pad the size of a chunk with blanks; what comes after the end is left alone.
        parser.set_dangerous_leniencies(
            lenient_spaces_after_chunk_size=True, lenient_data_after_close=True
        )
        try:
            parser.feed_data(head)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return None
        self.status = parser.get_status_code()
        return parser

    def _read_body(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise ResponseError("too_large")
        assert self._parser is not None  # noqa: S101 - the head has been read
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.keepable = False
            if not self.complete:
                raise ResponseError("bad_http") from None  # its text may quote the response
        if self._max_bytes < 0:
            self.complete = False
            self._pieces.clear()
            raise ResponseError("too_large")

    # What llhttp calls

    def on_message_begin(self) -> None:
        """A message begins; a second one is more than was asked for."""
        if self.complete:
            self.keepable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or one trailer, which says nothing that is needed."""
        if self._parser is None:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete: see how the end of the body will show."""
        if self._parser is not None:
            return  # a second message's
        lengths, codings = _framing(self.headers)
        self._until_close = not lengths if not codings else codings[-1] != b"chunked"

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        if self.complete:
            return  # a second message's
        self._max_bytes -= len(piece)
        if self._max_bytes >= 0:
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """The body is complete."""
        self.complete = True


def _framing(headers: list[tuple[bytes, bytes]]) -> tuple[list[bytes], list[bytes]]:
    """The lengths and the transfer codings that headers declare."""
    lengths: list[bytes] = []
    codings: list[bytes] = []
    for name, value in headers:
        lowered = name.lower()
        if lowered == _LENGTH:
            lengths += [part.strip() for part in value.split(b",")]
        elif lowered == _CODING:
            codings += [part.strip().lower() for part in value.split(b",") if part.strip()]
    return lengths, codings


def _has_empty_coding(headers: list[tuple[bytes, bytes]]) -> bool:
    """Tell whether a list of codings has an empty element (RFC 9110, 5.6.1: ignore it)."""
    return any(
        name.lower() == _CODING and not all(part.strip() for part in value.split(b","))
        for name, value in headers
    )


def _status(head: bytearray) -> int | None:
    """The status of a final response whose status line is there."""
    first = bytes(head).split(b"\n", 1)[0].rstrip(b"\r")
    found = _STATUS_LINE.fullmatch(first)
    return None if found is None or found[1][:1] == b"1" else int(found[1])


def _mended(head: bytes) -> bytes:
    """The head as the standard has it, where that can be told without guessing.

    Bare line feeds and blanks before a colon go, folded lines are joined, what is not a header is
    left out (RFC 9112, 2.2, 5.1 and 5.2). A length that is given twice with the same value is one
    length (RFC 9110, 8.6); beside chunks it does not count (RFC 9112, 6.3).

    Raises:
        ResponseError: the status line cannot be read, or the lengths contradict each other.
    """
    first, *lines = (line.rstrip(b"\r") for line in head.rstrip(b"\r\n").split(b"\n"))
    status = _STATUS_LINE.fullmatch(first)
    if status is None:
        raise ResponseError("bad_http")
    folded: list[tuple[bytes, list[bytes]]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and folded:
            folded[-1][1].append(line.strip())
            continue
        name, colon, value = line.partition(b":")
        if colon and _TOKEN.fullmatch(name := name.rstrip(b" \t")):
            folded.append((name, [value.strip()]))
    headers = [(name, b" ".join(values)) for name, values in folded]
    lengths, codings = _framing(headers)
    codings = [coding for coding in codings if coding != b"identity"]
    kept = [(n, v) for n, v in headers if n.lower() not in (_LENGTH, _CODING)]
    if codings:
        kept.append((_CODING, b", ".join(codings)))
    elif lengths:
        if len(set(lengths)) > 1:
            raise ResponseError("bad_http")
        kept.append((_LENGTH, lengths[0]))
    mended = [b"HTTP/1.1 " + status[1], *(n + b": " + _printable(v) for n, v in kept)]
    return b"\r\n".join([*mended, b"", b""])


def _printable(value: bytes) -> bytes:
    """A header's value without control characters."""
    return value.translate(None, bytes(range(9)) + bytes(range(10, 32)) + b"\x7f")
