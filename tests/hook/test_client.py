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
    HookClosedError,
    HookConfigError,
    Instructions,
    Method,
    Outcome,
    Refusal,
    Submission,
    Unusable,
)
from agi_bridge.hook.testing import VendorResponse
from tests.support.hook_servers import CERTIFICATE, Connection, answering, http, server_tls, serving

FROM = "+14151234560"
TO = "+14151234567"
KEY = "a73d5034210f702515128ac61193cd21"
FORWARD = "+14155550199"
DIAL = http("200 OK", VendorResponse.dial(FORWARD).encode(), "Content-Type: application/xml")


async def submit(client: HookClient, context: str | None = None) -> Submission:
    return await client.submit(from_=FROM, to=TO, key=KEY, context=context)


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


# Hostile answers


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed(status: str) -> None:
    async with serving(answering([], DIAL)) as elsewhere:
        result = await answered(http(status, b"", f"Location: {elsewhere.url}"))
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "redirect")
    assert elsewhere.connections == 0


@pytest.mark.parametrize("framing", ["Content-Length: 1073741824", "Transfer-Encoding: chunked"])
async def test_a_body_of_a_gigabyte_is_not_read(framing: str) -> None:
    sent = 0

    async def script(connection: Connection) -> None:
        nonlocal sent
        await connection.request()
        await connection.send(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        piece = b"a" * 65_536
        if "chunked" in framing:
            piece = b"10000\r\n" + piece + b"\r\n"
        while sent < 1 << 30:
            await connection.send(piece)
            sent += len(piece)

    async with serving(script) as server, HookClient(server.url) as client:
        result = await submit(client)
        await server.left.wait()
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "too_large")
    assert result.answer == Unusable(200, "too_large")
    assert result.answer_sha256 is None
    assert sent < 1 << 25


async def test_the_limit_of_a_body_can_be_lower() -> None:
    assert (await answered(DIAL, max_bytes=20)).reason == "too_large"
    assert (await answered(DIAL, max_bytes=100)).reason == "dial"


async def test_a_body_in_an_encoding_that_was_not_asked_for_is_not_unpacked() -> None:
    response = http("200 OK", b"\x1f\x8b" + b"\0" * 50, "Content-Encoding: gzip")
    result = await answered(response)
    assert (result.outcome, result.answer) == (Outcome.UNKNOWN, Unusable(200, "encoded"))


@pytest.mark.parametrize(
    "named", ["UTF-8", "utf8", "none", "8bit", "binary", "text/xml", "", "identity, utf-8", "\xe9"]
)
async def test_a_content_encoding_that_names_no_coding_says_nothing(named: str) -> None:
    response = http("200 OK", VendorResponse.dial(FORWARD).encode(), f"Content-Encoding: {named}")
    assert (await answered(response)).reason == "dial"


@pytest.mark.parametrize("named", ["gzip", "br", "identity, deflate", "X-GZIP"])
async def test_a_content_encoding_that_was_not_applied_is_seen_through(named: str) -> None:
    response = http("200 OK", VendorResponse.dial(FORWARD).encode(), f"Content-Encoding: {named}")
    assert (await answered(response)).reason == "dial"
    response = http(
        "403 Forbidden", VendorResponse.INVALID_KEY.encode(), f"Content-Encoding: {named}"
    )
    assert (await answered(response)).reason == "invalid_key"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
async def test_a_coding_that_was_not_applied_is_seen_through_in_any_encoding(encoding: str) -> None:
    body = VendorResponse.dial(FORWARD).encode(encoding)
    assert (await answered(http("200 OK", body, "Content-Encoding: gzip"))).reason == "dial"


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (http("403 Forbidden", b"x" * 20)[:-10], "invalid_key"),
        (b"HTTP/1.1 403 Forbidden\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", "invalid_key"),
        (b"HTTP/1.1 400 Bad Request\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", "client_error"),
    ],
)
async def test_a_refusal_counts_although_the_rest_of_the_response_is_lost(
    response: bytes, reason: str
) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(response)

    async with serving(script) as server, HookClient(server.url) as client:
        result = await submit(client)
    assert (result.outcome, result.reason) == (Outcome.REFUSED, reason)


async def test_an_empty_element_among_the_transfer_codings_does_not_count() -> None:
    body = VendorResponse.dial(FORWARD).encode()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked,\r\n\r\n"
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    assert (await answered(head + chunks)).reason == "dial"


async def test_a_refusal_counts_by_its_status_where_its_body_cannot_be_read() -> None:
    result = await answered(http("403 Forbidden", b"x" * 20, "Content-Encoding: br"))
    assert (result.outcome, result.answer) == (Outcome.REFUSED, Refusal(403, "client_error"))


@pytest.mark.parametrize(
    "response",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X%d: a\r\n" % n for n in range(5000)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 2 OK\r\n\r\n",
        b"\0" * 100,
    ],
    ids=["ssh", "long header", "many headers", "negative length", "short status", "zeros"],
)
async def test_what_is_no_http_is_unknown(response: bytes) -> None:
    result = await answered(response)
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "bad_http")


# Misuse


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://hooks.example.com/v1/ivr", "https unless"),
        ("http://127.0.0.1.example.com/", "https unless"),
        ("http://192.0.2.1/", "https unless"),
        ("ftp://127.0.0.1/", "begins with https"),
        ("https:///v1/ivr", "begins with https"),
        ("hooks.example.com", "begins with https"),
        ("https://user:secret@hooks.example.com/", "no user"),
        ("https://hooks.example.com/#secret", "no user"),
        ("https://hooks.example.com:port/", "cannot be read"),
        ("https://hooks.example.com/\n", "cannot be read"),
    ],
)
def test_a_url_that_would_give_the_key_away_is_refused_at_once(url: str, fault: str) -> None:
    with pytest.raises(HookConfigError, match=fault) as caught:
        HookClient(url)
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "url", ["https://hooks.instaply.com/v1/ivr", "http://localhost:1/", "http://[::1]:1/"]
)
def test_https_or_this_machine_is_accepted(url: str) -> None:
    HookClient(url)


@pytest.mark.parametrize("name", ["connect_seconds", "total_seconds", "max_bytes"])
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(HookConfigError, match="more than 0"):
        HookClient("http://localhost/", **{name: 0})  # type: ignore[arg-type]  # any of three


def test_another_method_is_refused() -> None:
    with pytest.raises(HookConfigError, match="GET or POST"):
        HookClient("http://localhost/", method="PUT")  # type: ignore[arg-type]  # the point


@pytest.mark.parametrize("ca_file", ["/nowhere/ca.pem", __file__])
def test_a_file_without_certificates_is_refused(ca_file: str) -> None:
    with pytest.raises(HookConfigError, match="ca_file"):
        HookClient("https://localhost/", ca_file=ca_file)


async def test_a_client_that_is_not_open_says_so() -> None:
    client = HookClient("http://localhost/")
    with pytest.raises(HookClosedError):
        await submit(client)
    async with client:
        pass
    with pytest.raises(HookClosedError):
        await submit(client)
    await client.__aexit__(None, None, None)


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
