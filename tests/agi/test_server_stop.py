"""How a server ends, drains and releases calls."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from structlog.testing import capture_logs

from agi_bridge.agi import AGIHangup, Channel, Limits, Server
from agi_bridge.agi.testing import FakeAsterisk
from tests.support.agi_peer import ENVIRONMENT, HOST, Peer, forever, quick, until

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
