"""What a call is to the server: its handler, its connection, its errors, its limits."""

import asyncio
import gc
import os
import socket

import pytest
import uvloop
from structlog.testing import capture_logs

from agi_bridge.agi import AGIHangup, Channel, Limits, Server
from agi_bridge.agi.testing import FakeAsterisk
from tests.support.agi_peer import ENVIRONMENT, HOST, Peer, forever, quick


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
    events: list[str] = []

    async def handler(channel: Channel) -> None:
        await channel.answer()
        try:
            async with channel.until_hangup():
                await channel.stream_file("long")
        except AGIHangup:
            events.append(mode)

    fake = FakeAsterisk(hangup_at=lambda words: words[0] == "STREAM", hangup_mode=mode)  # type: ignore[arg-type]  # a case
    async with Server(handler, port=0) as server:
        record = await fake.call(HOST, server.port)
        await server.drain(5.0)
    assert events == [mode]
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
    assert record.status == "FAILURE"  # the dialplan can act on it
    (entry,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert entry["event"] == "agi.handler_failed"
    assert entry["where"].startswith("KeyError at test_server.py:")
    assert "reason" not in entry
    assert "4155550123" not in str(logs)
    assert isinstance(errors[0], KeyError)


async def test_of_our_own_errors_the_handlers_line_is_named_and_their_code() -> None:
    async def handler(channel: Channel) -> None:
        await channel.answer()
        await channel.stream_file("not-there")

    with capture_logs() as logs:
        async with Server(handler, port=0) as server:
            await FakeAsterisk(sounds={}).call(HOST, server.port)
    (entry,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert entry["where"].startswith("AGIAppError at test_server.py:")
    assert entry["reason"] == "sound_missing"


async def test_a_handler_that_fails_while_a_command_runs_waits_for_nothing() -> None:
    async def handler(channel: Channel) -> None:
        async with asyncio.timeout(0.01):
            await channel.wait_for_digit(60)

    fake = FakeAsterisk(pace=1.0)
    async with Server(handler, port=0) as server:
        record = await fake.call(HOST, server.port)
    assert record.status == "SUCCESS"  # Asterisk reads no line before the command's end


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


async def test_a_hangup_that_nobody_caught_is_not_an_error() -> None:
    async def handler(channel: Channel) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(channel.stream_file("x"))

    fake = FakeAsterisk(hangup_at=lambda _words: True, hangup_mode="silent")
    with capture_logs() as logs:
        async with Server(handler, port=0) as server:
            await fake.call(HOST, server.port)
    assert "error" not in [entry["log_level"] for entry in logs]
