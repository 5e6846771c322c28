"""Responses that do not come to their end: a whole answer in them counts, however it was cut off.

HTTP calls them incomplete (RFC 9112, section 8), but the text has gone out, and a document shows
its own end.
"""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from agi_bridge.hook import Dial, HookClient, Instructions, Outcome
from agi_bridge.hook import connection as hook_connection
from agi_bridge.hook.testing import VendorResponse
from tests.support.hook_servers import (
    CERTIFICATE,
    Connection,
    Deadline,
    server_tls,
    serving,
    submit,
)

if TYPE_CHECKING:
    from agi_bridge.hook.connection import Connection as HookConnection

BODY = VendorResponse.dial("+14155550199").encode()
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"
UNTIL_CLOSE = OK + b"\r\n" + BODY
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n%b\r\n" % (len(BODY), BODY)

WHOLE = {
    "no length": UNTIL_CLOSE,
    "a length that is too high": OK + b"Content-Length: 4096\r\n\r\n" + BODY,
    "no last chunk": CHUNKED + CHUNK,
    "half a last chunk": CHUNKED + CHUNK + b"0\r\n",
    "half of the trailers": CHUNKED + CHUNK + b"0\r\nServer-Timing: a",
    "a chunk that is too long": CHUNKED + b"1000\r\n" + BODY,
    "a chunk without its end": CHUNKED + CHUNK[:-2],
    "a broken chunk behind it": CHUNKED + CHUNK + b"zz\r\n",
}

Ending = Callable[[Connection], None]


def closed(connection: Connection) -> None:
    connection.writer.close()


@pytest.mark.parametrize("end", [Connection.cut, Connection.reset], ids=["FIN", "RST"])
@pytest.mark.parametrize("name", WHOLE)
async def test_a_whole_answer_counts_although_its_response_is_incomplete(
    name: str, end: Ending
) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(WHOLE[name])
        end(connection)

    async with serving(script) as server, HookClient(server.url) as client:
        result = await submit(client)
    assert (result.outcome, result.reason, result.status) == (Outcome.ACCEPTED, "dial", 200)
    assert result.answer == Instructions((Dial(("+14155550199",)),), "dial")
    assert result.answer_sha256 is not None


@pytest.mark.parametrize("end", [Connection.cut, Connection.reset], ids=["FIN", "RST"])
@pytest.mark.parametrize(
    "sent",
    [
        UNTIL_CLOSE[:-1],
        OK + b"\r\n<Response><Dial>+14155550199</Dial>",
        CHUNKED + CHUNK[:-5],
        OK + b"Content-Length: 4096\r\n\r\n",
        OK.replace(b"200 OK", b"500 Oh") + b"Content-Length: 4096\r\n\r\n" + BODY,
        OK + b"Content-Length: 4096\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b" + BODY,
    ],
)
async def test_an_answer_that_is_not_whole_is_unknown(sent: bytes, end: Ending) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(sent)
        end(connection)

    async with serving(script) as server, HookClient(server.url) as client:
        result = await submit(client)
    assert result.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("name", WHOLE)
async def test_a_whole_answer_counts_at_the_deadline(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadline = Deadline(monkeypatch)
    real = hook_connection.Connection.data_received

    def falling(self: HookConnection, data: bytes) -> None:
        real(self, data)
        deadline.falls()

    monkeypatch.setattr(hook_connection.Connection, "data_received", falling)

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(WHOLE[name])
        await connection.gone()

    async with serving(script) as server, HookClient(server.url, total_seconds=60) as client:
        result = await submit(client)
    assert (result.outcome, result.reason) == (Outcome.ACCEPTED, "dial")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    "end", [closed, Connection.cut, Connection.reset], ids=["farewell", "FIN", "RST"]
)
@pytest.mark.parametrize(
    "cuts", [(), (UNTIL_CLOSE.index(BODY),), (9, 60, 100)], ids=["one", "two", "four"]
)
async def test_tls_may_end_in_any_way_behind_a_whole_answer(
    version: ssl.TLSVersion, end: Ending, cuts: tuple[int, ...]
) -> None:
    """The answer's end is not the stream's; nothing but a verb could be cut off (see `client`)."""

    async def script(connection: Connection) -> None:
        await connection.request()
        places = [0, *cuts, len(UNTIL_CLOSE)]
        for start, stop in itertools.pairwise(places):
            await connection.send(UNTIL_CLOSE[start:stop])  # a record each
        end(connection)

    context = server_tls()
    context.minimum_version = context.maximum_version = version
    async with (
        serving(script, context) as server,
        HookClient(server.url, ca_file=str(CERTIFICATE)) as client,
    ):
        results = [await submit(client) for _ in range(20)]
    assert {(r.outcome, r.reason, r.attempts) for r in results} == {(Outcome.ACCEPTED, "dial", 1)}


@pytest.mark.parametrize("end", [closed, Connection.cut, Connection.reset])
async def test_tls_that_is_cut_off_in_the_answer_is_unknown(end: Ending) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(UNTIL_CLOSE[:-3])
        end(connection)

    async with (
        serving(script, server_tls()) as server,
        HookClient(server.url, ca_file=str(CERTIFICATE)) as client,
    ):
        result = await submit(client)
    assert (result.outcome, result.attempts) == (Outcome.UNKNOWN, 1)
