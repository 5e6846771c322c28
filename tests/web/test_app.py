"""Who may use the paths, what is refused before it is read, and what stays unsaid."""

from __future__ import annotations

import asyncio
import io
import logging
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import LedgerUnavailable
from agi_bridge.observe import configure_logging
from agi_bridge.web import MESSAGES, REVOCATIONS, app, request
from tests.support.web_serving import (
    INSTAPLY,
    NUMBER,
    TOKEN,
    KeptRevocations,
    error_of,
    serving,
    settings,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    import httpx

    from agi_bridge.consent import Revocation, RevocationResult

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = {"number": NUMBER, "words": "my secret words"}


@pytest.mark.parametrize("path", [REVOCATIONS, MESSAGES])
@pytest.mark.parametrize("header", ["", "Bearer", f"Basic {TOKEN}", TOKEN, f"Token {INSTAPLY}"])
async def test_without_a_bearer_token_nobody_comes_in(
    client: httpx.AsyncClient, ledger: KeptRevocations, path: str, header: str
) -> None:
    response = await client.post(path, json=BODY, headers={"Authorization": header})
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert error_of(response)["field"] == "Authorization"
    assert ledger.revoked == []


@pytest.mark.parametrize("path", [REVOCATIONS, MESSAGES])
@pytest.mark.parametrize("given", [b"wrong", TOKEN[1:].encode(), b"\xe9\xe8", f"{TOKEN}0".encode()])
async def test_a_wrong_token_is_told_to_be_wrong(
    client: httpx.AsyncClient, path: str, given: bytes
) -> None:
    response = await client.post(path, json=BODY, headers={b"Authorization": b"Bearer " + given})
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    assert TOKEN not in response.text


@pytest.mark.parametrize(("path", "token"), [(REVOCATIONS, INSTAPLY), (MESSAGES, TOKEN)])
async def test_a_token_opens_its_own_path_only(
    client: httpx.AsyncClient, ledger: KeptRevocations, path: str, token: str
) -> None:
    response = await client.post(path, json=BODY, headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 403
    assert error_of(response)["code"] == "token_of_another_path"
    assert ledger.revoked == []


@pytest.mark.parametrize(
    ("web", "there", "gone"),
    [
        ('token = {env = "WEB"}', REVOCATIONS, MESSAGES),
        ('instaply_token = {env = "INSTAPLY"}', MESSAGES, REVOCATIONS),
    ],
)
async def test_a_path_whose_token_is_not_set_is_not_there(
    tmp_path: Path, ledger: KeptRevocations, web: str, there: str, gone: str
) -> None:
    async with serving(settings(tmp_path, web), ledger, None) as client:
        assert (await client.post(there, json=BODY)).status_code == 401
        assert (await client.post(gone, json=BODY)).status_code == 404


@pytest.mark.parametrize("path", ["/", "/v1", f"{REVOCATIONS}/", "/docs", f"/{NUMBER}"])
async def test_an_unknown_path_is_not_there(client: httpx.AsyncClient, path: str) -> None:
    response = await client.post(path, json=BODY)
    assert response.status_code == 404
    assert error_of(response)["code"] == "unknown_path"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
async def test_other_methods_are_refused(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, REVOCATIONS)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_what_is_not_said_to_be_json_is_not_read(
    client: httpx.AsyncClient, kind: str
) -> None:
    response = await client.post(REVOCATIONS, content=b"{}", headers={"Content-Type": kind})
    assert response.status_code == 415
    assert error_of(response)["field"] == "Content-Type"


async def test_json_may_name_its_charset(client: httpx.AsyncClient) -> None:
    content = b'{"number": "+14155550123"}'
    kind = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert (await client.post(REVOCATIONS, content=content, headers=kind)).status_code == 201


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"number=1", "not_json"),
        (b'{"number": "\xff"}', "not_json"),
        (b"[" * 60_000, "not_json"),
        (b'{"number": ' + b"1" * 60_000 + b"}", "not_json"),
        (b'{"a":' * 10_000, "not_json"),
        (b'{"number": "+14155550123", "number": "+14155550124"}', "duplicate_field"),
        (b"[]", "not_an_object"),
        (b'"+14155550123"', "not_an_object"),
    ],
)
async def test_what_is_not_a_json_object_is_refused(
    client: httpx.AsyncClient, content: bytes, code: str
) -> None:
    kind = {"Content-Type": "application/json"}
    response = await client.post(REVOCATIONS, content=content, headers=kind)
    assert response.status_code == 400
    assert error_of(response)["code"] == code


async def chunks(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // 1024):
        yield b" " * 1024


@pytest.mark.parametrize("path", [REVOCATIONS, MESSAGES])
async def test_a_body_that_is_too_long_is_not_read_to_its_end(
    client: httpx.AsyncClient, path: str
) -> None:
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {TOKEN if path == REVOCATIONS else INSTAPLY}",
    }
    for content in (b" " * 65_537, chunks(66 * 1024)):
        response = await client.post(path, content=content, headers=headers)
        assert response.status_code == 413
        assert error_of(response)["code"] == "body_too_long"


async def test_a_body_that_comes_too_slowly_is_not_waited_for(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "BODY_SECONDS", 0.01)
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(
        f"POST {REVOCATIONS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{".encode()
    )
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_client_that_goes_leaves_nothing_behind(
    client: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    _, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(
        f"POST {REVOCATIONS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{".encode()
    )
    writer.close()
    await writer.wait_closed()
    assert (await client.post(REVOCATIONS, json=BODY)).status_code == 201
    assert len(ledger.revoked) == 1


@pytest.mark.parametrize("path", [REVOCATIONS, MESSAGES])
async def test_a_ledger_that_is_down_is_told_and_to_be_tried_again(
    client: httpx.AsyncClient, ledger: KeptRevocations, path: str
) -> None:
    ledger.error = LedgerUnavailable("consents.db: disk full")
    token = TOKEN if path == REVOCATIONS else INSTAPLY
    stop = {"fromCustomer": True, "customerId": "c", "messageBody": "STOP"}
    body = BODY if path == REVOCATIONS else {"eventType": "message", "data": stop}
    response = await client.post(path, json=body, headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert error_of(response)["code"] == "ledger_unavailable"
    assert "disk full" not in response.text


async def test_a_fault_of_ours_is_an_answer_that_tells_nothing(
    client: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    ledger.error = RuntimeError("internals")
    response = await client.post(REVOCATIONS, json=BODY)
    assert response.status_code == 500
    assert "internals" not in response.text
    ledger.error = None
    assert (await client.post(REVOCATIONS, json=BODY)).status_code == 201


async def test_more_requests_than_the_ledger_should_bear_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MAX_REQUESTS", 2)
    inside, go = asyncio.Semaphore(0), asyncio.Event()

    class SlowLedger(KeptRevocations):
        async def revoke(self, request: Revocation) -> RevocationResult:
            inside.release()
            await go.wait()
            return await super().revoke(request)

    async with serving(settings(tmp_path), SlowLedger()) as client:
        waiting = [asyncio.create_task(client.post(REVOCATIONS, json=BODY)) for _ in range(2)]
        for _ in waiting:
            await inside.acquire()
        response = await client.post(REVOCATIONS, json=BODY)
        assert response.status_code == 503
        assert error_of(response)["code"] == "too_many_requests"
        go.set()
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [201, 201]
        assert (await client.post(REVOCATIONS, json=BODY)).status_code == 201


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that is logged at the lowest level, as the service logs it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("debug", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


async def test_neither_numbers_nor_tokens_nor_words_are_logged(
    log: io.StringIO, tmp_path: Path, ledger: KeptRevocations
) -> None:
    async with serving(settings(tmp_path), ledger) as client:
        for payload in (BODY, {**BODY, "number": "415"}, {**BODY, NUMBER: 1}):
            await client.post(REVOCATIONS, json=payload)
        await client.post(REVOCATIONS, content=NUMBER, headers={"Content-Type": "application/json"})
        ledger.error = RuntimeError(f"broke on {NUMBER}")
        await client.post(REVOCATIONS, json=BODY)
        ledger.error = LedgerUnavailable("gone")
        await client.post(REVOCATIONS, json=BODY)
    written = log.getvalue()
    assert '"event": "web.number_revoked"' in written
    assert "web.request_failed" in written
    assert "web.revocation_failed" in written
    for secret in (NUMBER, NUMBER[1:], "5550123", TOKEN, INSTAPLY, "my secret words"):
        assert secret not in written
