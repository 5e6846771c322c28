"""A connection made ahead: nothing is sent on it before, and a submission never depends on it."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.hook import HookClient, HookClosedError, Outcome, Submission, SubmissionRequest
from agi_bridge.hook import preparation as preparation_module
from agi_bridge.hook.testing import VendorResponse
from agi_bridge.hook.transport import HookTransport
from tests.support.hook_servers import (
    CERTIFICATE,
    Connection,
    Server,
    answering,
    closed_port,
    http,
    never_answers,
    server_tls,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agi_bridge.hook import Preparation

DIAL = http("200 OK", VendorResponse.dial("+14155550199").encode())


async def submit(client: HookClient, prepared: Preparation | None) -> Submission:
    return await client.submit(
        SubmissionRequest(from_="+14151234560", to="+14151234567", key="k", prepared=prepared)
    )


async def ready(preparation: Preparation) -> None:
    preparation.start()
    while preparation._opening is not None:  # noqa: ASYNC110 - nobody announces it
        await asyncio.sleep(0)


def client_of(server: Server, seconds: float = 30.0, *, keepalive: bool = False) -> HookClient:
    return HookClient(
        server.url, ca_file=str(CERTIFICATE), prepare_seconds=seconds, keepalive=keepalive
    )


@pytest.fixture(params=[False, True], ids=["http", "https"])
async def requests_and_server(
    request: pytest.FixtureRequest,
) -> AsyncIterator[tuple[list[bytes], Server]]:
    requests: list[bytes] = []
    tls = server_tls() if request.param else None
    async with serving(answering(requests, DIAL), tls) as server:
        yield requests, server


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When each attempt to connect began."""
    times: list[float] = []
    open_ = HookTransport._open

    async def noted(self: HookTransport, *arguments: Any) -> Any:
        times.append(asyncio.get_running_loop().time())
        return await open_(self, *arguments)

    monkeypatch.setattr(HookTransport, "_open", noted)
    return times


async def refused(*_: object) -> Any:
    """Connect to a port that nobody listens on."""
    raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")


async def test_a_submission_uses_the_connection_that_was_made_ahead(
    requests_and_server: tuple[list[bytes], Server],
) -> None:
    requests, server = requests_and_server
    async with client_of(server) as client:
        preparation = client.prepare()
        await ready(preparation)
        assert requests == []
        result = await submit(client, preparation)
        assert (result.outcome, result.attempts) == (Outcome.ACCEPTED, 1)
        assert (len(requests), server.connections) == (1, 1)


async def test_a_connection_that_is_still_being_made_is_waited_for(
    requests_and_server: tuple[list[bytes], Server],
) -> None:
    requests, server = requests_and_server
    async with client_of(server) as client:
        preparation = client.prepare()
        preparation.start()
        preparation.start()
        result = await submit(client, preparation)
        assert result.outcome is Outcome.ACCEPTED
        assert (len(requests), server.connections) == (1, 1)


async def test_it_serves_one_submission_only() -> None:
    requests: list[bytes] = []
    async with serving(answering(requests, DIAL)) as server, client_of(server) as client:
        preparation = client.prepare()
        for _ in range(2):
            preparation.start()
            assert (await submit(client, preparation)).outcome is Outcome.ACCEPTED
        assert (len(requests), server.connections) == (2, 2)


@pytest.mark.parametrize("ends", ["fin", "rst", "speaks"])
async def test_one_that_the_server_has_ended_is_dropped_and_a_fresh_one_made(ends: str) -> None:
    async def script(connection: Connection) -> None:
        if server.connections > 1:
            await connection.request()
            await connection.send(DIAL)
        elif ends == "speaks":
            await connection.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
            await connection.gone()
        elif ends == "rst":
            connection.reset()

    async with serving(script) as server, client_of(server) as client:
        preparation = client.prepare()
        await ready(preparation)
        connection = preparation._connection
        assert connection is not None
        while connection.usable:  # noqa: ASYNC110 - the end of a connection is not announced
            await asyncio.sleep(0)
        result = await submit(client, preparation)
    assert (result.outcome, result.attempts, server.connections) == (Outcome.ACCEPTED, 1, 2)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_one_whose_end_only_the_kernel_knows_carries_no_request(*, tls: bool) -> None:
    """The loop is busy when the server gives up; a request then would have no known outcome."""
    requests: list[bytes] = []
    accepted = asyncio.Event()
    first: list[Connection] = []

    async def script(connection: Connection) -> None:
        if not first:
            first.append(connection)
            accepted.set()
            await connection.gone()
            return
        requests.append(await connection.request())
        await connection.send(DIAL)

    asked: list[int] = []

    async def server_gives_up() -> None:
        asked.append(len(asked))
        if len(asked) > 1:
            return
        handle = first[0].writer.get_extra_info("socket").fileno()
        with socket.socket(fileno=os.dup(handle)) as sock:
            sock.shutdown(socket.SHUT_WR)  # at once: what the loop knows is from before

    server_context = server_tls() if tls else None
    async with serving(script, server_context) as server, client_of(server) as client:
        preparation = client.prepare()
        await ready(preparation)
        await accepted.wait()
        result = await client.submit(
            SubmissionRequest(
                from_="+14151234560",
                to="+14151234567",
                key="k",
                gate=server_gives_up,
                prepared=preparation,
            )
        )
    assert (result.outcome, result.attempts, len(requests)) == (Outcome.ACCEPTED, 1, 1)


async def test_one_that_nobody_has_used_in_time_is_closed_and_can_be_made_again() -> None:
    requests: list[bytes] = []
    async with serving(answering(requests, DIAL)) as server, client_of(server, 0.01) as client:
        preparation = client.prepare()
        await ready(preparation)
        await server.left.wait()  # closed from our side
        await ready(preparation)
        assert server.connections == 2
        preparation.close()
    assert requests == []


async def test_closing_leaves_no_connection_and_makes_none() -> None:
    async with serving(answering([], DIAL)) as server, client_of(server) as client:
        for _ in range(2):
            preparation = client.prepare()
            await ready(preparation)
            server.left.clear()
            preparation.close()
            await server.left.wait()
            await ready(preparation)
        assert server.connections == 2
        waiting = client.prepare()
        waiting.start()
        waiting.close()
        assert await waiting.take() is None


async def test_a_hook_that_cannot_be_reached_is_found_so_by_the_submission(
    opened: list[float],
) -> None:
    """What failed ahead is the first attempt; one more is made, not two."""
    held, port = closed_port()
    with held:
        url = f"http://127.0.0.1:{port}/v1/ivr"
        async with HookClient(url, prepare_seconds=30) as client:
            preparation = client.prepare()
            await ready(preparation)
            result = await submit(client, preparation)
    assert (result.outcome, result.reason, result.attempts) == (
        Outcome.NOT_SENT,
        "connection_refused",
        2,
    )
    assert len(opened) == 2


async def test_one_that_fails_while_the_submission_waits_for_it_is_its_first_attempt(
    opened: list[float],
) -> None:
    async with (
        serving(never_answers) as server,
        HookClient(
            server.url.replace("http", "https"), connect_seconds=0.05, prepare_seconds=30
        ) as client,
    ):
        preparation = client.prepare()
        preparation.start()
        result = await submit(client, preparation)
    assert (result.outcome, result.reason) == (Outcome.NOT_SENT, "connect_timeout")
    assert (result.attempts, len(opened)) == (2, 2)


async def test_a_hook_that_comes_back_after_a_failed_preparation_gets_the_request(
    opened: list[float],
) -> None:
    held, port = closed_port()
    requests: list[bytes] = []
    async with HookClient(f"http://127.0.0.1:{port}/", prepare_seconds=30) as client:
        preparation = client.prepare()
        with held:
            await ready(preparation)
        async with serving(answering(requests, DIAL), port=port):
            result = await submit(client, preparation)
            assert (result.outcome, result.attempts) == (Outcome.ACCEPTED, 2)
            again = await submit(client, preparation)
    assert (again.outcome, again.attempts) == (Outcome.ACCEPTED, 1)
    assert (len(requests), len(opened)) == (2, 3)


async def test_what_failed_longer_ago_says_nothing_about_now(
    opened: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation_module, "RECENT_SECONDS", -1.0)
    held, port = closed_port()
    with held:
        async with HookClient(f"http://127.0.0.1:{port}/", prepare_seconds=30) as client:
            preparation = client.prepare()
            await ready(preparation)
            assert (await submit(client, preparation)).attempts == 2
    assert len(opened) == 3


async def test_a_kept_connection_serves_where_one_ahead_could_not_be_made(
    opened: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another call's has become free since."""
    requests: list[bytes] = []
    async with (
        serving(answering(requests, DIAL)) as server,
        client_of(server, keepalive=True) as client,
    ):
        assert client._transport is not None
        preparation = client.prepare()
        with monkeypatch.context() as context:
            context.setattr(client._transport, "_connect", refused)
            await ready(preparation)
        await submit(client, None)
        result = await submit(client, preparation)
    assert (result.outcome, result.attempts) == (Outcome.ACCEPTED, 1)
    assert (len(requests), len(opened)) == (2, 2)


async def test_none_is_made_where_the_setting_says_so() -> None:
    async with serving(answering([], DIAL)) as server:
        async with client_of(server, 0) as client:
            await ready(client.prepare())
        assert server.connections == 0


async def test_a_kept_connection_is_kept_for_one_caller_and_the_others_get_their_own(
    opened: list[float],
) -> None:
    async with serving(answering([], DIAL)) as server, client_of(server, keepalive=True) as client:
        await submit(client, None)
        callers = [client.prepare() for _ in range(5)]
        for each in callers:
            await ready(each)
        assert len(opened) == server.connections == 5  # one of them was there
        results = await asyncio.gather(*(submit(client, each) for each in callers))
        assert {result.outcome for result in results} == {Outcome.ACCEPTED}
        assert len(opened) == 5  # nobody had to connect after pressing 1


async def test_what_a_caller_did_not_need_is_kept_for_the_next_one_no_longer_than_it_may_be(
    opened: list[float],
) -> None:
    async with serving(answering([], DIAL)) as server, client_of(server, keepalive=True) as client:
        await submit(client, None)
        assert client._transport is not None
        [(kept, timer)] = client._transport._expiry.items()
        preparation = client.prepare()
        await ready(preparation)
        assert client._transport._expiry == {}
        preparation.close()
        [(again, later)] = client._transport._expiry.items()
        assert again is kept
        assert abs(later.when() - timer.when()) <= 0.01  # uvloop counts in whole milliseconds
        assert (await submit(client, None)).outcome is Outcome.ACCEPTED
        assert len(opened) == 1
        await ready(preparation := client.prepare())
        await client._transport.aclose()
        preparation.close()
        await server.left.wait()
        assert client._transport._expiry == {}


async def test_one_that_was_never_used_is_kept_no_longer_than_it_would_have_waited() -> None:
    """A server, or what stands before it, may give a connection only seconds to its request."""
    async with (
        serving(answering([], DIAL)) as server,
        client_of(server, 5.0, keepalive=True) as client,
    ):
        assert client._transport is not None
        await ready(preparation := client.prepare())
        preparation.close()
        [timer] = client._transport._expiry.values()
        assert timer.when() <= asyncio.get_running_loop().time() + 5.01


async def test_a_connection_whose_response_comes_after_the_end_is_not_kept() -> None:
    answer = asyncio.Event()

    async def slow(connection: Connection) -> None:
        await connection.request()
        await answer.wait()
        await connection.send(DIAL)
        await connection.gone()

    async with serving(slow) as server, client_of(server, keepalive=True) as client:
        assert client._transport is not None
        submitted = asyncio.create_task(submit(client, None))
        while not server.connections:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0)
        await client._transport.aclose()
        answer.set()
        assert (await submitted).outcome is Outcome.ACCEPTED
        await server.left.wait()
        assert client._transport._expiry == {}


async def test_one_is_made_where_the_kept_one_has_ended() -> None:
    """Otherwise a quiet line, whose kept connections always end between calls, never has one."""

    async def once(connection: Connection) -> None:
        await connection.request()
        await connection.send(DIAL)

    async with serving(once) as server, client_of(server, keepalive=True) as client:
        await submit(client, None)
        assert client._transport is not None
        (kept,) = client._transport._expiry
        preparation = client.prepare()  # when the call begins
        while kept.usable:  # noqa: ASYNC110 - a kept connection tells nobody
            await asyncio.sleep(0)
        await ready(preparation)
        assert server.connections == 2
        assert (await submit(client, preparation)).attempts == 1
    assert server.connections == 2


async def test_a_gate_is_asked_on_a_prepared_connection_too() -> None:
    async def refuses() -> str:
        return "revoked"

    requests: list[bytes] = []
    async with serving(answering(requests, DIAL)) as server, client_of(server) as client:
        preparation = client.prepare()
        await ready(preparation)
        result = await client.submit(
            SubmissionRequest(
                from_="+14151234560", to="+1", key="k", gate=refuses, prepared=preparation
            )
        )
        await server.left.wait()
    assert (result.outcome, result.reason, requests) == (Outcome.NOT_SENT, "revoked", [])


async def test_a_client_that_is_not_open_prepares_nothing() -> None:
    with pytest.raises(HookClosedError):
        HookClient("https://example.com/v1/ivr").prepare()
