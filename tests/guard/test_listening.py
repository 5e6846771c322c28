"""Ports bound before anything else."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from agi_bridge.guard import bind, listening


def test_a_bound_port_is_ours_and_takes_no_connection_yet() -> None:
    (bound,) = bind("127.0.0.1", 0, "agi")
    with bound, pytest.raises(ConnectionRefusedError):
        socket.create_connection(bound.getsockname())


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
    real = listening._bound

    def without(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> Any:
        if address[0] == "127.0.0.2":
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return real(family, kind, protocol, address)

    monkeypatch.setattr(listening, "_bound", without)
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{each}", 0)) for each in (2, 1)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    (one,) = bind("localhost", 0, "agi")
    with one:
        assert one.getsockname()[0] == "127.0.0.1"
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found[:1])
    with pytest.raises(OSError, match=r"agi: 127\.0\.0\.2 port 0: Cannot assign"):
        bind("127.0.0.2", 0, "agi")
