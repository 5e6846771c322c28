"""The transport knows what left this machine, asks the gate, and is held by no server."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agi_bridge.hook import HookClient, Outcome, Submission, resolver, transport
from agi_bridge.hook import connection as hook_connection
from agi_bridge.hook.response import MAX_FRAMING, MAX_HEAD
from agi_bridge.hook.testing import VendorResponse
from tests.support.hook_servers import (
    CERTIFICATE,
    Connection,
    Script,
    answering,
    closed_port,
    http,
    server_tls,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.hook import Gate
    from agi_bridge.hook.connection import Connection as HookConnection
    from agi_bridge.hook.resolver import Address

DIAL = http("200 OK", VendorResponse.dial("+14155550199").encode())


async def submit(client: HookClient, gate: Gate | None = None) -> Submission:
    return await client.submit(from_="+14151234560", to="+14151234567", key="k", gate=gate)


# Handed over or not: counted where the request meets the connection, TLS or not


class Counted:
    """Counts the bytes that are handed to connections, and does to them what a test asks for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = 0
        self.writes = 0
        self._open = transport.HookTransport._connect
        monkeypatch.setattr(transport.HookTransport, "_connect", self._connect(self))
        self.when_open: Callable[[], None] = lambda: None
        self.when_written: Callable[[], None] = lambda: None

    @staticmethod
    def _connect(counted: Counted) -> Callable[..., Any]:
        async def connect(
            self: transport.HookTransport, addresses: list[Address], server_name: str | None
        ) -> HookConnection:
            counted.when_open()
            connection = await counted._open(self, addresses, server_name)
            real = connection._transport
            assert real is not None
            connection._transport = _Tap(real, counted)  # type: ignore[assignment]  # duck-typed
            return connection

        return connect


class _Tap:
    def __init__(self, real: asyncio.Transport, counted: Counted) -> None:
        self._real = real
        self._counted = counted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def write(self, data: bytes) -> None:
        self._counted.writes += 1
        self._counted.bytes += len(data)
        self._counted.when_written()
        self._real.write(data)


def _raising(error: BaseException) -> Callable[[], None]:
    def strike() -> None:
        raise error

    return strike


async def closes(_connection: Connection) -> None:
    return


async def resets(connection: Connection) -> None:
    connection.reset()


async def closes_after_the_request(connection: Connection) -> None:
    await connection.request()


async def answers(connection: Connection) -> None:
    await connection.request()
    await connection.send(DIAL)


async def never_answers(connection: Connection) -> None:
    await connection.gone()


SERVERS: dict[str, Script] = {
    "closes": closes,
    "resets": resets,
    "closes after the request": closes_after_the_request,
    "answers": answers,
    "never answers": never_answers,
}
FAULTS: dict[str, BaseException] = {
    "none": LookupError(),  # not raised
    "refused": ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
    "certificate": ssl.SSLCertVerificationError("x"),
    "tls": ssl.SSLError("x"),
    "unreachable": OSError(errno.ENETUNREACH, "x"),
    "of the loop": RuntimeError("x"),
    "of ours": LookupError("x"),
}


class ScriptedGate:
    """A gate that counts how often it was asked and does what its name says."""

    def __init__(self, does: str) -> None:
        self.does = does
        self.asked = 0

    async def __call__(self) -> str | None:
        self.asked += 1
        match self.does:
            case "waits":
                for _ in range(5):
                    await asyncio.sleep(0)
            case "fails":
                raise LookupError
            case "hangs":
                await asyncio.Event().wait()
            case "refuses":
                return "revoked"
        return None


@dataclass(frozen=True)
class Scene:
    """One attempt, and what happens to it."""

    server: str
    opening: str
    writing: str
    gate: str
    tls: bool


SCENES = st.builds(
    Scene,
    server=st.sampled_from(sorted(SERVERS)),
    opening=st.sampled_from(sorted(FAULTS)),
    writing=st.sampled_from(["none", "unreachable", "of ours"]),
    gate=st.sampled_from(["none", "passes", "waits", "refuses", "fails", "hangs"]),
    tls=st.booleans(),
)


async def played(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> tuple[Submission, Counted, ScriptedGate]:
    counted, gate = Counted(monkeypatch), ScriptedGate(scene.gate)
    if scene.opening != "none":
        counted.when_open = _raising(FAULTS[scene.opening])
    if scene.writing != "none":
        counted.when_written = _raising(FAULTS[scene.writing])
    async with (
        serving(SERVERS[scene.server], server_tls() if scene.tls else None) as there,
        HookClient(there.url, ca_file=str(CERTIFICATE), total_seconds=0.3) as client,
    ):
        result = await submit(client, None if scene.gate == "none" else gate)
    return result, counted, gate


@given(SCENES)
@settings(max_examples=60, deadline=None)
def test_not_sent_is_said_only_if_not_a_byte_was_handed_over(scene: Scene) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        result, counted, gate = asyncio.run(played(scene, monkeypatch))
    if result.outcome is Outcome.NOT_SENT:
        assert counted.bytes == 0
    assert counted.writes <= 1, "sent once or not at all"
    if scene.gate in {"refuses", "fails", "hangs"} or scene.opening != "none":
        assert (counted.bytes, result.outcome) == (0, Outcome.NOT_SENT)
    if scene.gate != "none" and counted.bytes:
        assert gate.asked, "nothing leaves before the gate was asked"


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("steps", range(0, 40, 3))
async def test_a_submission_that_is_cancelled_anywhere_has_sent_all_or_nothing(
    steps: int, monkeypatch: pytest.MonkeyPatch, *, tls: bool
) -> None:
    counted = Counted(monkeypatch)
    async with (
        serving(never_answers, server_tls() if tls else None) as server,
        HookClient(server.url, ca_file=str(CERTIFICATE)) as client,
    ):
        task = asyncio.create_task(submit(client))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert counted.writes <= 1


# The gate


async def test_the_gate_is_asked_when_the_connection_is_there_and_nothing_was_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = Counted(monkeypatch)
    seen: list[tuple[int, int]] = []

    async def gate() -> str | None:
        seen.append((server.connections, counted.bytes))
        return None

    async with serving(answers) as server, HookClient(server.url) as client:
        first_look = asyncio.Event()

        async def slow_gate() -> str | None:
            while not server.connections:  # noqa: ASYNC110 - accepted, which nobody announces
                await asyncio.sleep(0)
            first_look.set()
            return await gate()

        result = await submit(client, slow_gate)
    assert (result.outcome, result.attempts, result.held_back) == (Outcome.ACCEPTED, 1, False)
    assert seen == [(1, 0)]


async def test_a_gate_that_refuses_gives_its_reason_and_nothing_is_tried_again() -> None:
    asked = 0

    async def gate() -> str | None:
        nonlocal asked
        asked += 1
        return "revoked"

    requests: list[bytes] = []
    async with serving(answering(requests, DIAL)) as server, HookClient(server.url) as client:
        result = await submit(client, gate)
    assert (result.outcome, result.reason) == (Outcome.NOT_SENT, "revoked")
    assert (result.held_back, result.attempts, asked, requests) == (True, 1, 1, [])


async def test_each_attempt_asks_the_gate_of_its_own_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = asyncio.Event()

    async def leaves_first(connection: Connection) -> None:
        if server.connections > 1:
            await answers(connection)
        else:
            connection.writer.close()
            gone.set()

    asked = 0
    opened: list[HookConnection] = []
    real = transport.HookTransport._connect

    async def noted(*arguments: Any) -> HookConnection:
        opened.append(await real(*arguments))
        return opened[-1]

    monkeypatch.setattr(transport.HookTransport, "_connect", noted)

    async def gate() -> str | None:
        nonlocal asked
        asked += 1
        if asked == 1:
            await gone.wait()
            while opened[0].usable:  # noqa: ASYNC110 - the end of a connection is not announced
                await asyncio.sleep(0)
        return None

    async with serving(leaves_first) as server, HookClient(server.url) as client:
        result = await submit(client, gate)
    # The first connection was closed while the gate looked: known, so nothing was risked.
    assert (result.outcome, result.attempts, asked) == (Outcome.ACCEPTED, 2, 2)


async def test_a_gate_that_fails_holds_the_request_back_and_is_asked_again() -> None:
    asked = 0

    async def gate() -> str | None:
        nonlocal asked
        asked += 1
        raise LookupError

    requests: list[bytes] = []
    async with serving(answering(requests, DIAL)) as server, HookClient(server.url) as client:
        result = await submit(client, gate)
    assert (result.outcome, result.reason, result.held_back) == (
        Outcome.NOT_SENT,
        "gate_failed",
        True,
    )
    assert requests == []


async def test_a_gate_that_hangs_ends_with_the_deadline() -> None:
    requests: list[bytes] = []
    async with (
        serving(answering(requests, DIAL)) as server,
        HookClient(server.url, total_seconds=0.1) as client,
    ):
        result = await submit(client, asyncio.Event().wait)  # type: ignore[arg-type]  # for ever
    assert (result.outcome, result.reason, requests) == (Outcome.NOT_SENT, "gate_timeout", [])


# Kept connections


async def test_a_kept_connection_that_closes_while_the_gate_looks_is_replaced() -> None:
    async def once(connection: Connection) -> None:
        await connection.request()
        await connection.send(DIAL)
        await leave.wait()

    leave = asyncio.Event()
    asked = 0
    async with serving(once) as server, HookClient(server.url, keepalive=True) as client:
        await submit(client)
        assert client._transport is not None
        (kept,) = client._transport._expiry

        async def gate() -> str | None:
            nonlocal asked
            asked += 1
            leave.set()
            while kept.usable:  # noqa: ASYNC110 - a kept connection tells nobody
                await asyncio.sleep(0)
            return None

        result = await submit(client, gate)
    assert (result.outcome, result.attempts) == (Outcome.ACCEPTED, 1)
    assert (server.connections, asked) == (2, 2)


@pytest.mark.parametrize(
    "answer",
    [DIAL + b"HTTP/1.1 200 OK\r\n\r\n", http("200 OK", b"<Response/>", "Connection: close")],
)
async def test_a_connection_that_ends_otherwise_than_asked_is_not_kept(answer: bytes) -> None:
    async with (
        serving(answering([], answer)) as server,
        HookClient(server.url, keepalive=True) as client,
    ):
        for _ in range(2):
            assert (await submit(client)).status == 200
        assert client._transport is not None
        assert not client._transport._expiry
    assert server.connections == 2


async def test_kept_connections_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "IDLE_SECONDS", 0.0)
    async with serving(never_after_one) as server, HookClient(server.url, keepalive=True) as client:
        await submit(client)
        await server.left.wait()  # the server saw the end while the client is still open
        await submit(client)
    assert server.connections == 2


async def never_after_one(connection: Connection) -> None:
    await answers(connection)
    await connection.gone()


async def test_submissions_at_the_same_time_share_no_connection() -> None:
    both = asyncio.Barrier(2)

    async def together(connection: Connection) -> None:
        await connection.request()
        await both.wait()
        await connection.send(DIAL)
        await connection.gone()

    async with serving(together) as server, HookClient(server.url, keepalive=True) as client:
        results = await asyncio.gather(submit(client), submit(client))
        assert client._transport is not None
        assert len(client._transport._expiry) == 2
    assert {result.outcome for result in results} == {Outcome.ACCEPTED}
    assert server.connections == 2


# Addresses


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


# Hostile servers: they get neither the loop nor the memory


@pytest.mark.parametrize(
    ("head", "again"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"a"),
    ],
    ids=["1xx", "headers", "chunk extension", "chunk", "body"],
)
async def test_a_flood_ends_after_a_bounded_number_of_bytes(
    head: bytes, again: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    real = hook_connection.Connection.data_received

    def counting(self: HookConnection, data: bytes) -> None:
        taken.append(len(data))
        real(self, data)

    monkeypatch.setattr(hook_connection.Connection, "data_received", counting)

    async def flood(connection: Connection) -> None:
        await connection.request()
        await connection.send(head)
        piece = again * (65_536 // len(again))
        while not connection.writer.is_closing():
            await connection.send(piece)

    async with serving(flood) as server, HookClient(server.url, total_seconds=60) as client:
        result = await submit(client)
        await server.left.wait()
    assert result.outcome is Outcome.UNKNOWN
    assert result.reason in {"bad_http", "too_large"}
    limit = MAX_HEAD + MAX_FRAMING + 65_536
    assert sum(taken[:-1]) <= limit, "nothing is read beyond the piece that passed the limit"


async def test_other_submissions_go_on_beside_a_flood() -> None:
    """Counted in turns of the loop: each piece of the flood costs one, and no more."""

    async def flood(connection: Connection) -> None:
        await connection.request()
        while not connection.writer.is_closing():
            await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    async with (
        serving(flood) as hostile,
        serving(answers) as server,
        HookClient(hostile.url, total_seconds=60) as attacked,
        HookClient(server.url) as client,
    ):
        floods = [asyncio.create_task(submit(attacked)) for _ in range(5)]
        assert (await submit(client)).outcome is Outcome.ACCEPTED
        results = await asyncio.gather(*floods)
    assert {(r.outcome, r.reason) for r in results} == {(Outcome.UNKNOWN, "bad_http")}
