"""Systems of the business ask whether a number may be texted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio

from agi_bridge.consent import LedgerUnavailable, Permission, Reason
from agi_bridge.observe.metrics import PERMISSION_REASONS
from agi_bridge.web import QUERIES, REVOCATIONS, WebServer
from agi_bridge.web.queries import MAX_QUERIES, QueryRates
from tests.support.web_serving import (
    BOTH,
    NUMBER,
    TOKEN,
    KeptRevocations,
    error_of,
    serving,
    settings,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.settings import Line, Settings

CRM, SHOP = "9d1c6e0a7b5d4826", "0d1c6e0a7b5d4826"
ASKING = f"""{BOTH}
[[web.query]]
name = "crm"
token = {{env = "CRM"}}
[[web.query]]
name = "shop"
token = {{env = "SHOP"}}
per_minute = 1
"""
ASKED = {"number": NUMBER, "brand": "Example Store", "purpose": "info"}
AT = "2026-11-26T18:00:00.000Z"
IN_FORCE = Permission(
    reason=Reason.CONSENT, since=AT, consent_id="consent-1", record="consent-1", expires=AT
)


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    return settings(tmp_path, ASKING, environ={"CRM": CRM, "SHOP": SHOP})


@pytest.fixture
def ledger() -> KeptRevocations:
    return KeptRevocations(permission=IN_FORCE)


@pytest_asyncio.fixture
async def client(configured: Settings, ledger: KeptRevocations) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(configured, ledger, CRM) as client:
        yield client


async def test_an_answer_says_who_may_be_texted_since_when_and_by_which_record(
    client: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    response = await client.post(QUERIES, json=ASKED)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {
        "may_text": True, "reason": "consent", "since": AT, "consent_id": "consent-1",
        "record": "consent-1", "expires": AT, "quiet_hours": False,
    }  # fmt: skip
    [question] = ledger.questions
    assert (question.number, question.brand, question.purpose) == (NUMBER, "Example Store", "info")
    assert question.sellers == ["Example Store"]
    assert question.max_age_days == 365


async def test_an_unknown_number_gets_an_answer_of_the_same_fields(
    client: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    known = (await client.post(QUERIES, json=ASKED)).json()
    ledger.permission = Permission(reason=Reason.NO_CONSENT)
    unknown = await client.post(QUERIES, json=ASKED)
    assert unknown.status_code == 200
    assert list(unknown.json()) == list(known)
    assert unknown.json()["may_text"] is False


async def test_a_line_stands_for_its_brand_and_purpose(
    client: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    await client.post(QUERIES, json={"number": "06 12 34 56 78", "line": "paris"})
    [question] = ledger.questions
    assert question.number == "+33612345678"
    assert (question.brand, question.purpose) == ("Magasin d’exemple", "info")


async def test_many_are_asked_at_once(client: httpx.AsyncClient) -> None:
    body = {"queries": [ASKED, {"number": NUMBER, "line": "shop"}]}
    answers = (await client.post(QUERIES, json=body)).json()["answers"]
    assert [each["reason"] for each in answers] == ["consent", "consent"]


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "missing_brand", "brand"),
        ({"number": NUMBER, "purpose": "info"}, "missing_brand", "brand"),
        ({**ASKED, "line": "shop"}, "brand_and_line", "brand"),
        ({**ASKED, "brand": "Nobody"}, "unknown_brand", "brand"),
        ({"number": NUMBER, "line": "nowhere"}, "unknown_line", "line"),
        ({**ASKED, "number": "4155"}, "invalid_number", "number"),
        ({**ASKED, "number": 14155550123}, "invalid_number", "number"),
        ({"brand": "Example Store", "purpose": "info"}, "missing_number", "number"),
        ({"number": NUMBER, "brand": "Example Store"}, "missing_purpose", "purpose"),
        ({**ASKED, "purpose": "spam"}, "invalid_purpose", "purpose"),
        ({**ASKED, "purpose": ["info"]}, "invalid_purpose", "purpose"),
        ({**ASKED, "since": AT}, "unknown_field", "since"),
        ({**ASKED, NUMBER: 1}, "unknown_field", "(a field)"),
        ({"queries": []}, "invalid_queries", "queries"),
        ({"queries": "all"}, "invalid_queries", "queries"),
        ({"queries": [ASKED], **ASKED}, "invalid_queries", "queries"),
        ({"queries": [ASKED] * (MAX_QUERIES + 1)}, "invalid_queries", "queries"),
        ({"queries": [ASKED, {**ASKED, "number": "1"}]}, "invalid_number", "queries.2.number"),
        ({"queries": [NUMBER]}, "missing_brand", "queries.1.brand"),
    ],
)
async def test_a_question_that_says_too_little_is_not_asked(
    client: httpx.AsyncClient,
    ledger: KeptRevocations,
    body: dict[str, object],
    code: str,
    field: str,
) -> None:
    response = await client.post(QUERIES, json=body)
    assert response.status_code == 422
    error = error_of(response)
    assert (error["code"], error["field"]) == (code, field)
    assert ledger.questions == []


async def test_each_path_has_tokens_of_its_own(client: httpx.AsyncClient) -> None:
    wrong = {"Authorization": f"Bearer {TOKEN}"}
    response = await client.post(QUERIES, json=ASKED, headers=wrong)
    assert response.status_code == 403
    assert error_of(response)["code"] == "token_of_another_path"
    response = await client.post(REVOCATIONS, json={"number": NUMBER})
    assert response.status_code == 403
    response = await client.post(QUERIES, json=ASKED, headers={"Authorization": "Bearer no"})
    assert response.status_code == 401


async def test_without_a_system_that_may_ask_there_is_no_path(
    tmp_path: Path, ledger: KeptRevocations
) -> None:
    async with serving(settings(tmp_path), ledger) as client:
        assert (await client.post(QUERIES, json=ASKED)).status_code == 404


async def test_a_system_asks_about_so_many_numbers_and_no_more(
    client: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    shop = {"Authorization": f"Bearer {SHOP}"}
    two = await client.post(QUERIES, json={"queries": [ASKED] * 2}, headers=shop)
    assert (two.status_code, error_of(two)["code"]) == (422, "invalid_queries")
    assert ledger.questions == [], "more than it may ever ask about"
    assert (await client.post(QUERIES, json=ASKED, headers=shop)).status_code == 200
    response = await client.post(QUERIES, json=ASKED, headers=shop)
    assert response.status_code == 429
    assert error_of(response)["code"] == "too_many_queries"
    assert 0 < int(response.headers["retry-after"]) <= 61
    unread = await client.post(QUERIES, json={"queries": [1]}, headers=shop)
    assert unread.status_code == 429, "what is not allowed is not read either"
    assert len(ledger.questions) == 1
    assert (await client.post(QUERIES, json=ASKED)).status_code == 200  # the other system may


async def test_a_reload_does_not_let_a_system_ask_again(
    configured: Settings, ledger: KeptRevocations
) -> None:
    async with (
        WebServer(configured, ledger) as web,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{web.port}", trust_env=False) as client,
    ):
        client.headers["Authorization"] = f"Bearer {SHOP}"
        assert (await client.post(QUERIES, json=ASKED)).status_code == 200
        web.use(configured)
        assert (await client.post(QUERIES, json=ASKED)).status_code == 429


@pytest.mark.parametrize("per_minute", [1, 7, 100, 600])
def test_no_minute_has_more_than_the_limit(per_minute: int) -> None:
    now = 0.0
    rates = QueryRates(lambda: now)
    allowed: list[float] = []
    for step in range(900):  # for five minutes, as greedy as can be
        now = step / 3
        allowed += [now] * per_minute if rates.wait("crm", per_minute, per_minute) == 0 else []
        while rates.wait("crm", 1, per_minute) == 0:
            allowed.append(now)
    minutes = [sum(at <= each < at + 60 for each in allowed) for at in set(allowed)]
    assert max(minutes) == per_minute
    assert len(allowed) >= 4 * per_minute


def test_a_refused_system_is_told_when_it_may_ask_again() -> None:
    now = 0.5
    rates = QueryRates(lambda: now)
    assert rates.wait("crm", 3, 5) == 0
    now = 30.0
    assert rates.wait("crm", 2, 5) == 0
    wait = rates.wait("crm", 4, 5)
    assert rates.wait("crm", 3, 5) == 31
    assert rates.wait("other", 5, 5) == 0
    now += wait
    assert rates.wait("crm", 4, 5) == 0


async def test_a_ledger_that_fails_allows_no_text(
    client: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    ledger.error = LedgerUnavailable("gone", code="no_answer")
    response = await client.post(QUERIES, json=ASKED)
    assert response.status_code == 503
    assert error_of(response)["code"] == "ledger_unavailable"


async def test_hours_at_the_numbers_place_are_part_of_the_answer(
    configured: Settings, ledger: KeptRevocations
) -> None:
    asked: list[tuple[str, str]] = []

    def closed(line: Line, number: str, _moment: object) -> bool:
        asked.append((line.name, number))
        return False

    async with (
        WebServer(configured, ledger, hours=closed) as web,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{web.port}", trust_env=False) as client,
    ):
        token = {"Authorization": f"Bearer {CRM}"}
        answer = (await client.post(QUERIES, json=ASKED, headers=token)).json()
    assert answer["may_text"] is True
    assert answer["quiet_hours"] is True
    assert asked == [("shop", NUMBER)]


async def test_no_number_and_no_token_is_logged(
    client: httpx.AsyncClient, ledger: KeptRevocations, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await client.post(QUERIES, json=ASKED)
    ledger.error = LedgerUnavailable("gone", code="no_answer")
    await client.post(QUERIES, json=ASKED)
    assert NUMBER[2:] not in caplog.text
    assert CRM not in caplog.text


def test_the_metrics_know_every_reason() -> None:
    assert set(PERMISSION_REASONS) == {reason.value for reason in Reason}
