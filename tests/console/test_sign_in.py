"""Signing in: by whom, with what, where it leads, and what others see of it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agi_bridge.console import passwords
from agi_bridge.console.passwords import PasswordCheck, TooManySignIns, hash_password
from agi_bridge.console.sessions import Sessions
from agi_bridge.settings import ConsoleSettings, ConsoleUser
from tests.support.console_serving import HASH, PASSWORD, PEOPLE, FakeService, serving, settings
from tests.support.console_serving import sign_in as signed_in

if TYPE_CHECKING:
    from pathlib import Path

    import httpx


async def test_a_name_and_its_password_begin_a_session(tmp_path: Path) -> None:
    async with serving(FakeService(settings(tmp_path, PEOPLE))) as client:
        with capture_logs() as logs:
            answer = await signed_in(client, " Alice ")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie
        assert (logs[0]["event"], logs[0]["name"], logs[0]["role"]) == (
            "console.signed_in", "alice", "act",
        )  # fmt: skip
        assert (await client.get("/")).status_code == 200
        await client.post("/sign-out")
        assert (await client.get("/")).status_code == 303


async def test_a_page_that_is_not_there_still_signs_out(tmp_path: Path) -> None:
    async with serving(FakeService(settings(tmp_path, PEOPLE))) as client:
        await signed_in(client, "bob")
        answer = await client.get("/calls/nothing/at/all")
        assert answer.status_code == 404
        assert 'action="/sign-out"' in answer.text
        assert '<a href="/calls" aria-current="page">' in answer.text


async def test_what_signed_out_stays_out(tmp_path: Path) -> None:
    async with serving(FakeService(settings(tmp_path, PEOPLE))) as client:
        await signed_in(client, "bob")
        token = client.cookies["agi_bridge_console_0"]
        await client.post("/sign-out")
        client.cookies.set("agi_bridge_console_0", token)
        assert (await client.get("/")).status_code == 303


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice", "wrong"),
        ("alice", ""),
        pytest.param("alice", HASH, id="the hash itself"),
        ("mallory", PASSWORD),
        ("", PASSWORD),
        ("alice", PASSWORD + "x" * 5000),
    ],
)
async def test_a_wrong_one_is_one_line_in_the_log_and_says_neither_name_nor_password(
    tmp_path: Path, name: str, password: str
) -> None:
    async with serving(FakeService(settings(tmp_path, PEOPLE))) as client:
        with capture_logs() as logs:
            answer = await signed_in(client, name, password)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert [line["event"] for line in logs] == ["console.sign_in_refused"]
        assert set(logs[0]) == {"event", "log_level", "count", "peer"}
        assert PASSWORD not in answer.text


@pytest.mark.parametrize(
    ("wanted", "to"),
    [
        ("/calls?day=2026-11-27", "/calls?day=2026-11-27"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("/\t/evil.example/", "/"),
        ("", "/"),
    ],
)
async def test_it_leads_to_pages_of_this_console_only(tmp_path: Path, wanted: str, to: str) -> None:
    async with serving(FakeService(settings(tmp_path, PEOPLE))) as client:
        form = {"name": "bob", "password": PASSWORD, "next": wanted}
        answer = await client.post("/sign-in", data=form)
        assert answer.headers["location"] == to


async def test_behind_tls_the_cookie_is_for_tls_alone(tmp_path: Path) -> None:
    async with serving(FakeService(settings(tmp_path, PEOPLE))) as client:
        client.headers["Origin"] = str(client.base_url).replace("http:", "https:").rstrip("/")
        answer = await signed_in(client, "bob")
        assert "Secure" in answer.headers["set-cookie"]


async def test_who_is_signed_in_reads_so(tmp_path: Path) -> None:
    async with serving(FakeService(settings(tmp_path, PEOPLE))) as client:
        await signed_in(client, "bob")
        assert "bob, may look" in (await client.get("/")).text
        assert (await client.get("/sign-in")).status_code == 303


async def test_passwords_are_checked_one_at_a_time_and_few_may_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checking, most, loop = 0, 0, asyncio.get_running_loop()
    begun, release = asyncio.Event(), threading.Event()

    def verify(_known: str, _password: str) -> bool:
        nonlocal checking, most
        checking += 1
        most = max(most, checking)
        loop.call_soon_threadsafe(begun.set)
        release.wait(10)
        checking -= 1
        return True

    monkeypatch.setattr(passwords, "_verify", verify)
    check, user = PasswordCheck(wrong_seconds=0), ConsoleUser(name="bob", password_hash=HASH)
    tasks = [asyncio.create_task(check.matches(user, "")) for _ in range(passwords.MAX_ALIKE)]
    await begun.wait()
    with pytest.raises(TooManySignIns):
        await check.matches(user, "")
    # Who guesses at bob from here keeps neither another person out nor bob elsewhere.
    other = ConsoleUser(name="alice", password_hash=HASH)
    tasks += [asyncio.create_task(check.matches(other, ""))]
    tasks += [asyncio.create_task(check.matches(user, "", "192.0.2.1"))]
    release.set()
    assert await asyncio.gather(*tasks) == [True] * len(tasks)
    assert most == 1


async def test_who_guesses_behind_a_proxy_keeps_out_nobody_who_comes_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six guess at one name; two of them wait, and hold what can be held, until its owner comes."""
    loop, release = asyncio.get_running_loop(), threading.Event()
    verify, matches = passwords._verify, PasswordCheck.matches

    def held(known: str, password: str) -> bool:
        release.wait(30)
        return verify(known, password)

    async def seen(
        check: PasswordCheck, user: ConsoleUser | None, password: str, peer: str = ""
    ) -> bool:
        if password == PASSWORD:
            loop.call_soon(release.set)  # after it has its place in the queue, or none
        return await matches(check, user, password, peer)

    monkeypatch.setattr(passwords, "_verify", held)
    monkeypatch.setattr(PasswordCheck, "matches", seen)
    console = {**PEOPLE, "proxies": ["127.0.0.1"]}
    async with serving(FakeService(settings(tmp_path, console))) as client:

        async def tried(password: str, address: str) -> int:
            form = {"name": "alice", "password": password}
            headers = {"X-Forwarded-For": f"192.0.2.1, {address}"}
            answer = await client.post("/sign-in", data=form, headers=headers, timeout=60)
            return answer.status_code

        guesses = [asyncio.create_task(tried("wrong", "203.0.113.9")) for _ in range(6)]
        answers = asyncio.as_completed(guesses)
        turned_away = [await next(answers) for _ in range(6 - passwords.MAX_ALIKE)]
        assert set(turned_away) == {429}
        assert await tried(PASSWORD, "198.51.100.7") == 303
        await asyncio.gather(*guesses)


async def test_too_many_at_once_are_told_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 0)
    async with serving(FakeService(settings(tmp_path, PEOPLE))) as client:
        answer: httpx.Response = await signed_in(client, "bob")
        assert answer.status_code == 429


def test_a_session_ends_with_its_hours() -> None:
    now = 0.0
    sessions = Sessions(lambda: now)
    people = settings_of_bob()
    token = sessions.open(people.users[0], 12)
    assert sessions.visitor(token, people) is not None
    now = 12 * 3600.0
    assert sessions.visitor(token, people) is None
    assert sessions.visitor("guessed", people) is None
    assert sessions.visitor("\udcff", people) is None


def test_the_oldest_session_goes_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agi_bridge.console.sessions.MAX_SESSIONS", 2)
    sessions, people = Sessions(), settings_of_bob()
    tokens = [sessions.open(people.users[0], 1) for _ in range(3)]
    assert [sessions.visitor(each, people) is not None for each in tokens] == [False, True, True]


@pytest.mark.parametrize("password", ["short", "x" * 257, ""])
def test_a_password_is_neither_too_short_nor_too_long(password: str) -> None:
    with pytest.raises(ValueError, match="characters"):
        hash_password(password)


def settings_of_bob() -> ConsoleSettings:
    return ConsoleSettings(users=(ConsoleUser(name="bob", password_hash=HASH),))
