"""`POST /v1/instaply/messages`: what customers write, over a real socket."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import Revocation
from agi_bridge.web.instaply import read_message
from tests.support.web_serving import (
    BOTH,
    INSTAPLY,
    LINES,
    NUMBER,
    error_of,
    serving,
    settings,
)

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.support.web_serving import KeptRevocations

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/instaply/messages"
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def event(**data: Any) -> dict[str, Any]:
    """The vendor's example (docs.instaply.com/api/webhooks), with changes; None takes a field out.

    Fields that nobody reads are left as they are.
    """
    example = {
        "fromCustomer": True,
        "invisible": False,
        "customerThreadId": 123456,
        "businessId": 1001,
        "organizationId": 200,
        "customerId": "cust_001",
        "customerType": "prospect",
        "messageId": 555001,
        "messageBody": "STOP",
        "messageTimestamp": 1700000000000,
        "messageAttachmentUUID": None,
        **data,
    }
    filled = {name: value for name, value in example.items() if value is not None}
    return {"eventType": "message", "timestamp": 1700000000001, "data": filled}


async def test_a_stop_of_a_customer_on_file_revokes_for_the_businesss_brand(
    instaply: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    response = await instaply.post(PATH, json=event(messageBody="Stop, please"))
    assert response.status_code == 200
    assert response.json() == [{"revocation": "revocation-0", "consents": 1, "under_way": 0}]
    assert ledger.revoked == [
        Revocation(
            number=NUMBER,
            scope="seller",
            brand="Example Store",
            seller="Example Store",
            channel="instaply",
            actor="customer",
            reference="message 555001",
            words="Stop, please",
            received="2023-11-14T22:13:20.000Z",
            passed_on=True,
        )
    ]
    assert ledger.messages == []


@pytest.mark.parametrize("business", [2002, None, "1002"])
async def test_a_stop_to_a_business_that_no_line_names_revokes_for_every_brand(
    instaply: httpx.AsyncClient, ledger: KeptRevocations, business: object
) -> None:
    assert (await instaply.post(PATH, json=event(businessId=business))).status_code == 200
    assert [kept.brand for kept in ledger.revoked] == [None]


async def test_ids_may_be_numbers_or_texts(
    instaply: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    payload = event(customerId=77, businessId="1001", messageId="m-1")
    assert (await instaply.post(PATH, json=payload)).status_code == 200
    (kept,) = ledger.revoked
    assert (kept.number, kept.brand) == ("+14155550124", "Example Store")
    assert kept.reference == "message m-1"


@pytest.mark.parametrize("yes", [True, "true", "True", 1, 1.0, "1", "YES"])
async def test_a_stop_is_not_lost_to_how_a_field_is_written(
    instaply: httpx.AsyncClient, ledger: KeptRevocations, yes: object
) -> None:
    payload = event(fromCustomer=yes, customerId=77.0, messageId=5.0, messageTimestamp=1.7e12)
    payload["eventType"] = "Message"
    assert (await instaply.post(PATH, json=payload)).status_code == 200
    (kept,) = ledger.revoked
    assert (kept.number, kept.reference) == ("+14155550124", "message 5")
    assert kept.received == "2023-11-14T22:13:20.000Z"


@pytest.mark.parametrize("no", [False, "false", 0, None, [], {"true": 1}, float("nan")])
async def test_what_the_business_writes_is_left_alone(
    instaply: httpx.AsyncClient, ledger: KeptRevocations, no: object
) -> None:
    content = json.dumps(event(fromCustomer=no)).encode()
    assert (await instaply.post(PATH, content=content)).status_code == 204
    assert not ledger.revoked
    assert not ledger.messages


async def test_a_message_that_comes_twice_is_kept_once(
    instaply: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    for payload in (event(), event(customerType="client")):
        assert (await instaply.post(PATH, json=payload)).status_code == 200
    assert len(ledger.revoked) == 1
    assert (await instaply.post(PATH, json=event(messageId=555002))).status_code == 200
    assert len(ledger.revoked) == 2


async def test_without_an_id_the_bytes_say_whether_it_is_the_same(
    instaply: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    for payload in (event(messageId=None), event(messageId=None)):
        assert (await instaply.post(PATH, json=payload)).status_code == 200
    assert len(ledger.revoked) == 1
    await instaply.post(PATH, json=event(messageId=None, messageTimestamp=1700000000999))
    assert len(ledger.revoked) == 2


async def test_a_stop_of_a_customer_not_on_file_waits_for_a_person(
    instaply: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    response = await instaply.post(PATH, json=event(customerId="cust_002"))
    assert response.status_code == 202
    assert response.json() == {"message": "message-0"}
    assert ledger.messages == [("cust_002", "STOP", "message 555001", "1001")]
    assert ledger.revoked == []


async def test_a_message_that_may_be_a_stop_waits_for_a_person(
    instaply: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    payload = event(messageBody="wrong number \ud800", businessId=None)
    content = json.dumps(payload).encode()  # httpx cannot write half a character
    assert (await instaply.post(PATH, content=content)).status_code == 202
    assert ledger.messages == [("cust_001", "wrong number ?", "message 555001", None)]
    assert ledger.revoked == []


@pytest.mark.parametrize(
    ("customer", "thread", "kept"),
    [
        (None, 123456, "thread 123456"),
        ("", None, "unknown"),
        (True, None, "unknown"),
        (10**30, None, "unknown"),
        ([], "t-1", "thread t-1"),
    ],
)
async def test_a_stop_that_names_no_customer_is_not_lost(
    instaply: httpx.AsyncClient,
    ledger: KeptRevocations,
    customer: object,
    thread: object,
    kept: str,
) -> None:
    payload = event(customerId=customer, customerThreadId=thread)
    assert (await instaply.post(PATH, json=payload)).status_code == 202
    assert ledger.messages[0][0] == kept


async def test_without_a_file_of_customers_every_stop_waits_for_a_person(
    tmp_path: Path, ledger: KeptRevocations
) -> None:
    async with serving(settings(tmp_path), ledger, INSTAPLY) as client:
        assert (await client.post(PATH, json=event())).status_code == 202
    assert len(ledger.messages) == 1


@pytest.mark.parametrize(
    "payload",
    [
        event(messageBody="What time do you open?"),
        event(fromCustomer=False),
        event(fromCustomer=None),
        event(messageBody=None),
        event(messageBody=5),
        {**event(), "eventType": "transfer"},
        {"eventType": "message"},
        {"eventType": "message", "data": []},
        {},
    ],
)
async def test_what_does_not_concern_consent_is_taken_and_forgotten(
    instaply: httpx.AsyncClient, ledger: KeptRevocations, payload: object
) -> None:
    response = await instaply.post(PATH, json=payload)
    assert response.status_code == 204
    assert response.content == b""
    assert ledger.revoked == []
    assert ledger.messages == []


async def test_it_need_not_say_that_it_is_json_but_it_must_be(
    instaply: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    assert (await instaply.post(PATH, content=json.dumps(event()).encode())).status_code == 200
    assert len(ledger.revoked) == 1
    response = await instaply.post(PATH, content=b"STOP")
    assert response.status_code == 400
    assert error_of(response)["code"] == "not_json"


@pytest.mark.parametrize(
    ("written", "delivered", "received"),
    [
        (1700000000000, 1700000000001, "2023-11-14T22:13:20.000Z"),
        (None, 1700000000001, "2023-11-14T22:13:20.001Z"),
        (4102444800000, None, None),  # after now
        (0, -5, None),
        ("yesterday", True, None),
    ],
)
async def test_the_time_is_the_messages_own_if_it_can_be_one(
    written: object, delivered: object, received: str | None
) -> None:
    payload = {**event(messageTimestamp=written), "timestamp": delivered}
    message = read_message(payload, b"", NOW)
    assert message is not None
    assert message.received == received


async def test_a_message_shows_neither_customer_nor_words() -> None:
    message = read_message(event(customerId="cust_007", messageBody="unsubscribe"), b"", NOW)
    assert "cust_007" not in repr(message)
    assert "unsubscribe" not in repr(message)


# A YES that completes a consent

WAITS = """
consent = {confirm_by_reply = true}
workflow = {sample = "Example Store: reply YES to get marketing texts, STOP to stop."}
"""


async def answer_to(
    folder: Path, ledger: KeptRevocations, lines: str = LINES, **data: Any
) -> tuple[int, list[Any]]:
    """The status of a message's answer, and what it asked the ledger for: brands and number."""
    file = folder / "customers.csv"
    file.write_text(f"customer_id,number\ncust_001,{NUMBER}\n", encoding="utf-8")
    waits = lines.replace("[lines.paris]", f"{WAITS}\n[lines.paris]")
    configured = settings(folder, f'{BOTH}customers = "{file}"\n', waits)
    async with serving(configured, ledger, INSTAPLY) as client:
        response = await client.post(PATH, json=event(**data))
    return response.status_code, [(set(each.brands), each.number) for each in ledger.replies]


async def test_a_yes_completes_what_waits_for_it_of_the_businesss_brand(
    tmp_path: Path, ledger: KeptRevocations
) -> None:
    status, asked = await answer_to(tmp_path, ledger, messageBody="Yes, please")
    assert (status, asked) == (200, [({"Example Store"}, NUMBER)])
    assert (ledger.revoked, ledger.messages) == ([], [])
    [reply] = ledger.replies
    assert (reply.words, reply.reference) == ("Yes, please", "message 555001")
    assert reply.received == "2023-11-14T22:13:20.000Z"


async def test_a_yes_to_a_business_that_no_line_names_is_for_the_lines_that_name_none(
    tmp_path: Path, ledger: KeptRevocations
) -> None:
    status, asked = await answer_to(tmp_path, ledger, messageBody="OUI", businessId=77)
    assert (status, asked) == (200, [({"Magasin d’exemple"}, NUMBER)])


@pytest.mark.parametrize(
    "data",
    [
        {"messageBody": "Yes?"},
        {"messageBody": "YES", "customerId": "cust_404"},
        {"messageBody": "YES", "fromCustomer": False},
    ],
)
async def test_a_message_that_is_not_a_yes_of_a_known_customer_completes_nothing(
    tmp_path: Path, ledger: KeptRevocations, data: dict[str, Any]
) -> None:
    assert await answer_to(tmp_path, ledger, **data) == (204, [])
    assert ledger.messages == []


async def test_a_yes_that_no_line_waits_for_is_forgotten(
    instaply: httpx.AsyncClient, ledger: KeptRevocations
) -> None:
    response = await instaply.post(PATH, json=event(messageBody="Yes"))
    assert (response.status_code, ledger.replies) == (204, [])
