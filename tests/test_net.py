"""Listening sockets, the loopback rule, and which pending connection is evicted."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge import net
from agi_bridge.net import PendingConnections, bind, bind_in_thread, is_loopback


def test_a_bound_port_is_ours_and_takes_no_connection_yet() -> None:
    (bound,) = bind("127.0.0.1", 0, "agi")
    with bound, pytest.raises(ConnectionRefusedError):
        socket.create_connection(bound.getsockname())


async def test_a_cancelled_bind_leaves_no_socket_open() -> None:
    begun, go_on = threading.Event(), threading.Event()
    bound: list[socket.socket] = []

    def slow() -> list[socket.socket]:
        begun.set()
        go_on.wait()
        bound.extend(bind("127.0.0.1", 0, "agi"))
        return bound

    task = asyncio.create_task(bind_in_thread(slow))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [each.fileno() for each in bound] == [-1]


def test_a_port_in_use_is_named_with_its_host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            OSError, match=rf"agi: 127\.0\.0\.1 port {port}: Address already in use"
        ):
            bind("127.0.0.1", port, "agi")


def test_a_name_of_two_addresses_has_one_port_on_both(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{each}", 0)) for each in (1, 2)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    first, second = bind("localhost", 0, "agi")
    with first, second:
        assert first.getsockname()[0] == "127.0.0.1"
        assert second.getsockname() == ("127.0.0.2", first.getsockname()[1])


def test_an_address_that_the_machine_has_not_is_done_without_if_there_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = net._bound

    def without(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> Any:
        if address[0] == "127.0.0.2":
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return real(family, kind, protocol, address)

    monkeypatch.setattr(net, "_bound", without)
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{each}", 0)) for each in (2, 1)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    (one,) = bind("localhost", 0, "agi")
    with one:
        assert one.getsockname()[0] == "127.0.0.1"
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found[:1])
    with pytest.raises(OSError, match=r"agi: 127\.0\.0\.2 port 0: Cannot assign"):
        bind("127.0.0.2", 0, "agi")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),  # noqa: S104 - it is not bound
        ("10.0.0.5", False),
        ("pbx.local", False),
        ("", False),
    ],
)
def test_only_this_machine_reaches_loopback(host: str, expected: bool) -> None:  # noqa: FBT001 - pytest passes parameters by name
    assert is_loopback(host) is expected


def test_the_oldest_of_the_address_with_most_is_evicted_first() -> None:
    pending: PendingConnections[str] = PendingConnections()
    for each in ("pbx", "idle1", "idle2", "idle3"):
        pending.add(each, each.rstrip("123"))
    assert [pending.evict() for _ in range(2)] == ["idle1", "idle2"]
    assert len(pending) == 2


def test_a_discarded_connection_is_not_evicted() -> None:
    pending: PendingConnections[int] = PendingConnections()
    for each in (1, 2, 3):
        pending.add(each, "a")
    pending.discard(1)
    pending.discard(1)
    assert pending.evict() == 2
    assert len(pending) == 1


def test_a_flood_from_one_address_evicts_only_its_own_connections() -> None:
    pending: PendingConnections[int] = PendingConnections()
    for each in range(3):
        pending.add(each, "pbx")
    for each in range(100, 1000):
        pending.add(each, "stranger")
        if len(pending) > 10:
            assert pending.evict() >= 100
    assert len(pending) == 10


@given(
    steps=st.lists(st.tuples(st.sampled_from("eelo"), st.integers(0, 20), st.sampled_from("abc")))
)
def test_a_connection_is_pending_until_removed(
    steps: list[tuple[str, int, str]],
) -> None:
    pending: PendingConnections[int] = PendingConnections()
    inside: dict[int, str] = {}
    for what, one, address in steps:
        if what == "e" and one not in inside:
            pending.add(one, address)
            inside[one] = address
        elif what == "l":
            pending.discard(one)
            inside.pop(one, None)
        elif what == "o" and inside:
            most = max(Counter(inside.values()).values())
            out = pending.evict()
            assert list(inside.values()).count(inside[out]) == most
            del inside[out]
        assert len(pending) == len(inside)
    for one in inside:
        pending.discard(one)
    assert pending._by_address == {}
