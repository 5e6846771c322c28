"""Who gets a page: the name that is asked, the page that sends a form, and whose session it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.responses import Response
from structlog.testing import capture_logs

from agi_bridge.console.access import POLICY, Access
from agi_bridge.console.sessions import Sessions
from tests.support.console_serving import (
    NOBODY,
    PASSWORD,
    PEOPLE,
    FakeService,
    serving,
    settings,
    sign_in,
)

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

PROXY = {
    "enabled": True,
    "port": 0,
    "sign_in": "proxy",
    "proxies": ["127.0.0.1"],
    "users": [{"name": "alice", "role": "act"}],
}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:4582", 200),
        ("[::1]:4582", 200),
        ("console.example.com", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("console.example.com.evil.example:80", 421),
        ("", 421),
        ("[::", 421),
    ],
)
async def test_only_its_own_names_lead_to_it(tmp_path: Path, host: str, status: int) -> None:
    console = {**NOBODY, "hosts": ["console.example.com"]}
    async with serving(FakeService(settings(tmp_path, console))) as client:
        answer = await client.get("/", headers={"Host": host})
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
    ],
)
async def test_only_its_own_pages_send_forms(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with serving(FakeService(settings(tmp_path))) as client:
        answer = await client.post("/sign-out", headers=headers)
        assert answer.status_code == status


async def test_a_form_of_which_nothing_says_where_it_is_from_is_refused(tmp_path: Path) -> None:
    async with serving(FakeService(settings(tmp_path))) as client:
        del client.headers["Origin"]
        assert (await client.post("/sign-out")).status_code == 403
        answer = await client.post("/sign-out", headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 303


async def test_without_a_session_a_page_leads_to_the_sign_in_and_a_form_is_refused(
    tmp_path: Path,
) -> None:
    async with serving(FakeService(settings(tmp_path, PEOPLE))) as client:
        page = await client.get("/calls?day=2026-11-27")
        assert (page.status_code, page.headers["location"]) == (
            303,
            "/sign-in?next=%2Fcalls%3Fday%3D2026-11-27",
        )
        for path in ("/calls", "/sign-out"):
            assert (await client.post(path, data={"number": "1"})).status_code == 403
        assert (await client.get("/static/console.css")).status_code == 200


async def test_a_fault_is_a_page_and_one_line_in_the_log_without_what_was_sent(
    tmp_path: Path,
) -> None:
    service = FakeService(settings(tmp_path))

    async def broken(*_: object) -> object:
        raise RuntimeError

    service.live = broken  # type: ignore[method-assign,assignment]  # breaks as code may
    async with serving(service) as client:
        with capture_logs() as logs:
            answer = await client.get("/?number=4155550123")
    assert answer.status_code == 500
    assert [(line["event"], line["path"]) for line in logs] == [("console.request_failed", "/")]


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nothing", "/static/console.js"])
async def test_every_answer_has_the_policy(tmp_path: Path, path: str) -> None:
    async with serving(FakeService(settings(tmp_path))) as client:
        answer = await client.get(path)
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Remote-User": "alice"}, 200),
        ({"X-Remote-User": "ALICE"}, 200),
        ({"X-Remote-User": "mallory"}, 403),
        ({"X-Remote-User": ""}, 403),
        ({}, 403),
    ],
)
async def test_a_proxy_names_the_person(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with serving(FakeService(settings(tmp_path, PROXY))) as client:
        answer = await client.get("/", headers=headers)
        assert answer.status_code == status


async def test_a_name_given_twice_is_nobodys(tmp_path: Path) -> None:
    twice = [("X-Remote-User", "alice"), ("X-Remote-User", "alice")]
    async with serving(FakeService(settings(tmp_path, PROXY))) as client:
        assert (await client.get("/", headers=twice)).status_code == 403


async def test_only_the_proxys_address_is_believed(tmp_path: Path) -> None:
    elsewhere = {**PROXY, "proxies": ["10.0.0.0/8", "::1"]}
    async with serving(FakeService(settings(tmp_path, elsewhere))) as client:
        answer = await client.get("/", headers={"X-Remote-User": "alice"})
        assert answer.status_code == 403


async def test_a_reload_that_removes_a_person_or_changes_the_password_ends_the_session(
    tmp_path: Path,
) -> None:
    service = FakeService(settings(tmp_path, PEOPLE))
    async with serving(service) as client:
        await sign_in(client, "bob")
        assert (await client.get("/")).status_code == 200
        kept = client.cookies["agi_bridge_console_0"]
        users: list[dict[str, Any]] = [dict(each) for each in PEOPLE["users"]]
        users[1]["password_hash"] = users[1]["password_hash"][:-4] + "AAAA"
        service.settings = settings(tmp_path, {**PEOPLE, "users": users})
        assert (await client.get("/")).status_code == 303
        service.settings = settings(tmp_path, {**PEOPLE, "users": users[:1]})
        assert (await client.get("/")).status_code == 303
        assert client.cookies["agi_bridge_console_0"] == kept
        service.settings = settings(tmp_path, PEOPLE)
        assert (await client.get("/")).status_code == 200
        assert PASSWORD not in (await client.get("/")).text


async def test_nobody_from_elsewhere_enters_without_a_sign_in(tmp_path: Path) -> None:
    told = settings(tmp_path).console  # `host` holds until a restart: it may be another one
    for peer, status in (("127.0.0.1", 200), ("::ffff:127.0.0.1", 200), ("203.0.113.9", 403)):
        transport = httpx.ASGITransport(Access(_empty, lambda: told, Sessions()), client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            assert (await client.get("/")).status_code == status


async def _empty(scope: Scope, receive: Receive, send: Send) -> None:
    await Response()(scope, receive, send)


@pytest.mark.parametrize(
    ("referer", "to"),
    [
        ("{base}/consents/one?shown=two", "/sign-in?next=%2Fconsents%2Fone%3Fshown%3Dtwo"),
        ("https://evil.example/consents", "/sign-in"),
        ("http://[", "/sign-in"),
        ("", "/sign-in"),
    ],
)
async def test_a_form_without_a_session_leads_back_to_its_page(
    tmp_path: Path, referer: str, to: str
) -> None:
    async with serving(FakeService(settings(tmp_path, PEOPLE))) as client:
        base = str(client.base_url).rstrip("/")
        answer = await client.post("/calls", headers={"Referer": referer.format(base=base)})
        assert (answer.status_code, f'href="{to}"' in answer.text) == (403, True)


async def test_a_link_of_another_site_is_opened_once_more_from_here(tmp_path: Path) -> None:
    async with serving(FakeService(settings(tmp_path, PEOPLE))) as client:
        elsewhere = {"Sec-Fetch-Site": "cross-site"}
        answer = await client.get("/calls?day=2026-11-27", headers=elsewhere)
        again = "/sign-in?next=%2Fcalls%3Fday%3D2026-11-27"
        assert (answer.status_code, answer.headers["refresh"]) == (200, f"0; url={again}")
        for headers in (elsewhere, {}):  # a browser that says so again gets the form, not a circle
            form = await client.get(again, headers=headers)
            assert (form.status_code, "refresh" in form.headers) == (200, False)
        await sign_in(client, "bob")
        opened = await client.get(again)
        assert (opened.status_code, opened.headers["location"]) == (303, "/calls?day=2026-11-27")


@pytest.mark.parametrize(
    ("proxies", "forwarded", "peer"),
    [
        (["127.0.0.1"], ["203.0.113.9"], "203.0.113.9"),
        (["127.0.0.1"], ["198.51.100.7, 203.0.113.9"], "203.0.113.9"),
        (["127.0.0.1"], ["198.51.100.7", "203.0.113.9"], "203.0.113.9"),
        (["127.0.0.1"], ["::ffff:203.0.113.9"], "203.0.113.9"),
        (["127.0.0.1"], ["2001:DB8::1"], "2001:db8::1"),
        (["127.0.0.1"], ["203.0.113.9,"], "127.0.0.1"),
        (["127.0.0.1"], ["203.0.113.9, unknown"], "127.0.0.1"),
        (["127.0.0.1"], [], "127.0.0.1"),
        (["10.0.0.0/8"], ["203.0.113.9"], "127.0.0.1"),
        ([], ["203.0.113.9"], "127.0.0.1"),
    ],
)
async def test_only_a_proxy_says_where_somebody_comes_from_and_only_with_its_own_entry(
    tmp_path: Path, proxies: list[str], forwarded: list[str], peer: str
) -> None:
    async with serving(FakeService(settings(tmp_path, {**PEOPLE, "proxies": proxies}))) as client:
        with capture_logs() as logs:
            form = {"name": "bob", "password": PASSWORD}
            headers = [("X-Forwarded-For", each) for each in forwarded]
            assert (await client.post("/sign-in", data=form, headers=headers)).status_code == 303
    assert [each["peer"] for each in logs if each["event"] == "console.signed_in"] == [peer]
