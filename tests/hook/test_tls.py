"""TLS of the hook's connections: sessions are resumed; nothing of a broken stream is believed."""

from __future__ import annotations

import os
import ssl

import pytest

from agi_bridge.hook import HookClient, Outcome, Submission, SubmissionRequest
from agi_bridge.hook.testing import VendorResponse
from tests.support.hook_servers import CERTIFICATE, Connection, http, server_tls, serving

DIAL = http("200 OK", VendorResponse.dial("+14155550199").encode())


async def submit(client: HookClient) -> Submission:
    return await client.submit(SubmissionRequest(from_="+14151234560", to="+14151234567", key="k"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_later_connection_resumes_the_session_of_an_earlier_one(
    version: ssl.TLSVersion,
) -> None:
    resumed: list[bool] = []

    async def script(connection: Connection) -> None:
        await connection.request()
        resumed.append(connection.writer.get_extra_info("ssl_object").session_reused)
        await connection.send(DIAL)
        await connection.gone()

    context = server_tls()
    context.minimum_version = context.maximum_version = version
    async with (
        serving(script, context) as server,
        HookClient(server.url, ca_file=str(CERTIFICATE)) as client,
    ):
        for _ in range(3):
            assert (await submit(client)).outcome is Outcome.ACCEPTED
    assert resumed == [False, True, True]


async def test_a_server_that_forgot_the_session_is_checked_again() -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(DIAL)
        await connection.gone()

    async with (
        serving(script, server_tls()) as one,
        HookClient(one.url, ca_file=str(CERTIFICATE)) as client,
    ):
        assert (await submit(client)).outcome is Outcome.ACCEPTED
        async with serving(script, server_tls()) as other:  # with ticket keys of its own
            client._url = client._url.copy_with(port=other.port)
            assert (await submit(client)).outcome is Outcome.ACCEPTED


async def test_bytes_that_are_no_tls_end_the_connection() -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        raw = connection.writer.get_extra_info("socket")
        os.write(raw.fileno(), b"HTTP/1.1 200 OK\r\n\r\n")
        await connection.gone()

    async with (
        serving(script, server_tls()) as server,
        HookClient(server.url, ca_file=str(CERTIFICATE)) as client,
    ):
        result = await submit(client)
    assert (result.outcome, result.attempts) == (Outcome.UNKNOWN, 1)
    assert result.answer is None


async def test_a_large_request_and_answer_pass_in_many_records() -> None:
    got: list[bytes] = []

    async def script(connection: Connection) -> None:
        got.append(await connection.request())
        await connection.send(http("200 OK", b"<Response>" + b" " * 60_000 + b"</Response>"))
        await connection.gone()

    async with (
        serving(script, server_tls()) as server,
        HookClient(server.url, ca_file=str(CERTIFICATE), context="x" * 50_000) as client,
    ):
        result = await submit(client)
    assert got[0].count(b"x") >= 50_000
    assert result.status == 200
