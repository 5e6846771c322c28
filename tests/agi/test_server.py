import asyncio
import gc
import os
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from structlog.testing import capture_logs

from agi_bridge.agi import AGIHangup, Channel, Limits, Server
from agi_bridge.agi.testing import FakeAsterisk

HOST = "127.0.0.1"
ENVIRONMENT = b"agi_network: yes\nagi_request: agi://h/s\nagi_uniqueid: 1.1\n\n"


class Peer:
    """The PBX's end, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, server: Server, data: bytes = b"") -> "Peer":
        peer = cls(*await asyncio.open_connection(HOST, server.port))
        peer.writer.write(data)
        return peer

    async def line(self) -> bytes:
        return await self.reader.readline()

    async def rest(self) -> bytes:
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


async def quick(channel: Channel) -> None:
    await channel.answer()


async def forever(channel: Channel) -> None:
    await channel.answer()
    await asyncio.Event().wait()


async def until(true: Callable[[], bool]) -> None:
    """Let the loop run until something holds that only the server's inside shows."""
    while not true():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the count, nothing else


def test_many_calls_on_uvloop_leave_no_task_and_no_descriptor() -> None:
    async def story() -> None:
        async with Server(quick, port=0) as server:
            fake = FakeAsterisk()
            await fake.call(HOST, server.port)
            tasks, files = len(asyncio.all_tasks()), open_files()
            records = await asyncio.gather(
                *(fake.call(HOST, server.port) for _ in range(50)),
            )
            assert all(record.answered for record in records)
            assert len(asyncio.all_tasks()) == tasks
            assert server.calls == 0
            assert open_files() <= files

    uvloop.run(story())


async def test_a_call_is_handled_and_the_socket_closes_when_the_handler_ends() -> None:
    async with Server(quick, port=0) as server:
        record = await FakeAsterisk().call(HOST, server.port, "x?a=b")
        assert record.names == ["ANSWER"]
        assert record.status == "SUCCESS"
        assert record.protocol_violations == []


async def test_small_writes_are_sent_at_once() -> None:
    found: list[int] = []

    async def handler(channel: Channel) -> None:
        transport = channel._connection._transport
        assert transport is not None
        sock = transport.get_extra_info("socket")
        found.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async with Server(handler, port=0) as server:
        await FakeAsterisk().call(HOST, server.port)
    assert found[0]


@pytest.mark.parametrize("mode", ["line", "silent", "eof"])
async def test_a_hangup_ends_the_handler_in_every_mode(mode: str) -> None:
    told: list[str] = []

    async def handler(channel: Channel) -> None:
        await channel.answer()
        try:
            async with channel.until_hangup():
                await channel.stream_file("long")
        except AGIHangup:
            told.append(mode)

    fake = FakeAsterisk(hangup_at=lambda words: words[0] == "STREAM", hangup_mode=mode)  # type: ignore[arg-type]  # a case
    async with Server(handler, port=0) as server:
        record = await fake.call(HOST, server.port)
        await server.drain(5.0)
    assert told == [mode]
    assert record.status == "HANGUP"


async def test_a_peer_that_resets_in_the_middle_ends_the_handler() -> None:
    ended = asyncio.Event()

    async def handler(channel: Channel) -> None:
        try:
            await channel.answer()
        finally:
            ended.set()

    async with Server(handler, port=0) as server:
        peer = await Peer.connect(server, ENVIRONMENT)
        await peer.line()
        peer.reset()
        await ended.wait()
        await server.drain(1.0)
    gc.collect()


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


def test_what_is_no_network_is_refused() -> None:
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


@pytest.mark.parametrize(
    "flood",
    [
        b"200 result=0\n",
        b"HANGUP\n",
        b"nonsense\n",
        b"100 Trying...\n",
        b"520-Invalid\nusage\n520 End of proper usage.\n",
        b"510 Invalid or unknown command\n",
        b"511 Command Not Permitted on a dead channel or intercept routine\n",
    ],
)
async def test_a_peer_that_answers_what_nobody_asked_is_left(flood: bytes) -> None:
    ended = asyncio.Event()

    async def handler(channel: Channel) -> None:
        await channel.answer()
        try:
            async with channel.shielded():
                await asyncio.Event().wait()
        finally:
            ended.set()

    with capture_logs() as logs:
        async with Server(handler, port=0, limits=Limits(hangup_seconds=0.01)) as server:
            peer = await Peer.connect(server, ENVIRONMENT)
            await peer.line()
            peer.writer.write(b"200 result=0\n" + 200 * flood)
            assert await peer.rest() == b""
            await peer.close()
            await server.drain(0.0)
        await ended.wait()
    assert [entry["reason"] for entry in logs if entry["event"] == "agi.session_aborted"] == [
        "unsolicited_replies"
    ]


async def test_a_long_call_with_some_unsolicited_replies_goes_on() -> None:
    async def handler(channel: Channel) -> None:
        for _ in range(500):
            await channel.exec("Playback", "x")

    async with Server(handler, port=0) as server:
        peer = await Peer.connect(server, ENVIRONMENT)
        for _ in range(500):
            assert (await peer.line()).startswith(b"EXEC")
            peer.writer.write(b"100 Trying...\n200 result=1\n520-Usage\n520 End of proper usage.\n")
        assert await peer.rest() == b""
        await peer.close()


async def test_a_call_that_lasts_too_long_is_ended() -> None:
    with capture_logs() as logs:
        async with Server(forever, port=0, limits=Limits(call_seconds=0.05)) as server:
            record = await FakeAsterisk().call(HOST, server.port)
    assert record.status == "SUCCESS"
    assert "agi.call_cancelled" in [entry["event"] for entry in logs]


# -- handlers that fail -----------------------------------------------------------------------


async def test_a_handlers_error_is_one_line_without_its_text() -> None:
    errors: list[Exception] = []

    async def handler(_channel: Channel) -> None:
        raise KeyError("+14155550123")

    with capture_logs() as logs:
        async with Server(handler, port=0, on_error=lambda _c, e: errors.append(e)) as server:
            record = await FakeAsterisk().call(HOST, server.port)
    assert record.status == "SUCCESS"
    (entry,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert entry["event"] == "agi.handler_failed"
    assert entry["where"].startswith("KeyError at test_server.py:")
    assert "4155550123" not in str(logs)
    assert isinstance(errors[0], KeyError)


async def test_what_failed_in_a_group_of_tasks_is_named_with_its_own_place() -> None:
    async def handler(_channel: Channel) -> None:
        async def task() -> None:
            raise KeyError("+14155550123")

        async with asyncio.TaskGroup() as group:
            group.create_task(task())

    with capture_logs() as logs:
        async with Server(handler, port=0) as server:
            await FakeAsterisk().call(HOST, server.port)
    (entry,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert entry["where"].startswith("KeyError at test_server.py:")
    assert "4155550123" not in str(logs)


async def test_a_hangup_that_nobody_caught_is_no_error() -> None:
    async def handler(channel: Channel) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(channel.stream_file("x"))

    fake = FakeAsterisk(hangup_at=lambda _words: True, hangup_mode="silent")
    with capture_logs() as logs:
        async with Server(handler, port=0) as server:
            await fake.call(HOST, server.port)
    assert "error" not in [entry["log_level"] for entry in logs]


# -- starting and stopping --------------------------------------------------------------------


async def test_draining_closes_the_listener_first_and_lets_calls_end() -> None:
    go_on = asyncio.Event()

    async def handler(channel: Channel) -> None:
        await channel.answer()
        await go_on.wait()
        await channel.set_variable("DONE", "1")

    async with Server(handler, port=0) as server:
        port = server.port
        call = asyncio.create_task(FakeAsterisk().call(HOST, port))
        await until(lambda: server.calls == 1)
        draining = asyncio.create_task(server.drain(30.0))
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="Connect"):
            await FakeAsterisk().call(HOST, port)
        go_on.set()
        await draining
        assert (await call).variables == {"DONE": "1"}


async def test_what_does_not_end_in_time_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def handler(channel: Channel) -> None:
        try:
            await forever(channel)
        finally:
            cancelled.set()

    with capture_logs():
        async with Server(handler, port=0) as server:
            call = asyncio.create_task(FakeAsterisk().call(HOST, server.port))
            await until(lambda: server.calls == 1)
            await server.drain(0.01)
            assert cancelled.is_set()
            assert server.calls == 0
        assert (await call).status == "SUCCESS"


async def test_a_handler_that_will_not_end_is_left_without_its_connection() -> None:
    release = asyncio.Event()
    handled = asyncio.Event()
    waiting = asyncio.Event()

    async def handler(channel: Channel) -> None:
        await channel.answer()
        waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            async with channel.shielded():
                await release.wait()
                handled.set()
            raise

    with capture_logs():
        async with Server(handler, port=0, limits=Limits(hangup_seconds=0.01)) as server:
            call = asyncio.create_task(FakeAsterisk().call(HOST, server.port))
            await waiting.wait()
            await server.drain(0.0)
            assert (await call).answered
            release.set()
            await handled.wait()
            await until(lambda: server.calls == 0)


async def test_draining_takes_a_call_that_has_only_connected() -> None:
    async with Server(quick, port=0) as server:
        peer = await Peer.connect(server, ENVIRONMENT[:10])
        await until(lambda: bool(server._connections))
        draining = asyncio.create_task(server.drain(60.0))
        await asyncio.sleep(0)
        peer.writer.write(ENVIRONMENT[10:])
        assert await peer.line() == b"ANSWER\n"
        peer.writer.write(b"200 result=0\n")
        await draining
        await peer.close()


async def test_draining_waits_for_a_connection_without_a_call_as_for_an_environment() -> None:
    async with Server(quick, port=0, limits=Limits(environment_seconds=0.05)) as server:
        peer = await Peer.connect(server, b"agi_")
        await until(lambda: bool(server._connections))
        await server.drain(60.0)
        assert await peer.rest() == b""
        await peer.close()


async def test_serving_ends_with_the_listener() -> None:
    server = Server(quick, port=0)
    with pytest.raises(RuntimeError, match="entered"):
        await server.serve_forever()
    await server.drain(0)
    assert server.port == 0
    async with server:
        serving = asyncio.create_task(server.serve_forever())
        await asyncio.sleep(0)
        await server.drain(0)
        await serving


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_serving_ends_on_both_event_loops(
    runner: Callable[[Awaitable[None]], None],
) -> None:
    async def story() -> None:
        async with Server(quick, port=0) as server:
            serving = asyncio.create_task(server.serve_forever())
            assert (await FakeAsterisk().call(HOST, server.port)).answered
            await server.drain(1.0)
            await serving

    runner(story())


async def test_a_released_call_goes_on_in_the_dialplan_and_its_handler_sees_a_hangup() -> None:
    seen: list[object] = []
    waiting = asyncio.Event()

    async def handler(channel: Channel) -> None:
        try:
            async with channel.until_hangup():
                waiting.set()
                await forever(channel)
        except AGIHangup:
            seen.extend([channel.released, channel.hung_up])
            with pytest.raises(AGIHangup):
                await channel.set_variable("DONE", "1")

    async with Server(handler, port=0) as server:
        call = asyncio.create_task(FakeAsterisk().call(HOST, server.port))
        await waiting.wait()
        assert server.release_calls() == 1
        assert (await call).status == "SUCCESS"
        await server.finished.wait()
    assert seen == [True, True]


async def test_what_a_released_call_shields_ends_before_the_server_is_finished() -> None:
    go_on, shielding = asyncio.Event(), asyncio.Event()
    stored: list[str] = []

    async def handler(channel: Channel) -> None:
        async with channel.shielded():
            shielding.set()
            await go_on.wait()
            stored.append("outcome")

    async with Server(handler, port=0) as server:
        call = asyncio.create_task(FakeAsterisk().call(HOST, server.port))
        await shielding.wait()
        assert server.release_calls() == 1
        await call  # the caller does not wait for it
        draining = asyncio.create_task(server.drain(30.0))
        await until(lambda: not server._connections)
        assert not draining.done()
        assert server.release_calls() == 0
        go_on.set()
        await draining
    assert stored == ["outcome"]


async def test_releasing_drops_connections_that_are_no_calls_yet() -> None:
    async with Server(quick, port=0) as server:
        peer = await Peer.connect(server, ENVIRONMENT[:10])
        await until(lambda: bool(server._connections))
        assert server.release_calls() == 0
        await server.finished.wait()
        await peer.close()


async def test_a_caller_who_has_hung_up_is_not_released_as_well() -> None:
    released: list[bool] = []

    async def handler(channel: Channel) -> None:
        try:
            async with channel.until_hangup():
                await forever(channel)
        except AGIHangup:
            channel.release()
            released.append(channel.released)

    async with Server(handler, port=0) as server:
        await FakeAsterisk(hangup_at=lambda _words: True).call(HOST, server.port)
        await server.finished.wait()
    assert released == [False]


async def test_new_limits_hold_for_calls_that_begin_after_them() -> None:
    async with Server(forever, port=0) as server:
        first = asyncio.create_task(FakeAsterisk().call(HOST, server.port))
        await until(lambda: server.calls == 1)
        server.reconfigure(Limits(max_calls=1), frozenset())
        with capture_logs() as logs:
            assert (await FakeAsterisk().call(HOST, server.port)).status == "FAILURE"
        assert [entry["event"] for entry in logs] == ["agi.call_refused"]
        assert server.calls == 1
        server.release_calls()
        await first
