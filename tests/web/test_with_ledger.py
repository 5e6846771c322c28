"""From a request over a real socket to a real ledger, and what callers notice of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import Filter, Withheld
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import generate_keys
from agi_bridge.web import MESSAGES, QUERIES, REVOCATIONS
from tests.support.consent_builders import submitting
from tests.support.error_codes import coded
from tests.support.web_serving import BOTH, INSTAPLY, NUMBER, serving, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with await Ledger.open(tmp_path / "consents.db", generate_keys()) as ledger:
        yield ledger


async def agreed(ledger: Ledger, brand: str = "Example Store") -> None:
    record = submitting(NUMBER, brand=brand)
    await ledger.append(record.take())


async def test_a_number_revoked_over_http_is_texted_no_more(tmp_path: Path, real: Ledger) -> None:
    await agreed(real)
    key = {"Idempotency-Key": "case 12"}
    payload = {"number": NUMBER, "brand": "Example Store"}
    async with serving(settings(tmp_path), real) as client:
        first = await client.post(REVOCATIONS, json=payload, headers=key)
        again = await client.post(REVOCATIONS, json=payload, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["consents"] == 1
    with pytest.raises(Withheld, check=coded("suppressed")):
        await agreed(real)
    await agreed(real, "Magasin d’exemple")  # another brand is another matter


async def test_what_is_revoked_is_answered_at_once_to_a_system_that_asks(
    tmp_path: Path, real: Ledger
) -> None:
    await agreed(real)
    asking = f'{BOTH}[[web.query]]\nname = "crm"\ntoken = {{env = "CRM"}}\n'
    configured = settings(tmp_path, asking, environ={"CRM": "9d1c6e0a7b5d4826"})
    payload = {"number": NUMBER, "brand": "Example Store"}
    question = {**payload, "purpose": "info"}
    crm = {"Authorization": "Bearer 9d1c6e0a7b5d4826"}
    async with serving(configured, real) as client:
        before = (await client.post(QUERIES, json=question, headers=crm)).json()
        revoked = (await client.post(REVOCATIONS, json=payload)).json()
        after = (await client.post(QUERIES, json=question, headers=crm)).json()
    assert (before["may_text"], before["reason"]) == (True, "consent")
    assert (after["may_text"], after["reason"]) == (False, "revoked")
    assert after["record"] == revoked["revocation"]
    assert after["consent_id"] == before["consent_id"]


async def test_a_stop_by_text_is_a_revocation_that_the_platform_knows_of(
    tmp_path: Path, real: Ledger
) -> None:
    file = tmp_path / "customers.csv"
    file.write_text(f"customer_id,number\ncust_001,{NUMBER}\n", encoding="utf-8")
    await agreed(real)
    data = {"fromCustomer": True, "customerId": "cust_001", "messageId": 7, "messageBody": "STOP"}
    payload = {"eventType": "message", "timestamp": 1700000000000, "data": data}
    web = f'{BOTH}customers = "{file}"\n'
    async with serving(settings(tmp_path, web), real, INSTAPLY) as client:
        answers = [await client.post(MESSAGES, json=payload) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    (revocation,) = [s for s in await real.summaries(Filter()) if s.kind == "revocation"]
    assert revocation.brand is None
    assert await real.summaries(Filter(open_=True)) == []


async def test_a_stop_of_nobody_knows_whom_is_on_a_persons_list_once(
    tmp_path: Path, real: Ledger
) -> None:
    data = {"fromCustomer": True, "customerId": "cust_009", "messageId": 8, "messageBody": "STOP"}
    async with serving(settings(tmp_path), real, INSTAPLY) as client:
        for _ in range(2):
            answer = await client.post(MESSAGES, json={"eventType": "message", "data": data})
            assert answer.status_code == 202
    (waiting,) = await real.summaries(Filter(open_=True))
    assert waiting.kind == "message"
    assert waiting.consent_id == answer.json()["message"]
