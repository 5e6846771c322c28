"""Instaply's API over real sockets: the documented bodies, and hostile ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from agi_bridge.hook import InstaplyApi, InstaplyApiError, Webhook
from agi_bridge.hook.instaply_api import read_webhooks
from agi_bridge.hook.testing import FakeHook
from tests.support.error_codes import coded
from tests.support.hook_servers import Connection, answering, http, serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NUMBER = "+15551234567"
TOKEN = "key-of-a-user"
PROFILE = {"id": "cust_001", "type": "prospect", "phoneNumber": NUMBER, "channel": "SMS"}


def answer(document: object, status: str = "200 OK") -> bytes:
    return http(status, json.dumps(document).encode(), "Content-Type: application/json")


async def asked(response: bytes, customer: str = "cust_001") -> str:
    """The number that an API finds which answers with these bytes."""

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(response)

    async with serving(script) as server:
        root = server.url.removesuffix("/v1/ivr")
        async with InstaplyApi(TOKEN, root, connect_seconds=60, total_seconds=60) as api:
            return await api.number(customer)


async def test_a_profile_as_the_page_shows_it_has_the_number() -> None:
    async with FakeHook() as vendor, InstaplyApi(TOKEN, vendor.api_url) as api:
        vendor.api.token = TOKEN
        vendor.api.add("cust_001", NUMBER)
        assert await api.number("cust_001") == NUMBER
        assert vendor.api.asked == [("GET", "/api/customers/cust_001/profile")]


async def test_the_key_is_a_header_and_an_id_stays_one_part_of_the_path() -> None:
    requests: list[bytes] = []
    async with serving(answering(requests, answer({"id": "a/../b?x=1#"} | {}))) as server:
        root = server.url.removesuffix("/v1/ivr")
        async with InstaplyApi(TOKEN, root) as api:
            with pytest.raises(InstaplyApiError, check=coded("no_number")):
                await api.number("a/../b?x=1#")
    head = requests[0].split(b"\r\n\r\n")[0].decode()
    assert head.splitlines()[0] == ("GET /api/customers/a%2F..%2Fb%3Fx%3D1%23/profile HTTP/1.1")
    assert f"token: {TOKEN}" in head


@pytest.mark.parametrize("customer", [".", "..", ""])
async def test_an_id_that_would_be_another_path_is_not_asked_for(customer: str) -> None:
    async with FakeHook() as vendor, InstaplyApi(TOKEN, vendor.api_url) as api:
        with pytest.raises(InstaplyApiError, check=coded("not_found")):
            await api.number(customer)
        assert vendor.api.asked == []


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (answer({}, "401 Unauthorized"), "token_refused"),
        (answer({}, "403 Forbidden"), "forbidden"),
        (answer({}, "404 Not Found"), "not_found"),
        (answer({}, "429 Too Many Requests"), "unavailable"),
        (answer({}, "503 Service Unavailable"), "unavailable"),
        (answer({}, "302 Found"), "bad_answer"),
        (answer({}, "400 Bad Request"), "bad_answer"),
        (answer({**PROFILE, "phoneNumber": None}), "no_number"),
        (answer({**PROFILE, "phoneNumber": " "}), "no_number"),
        (answer({**PROFILE, "phoneNumber": ["+15551234567"]}), "no_number"),
        (answer({**PROFILE, "phoneNumber": "1" * 300}), "no_number"),
        (answer({**PROFILE, "channel": "WHATSAPP"}), "other_channel"),
        (answer({**PROFILE, "channel": {"a": 1}}), "other_channel"),
        (answer({**PROFILE, "id": "cust_002"}), "other_customer"),
        (answer({**PROFILE, "id": ["cust_001"]}), "other_customer"),
        (answer({**PROFILE, "id": ""}), "other_customer"),
        (answer([PROFILE]), "bad_answer"),
        (http("200 OK", b""), "bad_answer"),
        (http("200 OK", b"<html>"), "bad_answer"),
        (http("200 OK", b"\xff\xfe{}"), "bad_answer"),
        (http("200 OK", b"[" * 200_000), "bad_answer"),
        (http("200 OK", b'{"id": ' + b"9" * 5_000 + b"}"), "bad_answer"),
        (http("200 OK", b'{"id": "' + b"x" * 300_000 + b'"}'), "bad_answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}", "bad_answer"),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 99\r\n\r\n{}", "token_refused"),
        (http("503 Service Unavailable", b"x" * 300_000), "unavailable"),
        (b"not HTTP at all\r\n\r\n", "bad_answer"),
        (b"", "unreachable"),
    ],
)
async def test_what_is_no_number_of_this_customer_is_named(response: bytes, code: str) -> None:
    with pytest.raises(InstaplyApiError, check=coded(code)) as refused:
        await asked(response)
    assert NUMBER not in str(refused.value)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize("missing", [{"id": None}, {}])
async def test_a_profile_that_shows_no_id_is_that_of_the_path(missing: dict[str, object]) -> None:
    shown = {name: value for name, value in PROFILE.items() if name != "id"}
    assert await asked(answer({**shown, **missing})) == NUMBER


@pytest.mark.parametrize(
    "value", ["***", "Bearer ****1234", "\u2022\u2022\u2022\u2022", "Bearer abc\u2026", "", None, 7]
)
async def test_a_header_whose_value_is_not_shown_hides_the_headers(value: object) -> None:
    shown = [{"name": "X-Tenant", "value": "7"}, {"name": "Authorization", "value": value}]
    listed = [{"id": 1, "url": "https://h.example.com/", "extraHeaders": shown}]
    [webhook] = read_webhooks(json.dumps(listed).encode())
    assert webhook.headers is None


@pytest.mark.parametrize(
    "profile", [{**PROFILE, "channel": None}, {**PROFILE, "channel": "sms "}, PROFILE]
)
async def test_a_text_channel_is_known_in_any_case(profile: dict[str, object]) -> None:
    assert await asked(answer(profile)) == NUMBER


async def test_a_numeric_id_is_the_same_as_its_digits() -> None:
    assert await asked(answer({**PROFILE, "id": 135655}), "135655") == NUMBER


async def test_nobody_who_listens_and_a_server_that_is_silent_are_unreachable() -> None:
    async def silent(connection: Connection) -> None:
        await connection.gone()

    async with serving(silent) as server:
        root = server.url.removesuffix("/v1/ivr")
        async with InstaplyApi(TOKEN, root, total_seconds=0.05) as api:
            with pytest.raises(InstaplyApiError, check=coded("unreachable")):
                await api.number("a")
    async with InstaplyApi(TOKEN, root) as api:
        with pytest.raises(InstaplyApiError, check=coded("unreachable")):
            await api.number("a")


# Webhooks


async def test_a_webhook_is_created_listed_and_changed_with_its_header() -> None:
    wanted = Webhook("https://x.example.com/m", headers={"Authorization": "Bearer secret"})
    async with FakeHook() as vendor, InstaplyApi(TOKEN, vendor.api_url) as api:
        await api.create(wanted)
        (found,) = await api.webhooks()
        assert (found.url, found.enabled, found.events) == (wanted.url, True, ("messages",))
        assert found.headers == {"authorization": "Bearer secret"}
        assert "secret" not in repr(found)
        await api.update(Webhook("https://y.example.com/m", enabled=False, id=found.id))
        (changed,) = await api.webhooks()
        assert (changed.url, changed.enabled, changed.id) == (
            "https://y.example.com/m",
            False,
            found.id,
        )


@pytest.mark.parametrize(
    ("document", "urls"),
    [
        ([], []),
        ({"webhooks": [{"url": "https://a.example"}]}, ["https://a.example"]),
        ([{"url": 5, "subscribedEvents": "all", "extraHeaders": "x"}, 7], ["5"]),
    ],
)
async def test_lists_are_read_whatever_else_they_hold(document: object, urls: list[str]) -> None:
    async with serving(answering([], answer(document))) as server:
        root = server.url.removesuffix("/v1/ivr")
        async with InstaplyApi(TOKEN, root) as api:
            assert [each.url for each in await api.webhooks()] == urls


@pytest.mark.parametrize(
    "call",
    [lambda api: api.webhooks(), lambda api: api.create(Webhook("https://a.example"))],
)
async def test_a_refused_key_is_named_everywhere(
    call: Callable[[InstaplyApi], Awaitable[object]],
) -> None:
    async with FakeHook() as vendor, InstaplyApi("wrong", vendor.api_url) as api:
        vendor.api.token = TOKEN
        with pytest.raises(InstaplyApiError, check=coded("token_refused")):
            await call(api)
