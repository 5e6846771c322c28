"""`POST /v1/revocations`, over a real socket."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import Revocation
from tests.support.web_serving import NUMBER, error_of

if TYPE_CHECKING:
    import httpx

    from tests.support.web_serving import KeptRevocations

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/revocations"
JSON = {"Content-Type": "application/json"}


async def test_a_number_is_revoked_for_every_brand(
    client: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    response = await client.post(PATH, json={"number": NUMBER})
    assert response.status_code == 201
    assert response.json() == {"revocation": "revocation-0", "consents": 1, "under_way": 0}
    assert ledger.revoked == [Revocation(number=NUMBER, scope="all", channel="http", actor="api")]


@pytest.mark.parametrize(
    ("scope", "brand"),
    [
        ({"brand": "Example Store"}, "Example Store"),
        ({"brand": " EXAMPLE store "}, "Example Store"),
        ({"brand": "Magasin d’exemple"}, "Magasin d’exemple"),
        ({"line": "shop"}, "Example Store"),
        ({"brand": None, "line": None}, None),
    ],
)
async def test_a_brand_may_be_named_or_the_line_that_has_it(
    client: httpx.AsyncClient, ledger: KeptRevocations, scope: dict[str, str], brand: str | None
) -> None:
    assert (await client.post(PATH, json={"number": NUMBER, **scope})).status_code == 201
    assert [kept.brand for kept in ledger.revoked] == [brand]


@pytest.mark.parametrize(
    ("text", "line", "number"),
    [
        ("+1 (415) 555-0123", None, NUMBER),
        ("4155550123", None, NUMBER),  # the first line's country decides
        ("14155550123", "paris", NUMBER),
        ("\u202d+1 415\u2011555\u20110123\u202c", None, NUMBER),
        ("+52 1 55 1234 5678", None, "+525512345678"),
        ("(565) 234-5678", None, "+15652345678"),  # an area code newer than the data
        ("+52 100 123 4567", None, "+521001234567"),  # a range the data does not know
        ("06 12 34 56 78", "paris", "+33612345678"),
    ],
)
async def test_a_number_may_be_written_as_people_do(
    client: httpx.AsyncClient, ledger: KeptRevocations, text: str, line: str | None, number: str
) -> None:
    assert (await client.post(PATH, json={"number": text, "line": line})).status_code == 201
    assert [kept.number for kept in ledger.revoked] == [number]


async def test_what_is_known_of_the_request_is_kept(
    client: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    payload = {
        "number": NUMBER,
        "received": "2026-11-20T09:00:00.5+01:00",
        "channel": "email",
        "words": "no more, please \ud800",
    }
    content = json.dumps(payload).encode()  # httpx cannot write half a character
    assert (await client.post(PATH, content=content, headers=JSON)).status_code == 201
    (kept,) = ledger.revoked
    assert (kept.received, kept.actor) == ("2026-11-20T08:00:00.500Z", "api:email")
    assert kept.words == "no more, please ?"
    assert not kept.passed_on


async def test_the_same_request_again_gets_the_same_answer(
    client: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    key = {"Idempotency-Key": "7c1f0d5e"}
    first = await client.post(PATH, json={"number": NUMBER}, headers=key)
    again = await client.post(PATH, json={"number": NUMBER}, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.content == again.content
    assert len(ledger.revoked) == 1


async def test_one_key_for_several_numbers_revokes_them_all(
    client: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    key = {"Idempotency-Key": "the same for all"}
    for payload in (
        {"number": NUMBER},
        {"number": "+14155550124"},
        {"number": NUMBER, "line": "shop"},
    ):
        assert (await client.post(PATH, json=payload, headers=key)).status_code == 201
    assert len(ledger.revoked) == 3
    assert {kept.reference for kept in ledger.revoked} == {"the same for all"}


async def test_without_a_key_each_request_counts(
    client: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    for _ in range(2):
        assert (await client.post(PATH, json={"number": NUMBER})).status_code == 201
    assert [kept.reference for kept in ledger.revoked] == [None, None]


TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({}, "number", "missing_number"),
    ({"number": None}, "number", "missing_number"),
    ({"number": 14155550123}, "number", "invalid_number"),
    ({"number": "+1415555"}, "number", "invalid_number"),
    ({"number": ["+14155550123"]}, "number", "invalid_number"),
    ({"number": NUMBER, "brand": "Another"}, "brand", "unknown_brand"),
    ({"number": NUMBER, "brand": 5}, "brand", "unknown_brand"),
    ({"number": NUMBER, "line": "gone"}, "line", "unknown_line"),
    ({"number": NUMBER, "line": []}, "line", "unknown_line"),
    ({"number": NUMBER, "line": "shop", "brand": "Example Store"}, "brand", "brand_and_line"),
    ({"number": NUMBER, "received": "yesterday"}, "received", "invalid_time"),
    ({"number": NUMBER, "received": "2026-11-20T09:00:00"}, "received", "invalid_time"),
    ({"number": NUMBER, "received": "2026-02-30T09:00:00Z"}, "received", "impossible_time"),
    ({"number": NUMBER, "received": "0001-01-01T00:00:00+10:00"}, "received", "impossible_time"),
    ({"number": NUMBER, "received": TOMORROW}, "received", "future_time"),
    ({"number": NUMBER, "channel": f"by {NUMBER}"}, "channel", "invalid_channel"),
    ({"number": NUMBER, "channel": 5}, "channel", "invalid_channel"),
    ({"number": NUMBER, "words": "x" * 2001}, "words", "invalid_words"),
    ({"number": NUMBER, "words": []}, "words", "invalid_words"),
    ({"number": NUMBER, "passed_on": "yes"}, "passed_on", "invalid_passed_on"),
    ({"number": NUMBER, "passed_on": 1}, "passed_on", "invalid_passed_on"),
    ({"number": NUMBER, "received": 5}, "received", "invalid_time"),
    ({"number": NUMBER, "numbr": "x"}, "numbr", "unknown_field"),
    ({"number": NUMBER, NUMBER: "x"}, "(a field)", "unknown_field"),
]


@pytest.mark.parametrize(("payload", "field", "code"), REFUSED)
async def test_a_field_that_cannot_be_used_is_named_with_the_fix(
    client: httpx.AsyncClient,
    ledger: KeptRevocations,
    payload: dict[str, Any],
    field: str,
    code: str,
) -> None:
    response = await client.post(PATH, json=payload)
    assert response.status_code == 422
    error = error_of(response)
    assert (error["field"], error["code"]) == (field, code)
    assert error["problem"]
    assert error["fix"]
    assert ledger.revoked == []


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb"])
async def test_a_key_that_is_not_a_key_is_refused(client: httpx.AsyncClient, key: str) -> None:
    response = await client.post(PATH, json={"number": NUMBER}, headers={"Idempotency-Key": key})
    assert response.status_code == 422
    error = error_of(response)
    assert (error["field"], error["code"]) == ("Idempotency-Key", "invalid_key")
