"""What a submission sends, what its outcome is, and what it leaves behind: nothing."""

import asyncio
import hashlib
import json
import logging

import httpx
import pytest

from agi_bridge.hook import (
    Dial,
    HookClient,
    Instructions,
    Method,
    Outcome,
    Submission,
    SubmissionRequest,
)
from agi_bridge.hook.testing import VendorResponse
from tests.support.hook_servers import CERTIFICATE, Connection, answering, http, server_tls, serving

FROM = "+14151234560"
TO = "+14151234567"
KEY = "a73d5034210f702515128ac61193cd21"
FORWARD = "+14155550199"
DIAL = http("200 OK", VendorResponse.dial(FORWARD).encode(), "Content-Type: application/xml")


async def submit(client: HookClient, context: str | None = None) -> Submission:
    return await client.submit(SubmissionRequest(from_=FROM, to=TO, key=KEY, context=context))


async def answered(response: bytes, max_bytes: int = 65_536) -> Submission:
    """The submission to a server that reads the request and answers with these bytes."""
    async with (
        serving(answering([], response)) as server,
        HookClient(server.url, max_bytes=max_bytes) as client,
    ):
        return await submit(client)


# What is sent


async def test_a_post_carries_key_and_numbers_in_json_and_nothing_in_its_url() -> None:
    requests: list[bytes] = []
    async with serving(answering(requests, DIAL)) as server, HookClient(server.url) as client:
        assert (await submit(client)).outcome is Outcome.ACCEPTED
    head, _, body = requests[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /v1/ivr http/1.1"
    assert f"host: 127.0.0.1:{server.port}".encode() in lines
    assert b"content-type: application/json" in lines
    assert b"accept-encoding: identity" in lines
    assert b"connection: close" in lines
    assert json.loads(body) == {"key": KEY, "from": FROM, "to": TO}


async def test_a_get_is_the_line_that_the_vendors_page_shows() -> None:
    requests: list[bytes] = []
    async with (
        serving(answering(requests, DIAL)) as server,
        HookClient(server.url, method="GET") as client,
    ):
        assert (await submit(client)).outcome is Outcome.ACCEPTED
    assert requests[0].split(b"\r\n")[0] == (
        b"GET /v1/ivr?key=a73d5034210f702515128ac61193cd21"
        b"&from=%2B14151234560&to=%2B14151234567 HTTP/1.1"
    )


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_context_is_sent_if_configured_and_a_submissions_own_goes_first(
    method: Method,
) -> None:
    requests: list[bytes] = []
    async with (
        serving(answering(requests, DIAL)) as server,
        HookClient(server.url, method=method, context="OPT_IN") as client,
    ):
        await submit(client)
        await submit(client, "CAMPAIGN & 2 é")
    assert b"OPT_IN" in requests[0]
    if method == "GET":
        assert b"&context=CAMPAIGN+%26+2+%C3%A9 " in requests[1]
    else:
        assert json.loads(requests[1].partition(b"\r\n\r\n")[2])["context"] == "CAMPAIGN & 2 é"


async def test_a_query_of_the_configured_url_is_kept() -> None:
    requests: list[bytes] = []
    async with (
        serving(answering(requests, DIAL)) as server,
        HookClient(server.url + "?tenant=7", method="GET") as client,
    ):
        await submit(client)
    assert requests[0].startswith(b"GET /v1/ivr?tenant=7&key=")


async def test_nothing_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await answered(DIAL)).outcome is Outcome.ACCEPTED


async def test_cookies_are_not_kept() -> None:
    requests: list[bytes] = []
    response = http("200 OK", VendorResponse.dial(FORWARD).encode(), "Set-Cookie: a=b; Path=/")
    async with serving(answering(requests, response)) as server, HookClient(server.url) as client:
        await submit(client)
        await submit(client)
    assert b"cookie" not in requests[1].lower()


async def test_each_submission_has_a_fresh_connection() -> None:
    async with serving(answering([], DIAL)) as server, HookClient(server.url) as client:
        await submit(client)
        await submit(client)
    assert server.connections == 2


async def test_connections_are_kept_where_that_is_asked_for() -> None:
    async with (
        serving(answering([], DIAL)) as server,
        HookClient(server.url, keepalive=True) as client,
    ):
        assert (await submit(client)).outcome is Outcome.ACCEPTED
        assert (await submit(client)).outcome is Outcome.ACCEPTED
    assert server.connections == 1


# What the vendor's answers mean


@pytest.mark.parametrize(
    ("status", "body", "outcome", "reason"),
    [
        ("200 OK", VendorResponse.DIAL, Outcome.ACCEPTED, "dial"),
        ("200 OK", VendorResponse.NO_FORWARDING, Outcome.ACCEPTED, "no_forwarding"),
        ("200 OK", VendorResponse.NOT_LINKED, Outcome.REFUSED, "not_linked"),
        ("403 Forbidden", VendorResponse.INVALID_KEY, Outcome.REFUSED, "invalid_key"),
        (
            "400 Bad Request",
            VendorResponse.MISSING_PARAMETER,
            Outcome.REFUSED,
            "missing_parameter",
        ),
        ("404 Not Found", "", Outcome.REFUSED, "client_error"),
        ("200 OK", "<Response><Say>Hello</Say></Response>", Outcome.ACCEPTED, "other"),
        ("200 OK", "<Response><Hangup/></Response>", Outcome.UNKNOWN, "other"),
        ("200 OK", "<Response><Dial/></Response>", Outcome.UNKNOWN, "other"),
        ("200 OK", "<!DOCTYPE html><html></html>", Outcome.UNKNOWN, "forbidden_xml"),
        ("200 OK", "<html></html>", Outcome.UNKNOWN, "not_response"),
        ("200 OK", "", Outcome.UNKNOWN, "empty"),
        ("200 OK", "garbage", Outcome.UNKNOWN, "not_xml"),
        ("202 Accepted", VendorResponse.DIAL, Outcome.UNKNOWN, "unexpected_status"),
        ("500 Internal Server Error", VendorResponse.DIAL, Outcome.UNKNOWN, "server_error"),
        ("503 Service Unavailable", "", Outcome.UNKNOWN, "server_error"),
    ],
)
async def test_each_answer_has_its_outcome(
    status: str, body: str, outcome: Outcome, reason: str
) -> None:
    result = await answered(http(status, body.encode()))
    assert (result.outcome, result.reason) == (outcome, reason)
    assert result.status == int(status[:3])
    assert result.attempts == 1
    assert result.answer_sha256 == hashlib.sha256(body.encode()).hexdigest()


async def test_the_answer_is_handed_on() -> None:
    result = await answered(DIAL)
    assert result.answer == Instructions((Dial((FORWARD,)),), "dial")
    assert result.seconds > 0


async def test_the_charset_of_the_header_is_used() -> None:
    body = "<Response><Say>10 €</Say></Response>".encode("iso8859-15")
    result = await answered(http("200 OK", body, "Content-Type: text/xml; charset=ISO-8859-15"))
    assert isinstance(result.answer, Instructions)
    assert "10 €" in {getattr(verb, "text", "") for verb in result.answer.verbs}


async def test_a_chunked_answer_is_read() -> None:
    body = VendorResponse.dial(FORWARD).encode()
    chunks = b"".join(b"1\r\n" + body[n : n + 1] + b"\r\n" for n in range(len(body)))
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert (await answered(head + chunks + b"0\r\n\r\n")).outcome is Outcome.ACCEPTED


async def test_an_answer_that_ends_with_its_connection_is_read() -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.0 200 OK\r\n\r\n" + VendorResponse.dial(FORWARD).encode())

    async with serving(script) as server, HookClient(server.url) as client:
        assert (await submit(client)).outcome is Outcome.ACCEPTED


# Faults of the library


async def test_a_fault_of_the_library_is_an_unknown_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(*_: object) -> httpx.Response:
        raise LookupError(KEY)

    monkeypatch.setattr("agi_bridge.hook.transport.HookTransport.handle_async_request", broken)
    result = await answered(DIAL)
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "client_fault")


# Secrets


async def test_neither_key_nor_numbers_reach_a_log_or_a_repr(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    results = []
    for response in (DIAL, http("500 Oops"), b"nonsense\r\n\r\n", b""):
        async with (
            serving(answering([], response)) as server,
            HookClient(server.url, method="GET", total_seconds=0.2) as client,
        ):
            results.append(await submit(client))
    async with HookClient("http://127.0.0.1:9/", method="GET") as client:
        results.append(await submit(client))
    logging.getLogger("httpx").info("HTTP Request: GET http://x/?key=%s", KEY)
    written = caplog.text + repr(results) + repr(client)
    for secret in (KEY, FROM, TO, FORWARD, FROM[1:], TO[1:], FORWARD[1:]):
        assert secret not in written


async def test_warnings_of_the_libraries_are_still_heard(caplog: pytest.LogCaptureFixture) -> None:
    HookClient("http://localhost/")
    HookClient("http://localhost/")
    logger = logging.getLogger("httpx")
    assert len(logger.filters) == 1
    logger.warning("something is wrong")
    assert "something is wrong" in caplog.text


# TLS


async def test_a_certificate_of_the_configured_file_is_trusted() -> None:
    async with (
        serving(answering([], DIAL), server_tls()) as server,
        HookClient(server.url, ca_file=str(CERTIFICATE)) as client,
    ):
        assert (await submit(client)).outcome is Outcome.ACCEPTED


async def test_a_connection_is_closed_when_its_submission_ends() -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(DIAL)
        await connection.gone()

    async with (
        serving(script, server_tls()) as server,
        HookClient(server.url, ca_file=str(CERTIFICATE)) as client,
    ):
        before = asyncio.all_tasks()
        await submit(client)
        await server.left.wait()  # the server saw the end while the client is still open
        for _ in range(3):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == before


# The trace


def traces(requests: list[bytes]) -> list[list[str]]:
    """The fields of each request's `traceparent`."""
    found = [
        line.partition(b": ")[2].decode().split("-")
        for request in requests
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"traceparent: ")
    ]
    assert len(found) in {0, len(requests)}
    return found


async def test_no_trace_is_sent_unless_wanted() -> None:
    requests: list[bytes] = []
    async with serving(answering(requests, DIAL)) as server, HookClient(server.url) as client:
        assert (await submit(client)).trace_id is None
    assert traces(requests) == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_each_submission_has_a_trace_of_its_own(method: Method) -> None:
    requests: list[bytes] = []
    async with (
        serving(answering(requests, DIAL)) as server,
        HookClient(server.url, method=method, traceparent=True) as client,
    ):
        ids = [(await submit(client)).trace_id for _ in range(2)]
    sent = traces(requests)
    assert [trace for _, trace, _, _ in sent] == ids
    assert len(set(ids)) == 2
    for version, trace, parent, flags in sent:  # W3C Trace Context, 3.2.2
        assert (version, len(trace), len(parent), flags) == ("00", 32, 16, "01")
        assert set(trace + parent) <= set("0123456789abcdef")


async def test_what_was_not_sent_names_the_trace_of_its_attempts() -> None:
    async with HookClient("http://127.0.0.1:9/v1/ivr", traceparent=True) as client:
        submission = await submit(client)
    assert (submission.outcome, submission.attempts) == (Outcome.NOT_SENT, 2)
    assert submission.trace_id is not None
