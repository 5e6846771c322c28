"""Whom the server lets in: peers, tokens, environments, and places for calls."""

import asyncio

import pytest
import uvloop
from structlog.testing import capture_logs

from agi_bridge.agi import Channel, Limits, Server
from agi_bridge.agi.testing import FakeAsterisk
from tests.support.agi_peer import ENVIRONMENT, HOST, Peer, forever, quick, until

# -- probes, strangers, floods ----------------------------------------------------------------


async def test_a_probe_costs_one_debug_line() -> None:
    with capture_logs() as logs:
        async with Server(quick, port=0) as server:
            peer = await Peer.connect(server)
            await peer.close()
            await until(lambda: bool(logs))
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("agi.probe_closed", "debug")
    ]


async def test_a_slow_environment_is_cut_off_and_does_not_keep_others_out() -> None:
    async with Server(quick, port=0, limits=Limits(environment_seconds=0.3)) as server:
        peer = await Peer.connect(server, b"agi_network: yes\n")
        record = await FakeAsterisk().call(HOST, server.port)
        assert record.answered
        assert await peer.rest() == b""
        await peer.close()


@pytest.mark.parametrize(
    "flood", [b"x" * 100_000, b"agi_arg_1: x\n" * 200 + b"\n", b"\x16\x03\x01" * 10_000]
)
async def test_a_flood_instead_of_an_environment_is_cut_off(flood: bytes) -> None:
    calls = 0

    async def handler(_channel: Channel) -> None:
        nonlocal calls
        calls += 1

    async with Server(handler, port=0) as server:
        peer = await Peer.connect(server, flood)
        await peer.rest()
        await peer.close()
    assert calls == 0


def test_beyond_loopback_a_list_of_networks_is_asked_for() -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "pbx.example"):  # noqa: S104 - it is refused
        with pytest.raises(ValueError, match=r"agi\.allow"):
            Server(quick, host=host)
    Server(quick, host="0.0.0.0", allow=["10.0.0.0/8"])  # noqa: S104 - with a list
    Server(quick, host="localhost")
    Server(quick, host="::1")


def test_what_is_not_a_network_is_refused() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        Server(quick, allow=["pbx"])


async def test_a_peer_outside_is_cut_with_one_warning_however_often_it_comes() -> None:
    with capture_logs() as logs:
        async with Server(quick, port=0, allow=["192.0.2.0/24"]) as server:
            for _ in range(3):
                peer = await Peer.connect(server, ENVIRONMENT)
                assert await peer.rest() == b""
                await peer.close()
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [(entry["event"], entry["peer"]) for entry in warnings] == [("agi.peer_refused", HOST)]


async def test_a_peer_inside_is_let_in() -> None:
    async with Server(quick, port=0, allow=["127.0.0.1/32"]) as server:
        assert (await FakeAsterisk().call(HOST, server.port)).answered


@pytest.mark.parametrize(
    ("peer", "inside"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("11.0.0.1", False), ("fe80::1%eth0", False)],
)
async def test_addresses_are_known_in_every_form(peer: str, inside: bool) -> None:  # noqa: FBT001 - a case
    server = Server(quick, allow=["10.0.0.0/8"])
    assert server._allowed(peer) is inside


def test_the_memory_of_peers_has_an_end() -> None:
    server = Server(quick, allow=["10.0.0.0/8"])
    for number in range(3000):
        server._allowed(f"10.0.{number // 250}.{number % 250}")
    assert len(server._peers) <= 1024


# -- token, limits, deadlines -----------------------------------------------------------------


async def test_the_token_opens_the_door() -> None:
    async with Server(quick, port=0, token="s3cret") as server:
        assert (await FakeAsterisk().call(HOST, server.port, "x?token=s3cret")).answered


@pytest.mark.parametrize("path", ["x", "x?token=", "x?token=wrong", "x?token=s3cret%FF"])
async def test_a_wrong_token_goes_to_the_dialplans_fallback(path: str) -> None:
    with capture_logs() as logs:
        async with Server(quick, port=0, token="s3cret") as server:
            record = await FakeAsterisk().call(HOST, server.port, path)
    assert (record.status, record.refused, record.names) == ("FAILURE", "token", [])
    assert "s3cret" not in str(logs)


async def test_one_call_too_many_is_refused_politely_and_the_next_is_not() -> None:
    with capture_logs():
        async with Server(forever, port=0, limits=Limits(max_calls=1)) as server:
            first = await Peer.connect(server, ENVIRONMENT)
            assert await first.line() == b"ANSWER\n"
            record = await FakeAsterisk().call(HOST, server.port)
            assert (record.status, record.refused) == ("FAILURE", "busy")
            await first.close()
            await until(lambda: server.calls == 0)
            second = await Peer.connect(server, ENVIRONMENT)
            assert await second.line() == b"ANSWER\n"
            await second.close()


async def test_who_waits_longest_goes_for_a_newcomer_and_no_call_is_refused() -> None:
    with capture_logs() as logs:
        async with Server(quick, port=0, limits=Limits(max_calls=1, max_pending=2)) as server:
            idle = [await Peer.connect(server, b"agi_") for _ in range(3)]
            await until(lambda: len(server._pending) == 3)
            for _ in range(5):
                assert (await FakeAsterisk().call(HOST, server.port)).status == "SUCCESS"
            assert await idle[0].rest() == b"failure busy\n"
            idle += [await Peer.connect(server) for _ in range(50)]
            await until(lambda: not idle[-4].reader.at_eof() and len(server._connections) == 3)
            assert (await FakeAsterisk().call(HOST, server.port)).status == "SUCCESS"
            for peer in idle:
                await peer.close()
    lines = [entry for entry in logs if entry["event"] == "agi.connection_evicted"]
    assert lines[0]["count"] == 1
    assert len(lines) == 2
    assert sum(entry["count"] for entry in lines) >= 50
    assert {entry["peer"] for entry in lines} == {HOST}


def test_a_burst_of_callers_finds_the_places_of_calls_that_there_are_not() -> None:
    async def story() -> None:
        limits = Limits(max_calls=40, max_pending=1)
        with capture_logs() as logs:
            async with Server(quick, port=0, limits=limits) as server:
                calls = [FakeAsterisk().call(HOST, server.port) for _ in range(40)]
                records = await asyncio.gather(*calls)
        assert [record.status for record in records] == ["SUCCESS"] * 40
        assert logs == []

    uvloop.run(story())


async def test_a_refused_peer_that_reads_nothing_waits_among_the_others() -> None:
    limits = Limits(max_calls=1, max_pending=2, close_seconds=60)
    with capture_logs() as logs:
        async with Server(forever, port=0, limits=limits) as server:
            call = await Peer.connect(server, ENVIRONMENT)
            assert await call.line() == b"ANSWER\n"
            refused = [await Peer.connect(server, ENVIRONMENT) for _ in range(40)]
            await until(lambda: len(server._connections) == 3)
            assert server.calls == 1
            for peer in (call, *refused):
                await peer.close()
    busy = [entry["count"] for entry in logs if entry["event"] == "agi.call_refused"]
    assert len(busy) == 2
    assert sum(busy) == 40
