"""Responses as servers send them, cut anywhere: what is read, what is not, and after how much."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agi_bridge.hook.response import MAX_FRAMING, MAX_HEAD, ResponseError, ResponseReader

BODY = b"<Response/>"
LENGTH = b"Content-Length: 11"
CHUNKS = b"4\r\n<Res\r\n7\r\nponse/>\r\n0\r\n\r\n"


def read(*pieces: bytes, max_bytes: int = 1000, end: bool = True) -> ResponseReader:
    reader = ResponseReader(max_bytes)
    for piece in pieces:
        reader.feed(piece)
    if end:
        reader.end()
    return reader


def response(*headers: bytes, status: bytes = b"HTTP/1.1 200 OK", body: bytes = BODY) -> bytes:
    return b"\r\n".join([status, *headers, b"", b""]) + body


READABLE = {
    "length": response(LENGTH),
    "chunks": response(b"Transfer-Encoding: chunked", body=CHUNKS),
    "until it closes": response(),
    "chunks in capitals": response(b"Transfer-Encoding: Chunked", body=CHUNKS),
    "chunks with extensions": response(
        b"Transfer-Encoding: chunked", body=b'b;a=b;c="d"\r\n<Response/>\r\n0;x\r\nT: u\r\n\r\n'
    ),
    "chunks with blanks": response(
        b"Transfer-Encoding: chunked", body=b"b  \r\n<Response/>\r\n0  \r\n\r\n"
    ),
    "interim responses": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
    + response(LENGTH),
    "no reason": response(LENGTH, status=b"HTTP/1.1 200"),
    "an empty reason": response(LENGTH, status=b"HTTP/1.1 200 "),
    "a reason in Latin-1": response(LENGTH, status="HTTP/1.1 200 Réussi".encode("latin-1")),
    "a reason of odd bytes": response(LENGTH, status=b"HTTP/1.1 200 \x01\x7f\xff\0"),
    "HTTP/1.0": response(LENGTH, status=b"HTTP/1.0 200 OK"),
    "another version": response(LENGTH, status=b"HTTP/1.2 200 OK"),
    "a version of one digit": response(LENGTH, status=b"HTTP/2 200 OK"),
    "the length twice": response(LENGTH, LENGTH),
    "the length as a list": response(b"Content-Length: 11, 11"),
    "length and chunks": response(LENGTH, b"Transfer-Encoding: chunked", body=CHUNKS),
    "chunks and length": response(b"Transfer-Encoding: chunked", LENGTH, body=CHUNKS),
    "identity and length": response(b"Transfer-Encoding: identity", LENGTH),
    "bare line feeds": response(LENGTH).replace(b"\r\n", b"\n"),
    "a blank before the colon": response(b"Content-Length : 11", b"X-A : b"),
    "a folded header": response(b"X: a\r\n b\r\n\tc", LENGTH),
    "a line that is not a header": response(b"nonsense", b": empty", b"X(Y: z", LENGTH),
    "a name in Latin-1": response("Qualité: oui".encode("latin-1"), LENGTH),
    "control characters in a value": response(b"X: \x01\0\x7fa", LENGTH),
    "a header of 60,000 bytes": response(b"X: " + b"a" * 60_000, LENGTH),
    "20,000 bytes of cookies": response(*[b"Set-Cookie: " + b"a" * 988] * 20, LENGTH),
    "an offer to upgrade": response(b"Connection: upgrade", b"Upgrade: h2c", LENGTH),
    "more than was declared": response(LENGTH) + b"and more",
    "a second response": response(LENGTH) + response(b"Content-Length: 3", body=b"two"),
}


@pytest.mark.parametrize("name", READABLE)
def test_what_can_be_understood_is_read_in_one_piece_and_byte_by_byte(name: str) -> None:
    whole = READABLE[name]
    for pieces in ([whole], [whole[n : n + 1] for n in range(len(whole))]):
        reader = read(*pieces)
        assert (reader.status, reader.body, reader.complete) == (200, BODY, True)


@given(st.sampled_from(sorted(READABLE)), st.lists(st.integers(0, 400), max_size=6))
@settings(max_examples=150, deadline=None)
def test_where_it_is_cut_makes_no_difference(name: str, cuts: list[int]) -> None:
    whole = READABLE[name]
    places = [0, *sorted(cuts), len(whole)]
    pieces = [whole[a:b] for a, b in itertools.pairwise(places)]
    reader, other = read(*pieces), read(whole)
    assert (reader.body, reader.headers) == (other.body, other.headers)


@pytest.mark.parametrize(
    "head",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0" * 10,
        b"HTTP",
        b"http/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 2 OK\r\n\r\n",
        b"HTTP/1.1 0200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        response(b"Content-Length: -1"),
        response(b"Content-Length: +11"),
        response(b"Content-Length: 11x"),
        response(b"Content-Length: "),
        response(b"Content-Length: 99999999999999999999999"),
        response(LENGTH, b"Content-Length: 12"),
        response(b"Transfer-Encoding: chunked", body=b"x\r\n"),
        response(b"Transfer-Encoding: chunked", body=b"ffffffffffffffffff\r\na"),
    ],
)
def test_what_contradicts_itself_or_is_no_http_is_refused(head: bytes) -> None:
    with pytest.raises(ResponseError) as caught:
        read(head)
    assert caught.value.reason in {"bad_http", "connection_lost"}


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", "connection_lost"),
        (b"HTTP/1.1 200 OK\r\nX:", "connection_lost"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "connection_lost"),
        (response(b"Content-Length: 12"), "truncated"),
        (response(b"Transfer-Encoding: chunked", body=CHUNKS[:-2]), "truncated"),
    ],
)
def test_an_end_that_comes_too_early_has_its_reason(sent: bytes, reason: str) -> None:
    with pytest.raises(ResponseError, match=reason):
        read(sent)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_that_has_no_body_is_complete_with_its_head(status: bytes) -> None:
    reader = read(response(status=b"HTTP/1.1 " + status, body=b""), end=False)
    assert (reader.complete, reader.body) == (True, b"")


@pytest.mark.parametrize(
    ("sent", "keepable"),
    [
        (response(LENGTH), True),
        (response(b"Transfer-Encoding: chunked", body=CHUNKS), True),
        (response(LENGTH, b"Connection: close"), False),
        (response(LENGTH, status=b"HTTP/1.0 200 OK"), False),
        (response(LENGTH, LENGTH), False),  # mended: where it ends is our reading, not a fact
        (response(LENGTH) + b"x", False),
        (response(LENGTH) + response(LENGTH), False),
        (response(LENGTH, b"Connection: close") + b"x", False),
    ],
)
def test_a_connection_is_kept_only_after_a_response_without_any_doubt(
    sent: bytes, *, keepable: bool
) -> None:
    reader = read(sent, end=False)
    assert (reader.complete, reader.keepable) == (True, keepable)


def test_what_comes_after_the_end_closes_a_kept_connection() -> None:
    reader = read(response(LENGTH), end=False)
    reader.feed(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert (reader.keepable, reader.body) == (False, BODY)


# Endless in every place: the number of bytes that are taken is bounded, whatever they are


@pytest.mark.parametrize(
    ("head", "again"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 102 Processing\r\nX: " + b"a" * 100 + b"\r\n\r\n"),
        (b"", b"HTTP/1.1 100\n\n"),
        (b"HTTP/1.1 200 ", b"reason "),
        (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        (b"HTTP/1.1 200 OK\r\n", b"\r"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;abcdefgh=ijklmnop\r\na\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"T: a\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"a"),
    ],
)
@pytest.mark.parametrize("size", [13, 65_536])
def test_an_endless_response_is_given_up_after_a_bounded_number_of_bytes(
    head: bytes, again: bytes, size: int
) -> None:
    reader = ResponseReader(1000)
    limit = MAX_HEAD + MAX_FRAMING + 1000
    flood = head + again * (2 * (limit + size) // len(again) + 1)
    taken, reason = 0, None
    while reason is None and (piece := flood[taken : taken + size]):
        taken += len(piece)
        try:
            reader.feed(piece)
        except ResponseError as error:
            reason = error.reason
    assert reason in {"bad_http", "too_large"}
    assert taken <= limit + size
    assert len(reader.body) <= 1000
    assert len(reader._head) <= MAX_HEAD + size


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "flood",
    [
        b"HTTP/1.1 100\n\n" * 5_000_000,
        b"HTTP/1.1 200 OK\r\n" + b"\n\r\r" * 20_000_000,
        b"HTTP/1.1 200 OK\r\nX : a\r\n" + b" a\r\n" * 16_000 + b"\r\n",
    ],
    ids=["interim responses", "line feeds", "folded lines"],
)
def test_a_large_piece_costs_no_more_than_what_is_read_of_it(flood: bytes) -> None:
    with contextlib.suppress(ResponseError):
        read(flood, end=False)


@given(st.lists(st.binary(max_size=40) | st.sampled_from(sorted(READABLE.values())), max_size=5))
@settings(max_examples=150, deadline=None)
def test_no_bytes_raise_anything_else(pieces: list[bytes]) -> None:
    with contextlib.suppress(ResponseError):
        read(*pieces)
    with contextlib.suppress(ResponseError):
        read(b"HTTP/1.1 200 OK\r\n", *pieces)
