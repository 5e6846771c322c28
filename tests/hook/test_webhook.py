"""`hook.kind = "webhook"`: what a receiver gets, what its answers mean, when it is asked again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from agi_bridge.hook import (
    Agreement,
    HookClient,
    HookConfigError,
    Instructions,
    Outcome,
    Submission,
    SubmissionRequest,
    WebhookFormat,
)
from agi_bridge.hook.testing import FakeHook, Scenario, VendorResponse
from tests.support.error_codes import coded
from tests.support.hook_servers import Connection, Script, answering, http, serving

if TYPE_CHECKING:
    from collections.abc import Iterable

FROM, TO = "+14151234560", "+14151234567"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
DIAL = VendorResponse.dial("+14155550199").encode()
AGREEMENT = Agreement(
    consent_id="01a2175f-f135-737c-a412-0c8cd7030ff1",
    line="shop",
    brand="Example Store",
    purpose="marketing",
    language="fr",
    disclosure_sha256="ab" * 32,
    agreed_at="2026-11-26T18:54:19.123Z",
    text_before="2100-01-01T00:00:00.000Z",
)


def webhook(*, secret: str = SECRET, idempotent: bool = False) -> WebhookFormat:
    return WebhookFormat.with_secret(secret, context="OPT_IN", idempotent=idempotent)


async def submit(url: str, format_: WebhookFormat, seconds: float = 8.0) -> Submission:
    async with HookClient(
        url, format_=format_, connect_seconds=seconds, total_seconds=seconds
    ) as client:
        request = SubmissionRequest(from_=FROM, to=TO, key="", agreement=AGREEMENT)
        return await client.submit(request)


def one_after_another(scripts: Iterable[Script]) -> Script:
    """Each connection gets the next script."""
    left = iter(scripts)

    async def script(connection: Connection) -> None:
        await next(left)(connection)

    return script


async def reset(connection: Connection) -> None:
    await connection.request()
    connection.reset()


# What is sent


async def test_the_body_says_under_which_consent_and_the_url_says_nothing() -> None:
    requests: list[bytes] = []
    async with serving(answering(requests, http("204 No Content"))) as server:
        await submit(server.url, webhook())
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/ivr HTTP/1.1\r\n")
    assert FROM[1:].encode() not in head
    assert f"idempotency-key: {AGREEMENT.consent_id}".encode() in head.lower()
    assert json.loads(body) == {
        "type": "consent.given",
        "timestamp": "2026-11-26T18:54:19.123Z",
        "data": {
            "consent_id": AGREEMENT.consent_id,
            "from": FROM,
            "to": TO,
            "line": "shop",
            "brand": "Example Store",
            "purpose": "marketing",
            "language": "fr",
            "disclosure_sha256": "ab" * 32,
            "text_before": "2100-01-01T00:00:00.000Z",
            "context": "OPT_IN",
        },
    }


async def test_a_receiver_that_knows_the_secret_accepts_and_another_refuses() -> None:
    async with FakeHook(secrets=[OTHER]) as hook:
        refused = await submit(hook.url, webhook())
        hook.secrets = [SECRET]
        accepted = await submit(hook.url, webhook())
        rotated = await submit(hook.url, webhook(secret=f"{OTHER}\n{SECRET}"))
    assert (refused.outcome, refused.status) == (Outcome.REFUSED, 401)
    assert [accepted.outcome, rotated.outcome] == [Outcome.ACCEPTED] * 2
    assert hook.texted == {AGREEMENT.consent_id: 2}
    assert FROM not in hook.requests[0].describe()


async def test_a_submission_without_the_facts_of_a_consent_is_a_fault_of_ours() -> None:
    async with HookClient("http://127.0.0.1:1/", format_=webhook()) as client:
        with pytest.raises(HookConfigError, check=coded("agreement")):
            await client.submit(SubmissionRequest(from_=FROM, to=TO, key=""))


def test_an_unusable_secret_is_refused_when_the_client_is_made() -> None:
    with pytest.raises(HookConfigError, check=coded("signing_secret")):
        webhook(secret="whsec_short")


# What an answer means


@pytest.mark.parametrize(
    ("response", "outcome", "reason"),
    [
        (http("204 No Content"), "accepted", "no_document"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "accepted", "no_document"),
        (http("200 OK"), "accepted", "no_document"),
        (http("200 OK", b" \r\n"), "accepted", "no_document"),
        (http("202 Accepted"), "accepted", "no_document"),
        (http("201 Created", DIAL), "accepted", "dial"),
        (http("200 OK", DIAL), "accepted", "dial"),
        (http("200 OK", b"<Response/>"), "unknown", "other"),
        (http("200 OK", b'{"ok": true}'), "unknown", "not_xml"),
        (http("200 OK", b"<html>Error</html>"), "unknown", "not_response"),
        (http("302 Found"), "unknown", "redirect"),
        (http("400 Bad Request"), "refused", "client_error"),
        (http("403 Forbidden"), "refused", "invalid_key"),
        (http("410 Gone", b"x" * 70_000), "refused", "client_error"),
        (http("409 Conflict"), "unknown", "try_again"),
        (http("429 Too Many Requests", b"<Response/>"), "unknown", "try_again"),
        (http("500 Oops"), "unknown", "server_error"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\r\n", "unknown", "truncated"),
    ],
)
async def test_answers(response: bytes, outcome: str, reason: str) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(response)

    async with serving(script) as server:
        result = await submit(server.url, webhook())
    assert (result.outcome, result.reason) == (outcome, reason)
    assert server.connections == 1
    if reason == "no_document":
        assert result.answer == Instructions((), "no_document")


# Once, or again


async def test_a_lost_answer_stays_unknown_and_nothing_is_asked_again() -> None:
    async with serving(reset) as server:
        result = await submit(server.url, webhook())
    assert (result.outcome, result.attempts, server.connections) == (Outcome.UNKNOWN, 1, 1)


async def test_an_idempotent_receiver_is_asked_again_with_the_same_bytes_and_key() -> None:
    requests: list[bytes] = []

    async def lost(connection: Connection) -> None:
        requests.append(await connection.request())
        connection.reset()

    scripts = one_after_another([lost, answering(requests, http("200 OK", DIAL))])
    async with serving(scripts) as server:
        result = await submit(server.url, webhook(idempotent=True))
    assert (result.outcome, result.attempts, result.reason) == (Outcome.ACCEPTED, 2, "dial")
    assert requests[0] == requests[1]


@pytest.mark.parametrize("status", ["400 No", "401 No", "403 No", "404 No", "405 No", "422 No"])
async def test_a_repetition_that_is_turned_away_says_nothing_about_the_first(status: str) -> None:
    scripts = one_after_another([reset, answering([], http(status))])
    async with serving(scripts) as server:
        result = await submit(server.url, webhook(idempotent=True))
    assert (result.outcome, result.attempts) == (Outcome.UNKNOWN, 2)


async def test_a_repetition_that_says_that_nothing_went_out_is_the_outcome() -> None:
    scripts = one_after_another([reset, answering([], http("410 Too late"))])
    async with serving(scripts) as server:
        result = await submit(server.url, webhook(idempotent=True))
    assert (result.outcome, result.status, result.attempts) == (Outcome.REFUSED, 410, 2)


async def test_an_idempotent_receiver_that_answered_is_not_asked_again_at_once() -> None:
    async with FakeHook(Scenario.ERROR) as hook:
        result = await submit(hook.url, webhook(idempotent=True))
    assert (result.outcome, result.attempts, len(hook.requests)) == (Outcome.UNKNOWN, 1, 1)


async def test_a_second_request_that_cannot_leave_does_not_unsend_the_first() -> None:
    async with serving(reset) as server:

        async def gate() -> str | None:
            return "revoked" if server.requests or server.connections > 1 else None

        async with HookClient(server.url, format_=webhook(idempotent=True)) as client:
            request = SubmissionRequest(from_=FROM, to=TO, key="", gate=gate, agreement=AGREEMENT)
            result = await client.submit(request)
    assert (result.outcome, result.held_back, result.attempts) == (Outcome.UNKNOWN, False, 2)
