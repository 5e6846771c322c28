"""Which address of the hook is tried, in which order, and how often its name is looked up."""

from __future__ import annotations

import asyncio
import gc
import socket
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.hook import HookClient, Outcome, resolver, transport
from tests.support.hook_servers import (
    CERTIFICATE,
    answers,
    closed_port,
    server_tls,
    serving,
    submit,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.hook.resolver import Address


def addresses(*places: tuple[str, int]) -> Callable[[str, int], Any]:
    async def look_up(_host: str, _port: int) -> list[Address]:
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (host, port, 0, 0))
            if ":" in host
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
            for host, port in places
        ]

    return look_up


async def test_an_address_that_refuses_gives_way_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held, closed = closed_port()
    with held:
        async with serving(answers) as server:
            places = (("127.0.0.1", closed), ("127.0.0.1", server.port))
            monkeypatch.setattr(resolver, "look_up", addresses(*places))
            async with HookClient("http://localhost/") as client:
                assert (await submit(client)).outcome is Outcome.ACCEPTED


async def test_an_address_that_does_not_answer_is_overtaken_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full backlog: the first address takes no connection and refuses none."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.settimeout(0)
            sock.connect_ex(deaf.getsockname())
        async with serving(answers) as server:
            places = (deaf.getsockname(), ("127.0.0.1", server.port))
            monkeypatch.setattr(resolver, "look_up", addresses(*places))
            monkeypatch.setattr(transport, "_ATTEMPT_DELAY", 0.001)
            async with HookClient("http://localhost/", connect_seconds=60) as client:
                result = await submit(client)
        for sock in waiting:
            sock.close()
    assert (result.outcome, result.attempts) == (Outcome.ACCEPTED, 1)


async def test_a_name_is_asked_once_for_all_and_again_after_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    held, closed = closed_port()

    async def look_up(host: str, _port: int) -> list[Address]:
        asked.append(host)
        port = closed if len(asked) == 1 else server.port
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(resolver, "look_up", look_up)
    with held:
        async with serving(answers) as server, HookClient("http://localhost/") as client:
            first = await submit(client)
            rest = await asyncio.gather(*(submit(client) for _ in range(10)))
    assert {(r.outcome, r.attempts) for r in rest} == {(Outcome.ACCEPTED, 1)}
    assert (first.outcome, first.attempts) == (Outcome.ACCEPTED, 2)
    assert asked == ["localhost", "localhost"]


async def test_a_look_up_that_fails_when_nobody_waits_any_more_is_no_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, fail = asyncio.Event(), asyncio.Event()
    noise: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))

    async def look_up(*_: object) -> list[Address]:
        asked.set()
        await fail.wait()
        raise OSError("Name or service not known")

    monkeypatch.setattr(resolver, "look_up", look_up)
    before = asyncio.all_tasks()
    async with HookClient("https://hooks.invalid/") as client:
        task = asyncio.create_task(submit(client))
        await asked.wait()
        task.cancel()
        await asyncio.wait({task})
        fail.set()
        while asyncio.all_tasks() != before:  # noqa: ASYNC110 - the look-up tells nobody
            await asyncio.sleep(0)
    gc.collect()
    assert noise == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://[::1]:9/"])
async def test_an_address_is_not_looked_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_up(*_: object) -> list[Address]:
        raise AssertionError

    monkeypatch.setattr(resolver, "look_up", look_up)
    async with HookClient(url) as client:
        assert (await submit(client)).reason in {"connection_refused", "unreachable"}


async def test_the_servers_name_is_the_urls_without_a_final_dot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names: list[str | None] = []
    context = server_tls()
    context.sni_callback = lambda _sock, name, _context: names.append(name)
    async with serving(answers, context) as server:
        monkeypatch.setattr(resolver, "look_up", addresses(("127.0.0.1", server.port)))
        async with HookClient("https://LocalHost./", ca_file=str(CERTIFICATE)) as client:
            result = await submit(client)
    assert (result.outcome, names) == (Outcome.ACCEPTED, ["localhost"])
