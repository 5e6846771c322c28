"""Instaply's side: what `instaply connect` makes of the webhooks that are there, and the doctor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.app.instaply import PATH, connect, examine, plan
from agi_bridge.doctor import Id, Level
from agi_bridge.hook import InstaplyApi, InstaplyApiError, Webhook
from agi_bridge.hook.testing import FakeHook, FakeResponse
from agi_bridge.web import MESSAGES
from tests.support.error_codes import coded
from tests.support.web_serving import BOTH, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.settings import Settings

URL = "https://consent.example.com/v1/instaply/messages"
TOKEN, KEY = "token-of-our-web", "key-of-a-user"


@pytest.fixture
async def vendor() -> AsyncIterator[FakeHook]:
    async with FakeHook() as fake:
        fake.api.token = KEY
        yield fake


def test_the_path_is_the_webs() -> None:
    assert PATH == MESSAGES


async def test_connecting_twice_makes_one_webhook(vendor: FakeHook) -> None:
    steps = [
        (await connect(InstaplyApi(KEY, vendor.api_url), URL, TOKEN, dry_run=dry)).step
        for dry in (True, False, True, False)
    ]
    assert steps == ["create", "create", "keep", "keep"]
    assert list(vendor.api.webhooks.values()) == [
        {
            "url": URL,
            "enabled": True,
            "subscribedEvents": ["messages"],
            "extraHeaders": [{"name": "Authorization", "value": f"Bearer {TOKEN}"}],
            "id": 1,
        }
    ]


async def test_headers_that_are_not_shown_stay_until_they_are_to_be_replaced(
    vendor: FakeHook,
) -> None:
    vendor.api.webhooks["1"] = {
        "id": 1,
        "url": URL,
        "enabled": False,
        "subscribedEvents": ["transfers"],
        "extraHeaders": [{"name": "X-Tenant", "value": "7"}],
    }
    vendor.api.shows_headers = False
    made = await connect(InstaplyApi(KEY, vendor.api_url), URL, TOKEN, dry_run=False)
    assert (made.step, made.is_token_hidden) == ("update", True)
    webhook = vendor.api.webhooks["1"]
    assert webhook["extraHeaders"] == [{"name": "X-Tenant", "value": "7"}]
    assert (webhook["enabled"], webhook["subscribedEvents"]) == (True, ["transfers", "messages"])
    again = await connect(InstaplyApi(KEY, vendor.api_url), URL, TOKEN, dry_run=False)
    assert (again.step, again.is_token_hidden) == ("keep", True)
    sent = await connect(
        InstaplyApi(KEY, vendor.api_url), URL, TOKEN, dry_run=False, replace_headers=True
    )
    assert (sent.step, sent.is_token_hidden) == ("update", False)
    assert vendor.api.webhooks["1"]["extraHeaders"] == [
        {"name": "Authorization", "value": f"Bearer {TOKEN}"}
    ]


@pytest.mark.parametrize(
    "spelt",
    [f"{URL}/", URL.replace("https://consent", "HTTPS://Consent"), URL.replace("m/", "m:443/")],
)
def test_a_webhook_whose_url_is_spelt_otherwise_is_corrected(spelt: str) -> None:
    known = Webhook(spelt, headers={"authorization": f"Bearer {TOKEN}"}, id="9")
    made = plan([known], URL, TOKEN)
    assert (made.step, made.webhook.url, made.webhook.id, made.others) == ("update", URL, "9", ())


def test_of_duplicates_the_one_that_works_is_kept() -> None:
    right = {"authorization": f"Bearer {TOKEN}"}
    off, old = Webhook(URL, enabled=False, headers=right, id="1"), Webhook(URL, headers={}, id="2")
    good = Webhook(URL, headers=right, id="3")
    made = plan([off, old, good], URL, TOKEN)
    assert (made.step, made.webhook.id, made.duplicates) == ("keep", "3", 1)
    assert plan([off, old], URL, TOKEN).webhook.id == "2"


async def test_a_webhook_without_an_id_is_neither_changed_nor_made_again(vendor: FakeHook) -> None:
    listed = [{"url": URL, "enabled": False, "subscribedEvents": ["messages"], "extraHeaders": []}]
    vendor.api.answer = FakeResponse("200 OK", "application/json", json.dumps(listed))
    with pytest.raises(InstaplyApiError, check=coded("no_webhook_id")):
        await connect(InstaplyApi(KEY, vendor.api_url), URL, TOKEN, dry_run=False)
    assert vendor.api.asked == [("GET", "/api/webhooks/")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"enabled": False},
        {"events": ("transfers",)},
        {"headers": {"authorization": "Bearer old", "x-tenant": "7"}},
    ],
)
def test_a_webhook_that_differs_is_corrected_and_keeps_what_is_not_ours(
    wrong: dict[str, Any],
) -> None:
    given = {"headers": {"authorization": f"Bearer {TOKEN}"}, "id": "9", **wrong}
    made = plan([Webhook(URL, **given)], URL, TOKEN)
    assert (made.step, made.webhook.id, made.webhook.enabled) == ("update", "9", True)
    assert "messages" in made.webhook.events
    assert set(given.get("events", ())) <= set(made.webhook.events)
    assert made.webhook.headers is not None
    assert made.webhook.headers["Authorization"] == f"Bearer {TOKEN}"
    assert "authorization" not in made.webhook.headers
    assert made.webhook.headers.get("x-tenant") == given["headers"].get("x-tenant")


def test_webhooks_of_other_bridges_are_named_and_left_alone() -> None:
    others = [Webhook(f"https://old.example.com{PATH}"), Webhook("https://crm.example.com/x")]
    made = plan(others, URL, TOKEN)
    assert (made.step, made.others) == ("create", ("old.example.com",))


async def test_a_refused_key_changes_nothing(vendor: FakeHook) -> None:
    with pytest.raises(InstaplyApiError, check=coded("token_refused")):
        await connect(InstaplyApi("wrong", vendor.api_url), URL, TOKEN, dry_run=False)
    assert vendor.api.webhooks == {}


# The doctor


def configured(tmp_path: Path, vendor: FakeHook, key: str = KEY) -> Settings:
    web = f'{BOTH}instaply_api_token = {{env = "API"}}\ninstaply_api_url = "{vendor.api_url}"\n'
    return settings(tmp_path, web, environ={"API": key})


async def levels(configuration: Settings) -> dict[Id, Level]:
    found = await examine(configuration)
    assert KEY not in str(found)
    assert TOKEN not in str(found)
    return {each.id: each.level for each in found}


async def test_without_the_key_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    assert await examine(settings(tmp_path)) == []


async def test_the_doctor_follows_the_webhook_from_missing_to_right(
    tmp_path: Path, vendor: FakeHook
) -> None:
    configuration = configured(tmp_path, vendor)
    token = configuration.web.instaply_secret()
    assert token is not None
    found = await levels(configuration)
    assert found == {Id.INSTAPLY_API: Level.OK, Id.INSTAPLY_WEBHOOK: Level.FAULT}
    await connect(InstaplyApi(KEY, vendor.api_url), URL, "another", dry_run=False)
    assert (await levels(configuration))[Id.INSTAPLY_WEBHOOK] is Level.FAULT
    await connect(InstaplyApi(KEY, vendor.api_url), URL, token, dry_run=False)
    assert (await levels(configuration))[Id.INSTAPLY_WEBHOOK] is Level.OK
    vendor.api.shows_headers = False
    assert (await levels(configuration))[Id.INSTAPLY_WEBHOOK] is Level.NOTE
    vendor.api.webhooks["1"]["enabled"] = False
    assert (await levels(configuration))[Id.INSTAPLY_WEBHOOK] is Level.FAULT
    vendor.api.webhooks["1"] |= {"enabled": True, "subscribedEvents": ["transfers"]}
    assert (await levels(configuration))[Id.INSTAPLY_WEBHOOK] is Level.FAULT


async def test_a_key_that_is_refused_and_an_answer_of_another_kind_are_faults(
    tmp_path: Path, vendor: FakeHook
) -> None:
    assert await levels(configured(tmp_path, vendor, "wrong")) == {Id.INSTAPLY_API: Level.FAULT}
    vendor.api.answer = FakeResponse("200 OK", "application/json", json.dumps({"a": 1}))
    assert await levels(configured(tmp_path, vendor)) == {Id.INSTAPLY_API: Level.FAULT}


def test_a_webhook_of_somebody_else_without_a_proper_url_ends_nothing() -> None:
    made = plan([Webhook("http://[bad")], "https://h.example.com/v1/instaply/messages", "t")
    assert made.step == "create"
