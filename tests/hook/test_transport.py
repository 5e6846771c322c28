"""The transport reports what left this machine, and keeps or closes its connections."""

from __future__ import annotations

import asyncio
import errno
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agi_bridge.hook import HookClient, Outcome, Submission, transport
from tests.support.hook_servers import (
    CERTIFICATE,
    DIAL,
    Connection,
    Script,
    answering,
    answers,
    closes,
    closes_after_the_request,
    http,
    never_answers,
    resets,
    server_tls,
    serving,
    submit,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.hook.connection import Connection as HookConnection
    from agi_bridge.hook.resolver import Address


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
            connection._transport = _CountingTransport(real, counted)  # type: ignore[assignment]  # duck-typed
            return connection

        return connect


class _CountingTransport:
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
    def fail() -> None:
        raise error

    return fail


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


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("Keep-Alive: timeout=5", 4.0),
        ("Keep-Alive: max=100, Timeout = 75", 15.0),
        ("Keep-Alive: timeout=999999999999999999999", 15.0),
        ("Keep-Alive: timeout=soon", 15.0),
        ("X-Other: timeout=5", 15.0),
        ("Keep-Alive: timeout=0", None),
    ],
)
async def test_a_kept_connection_ends_before_the_server_says_that_it_would_end_it(
    header: str, kept: float | None
) -> None:
    """Else a request could cross with the server's end, and nobody would know its outcome."""
    answer = http("200 OK", b"<Response><Say>Hello</Say></Response>", header)
    async with (
        serving(answering([], answer)) as server,
        HookClient(server.url, keepalive=True) as client,
    ):
        before = asyncio.get_running_loop().time()
        await submit(client)
        after = asyncio.get_running_loop().time()
        assert client._transport is not None
        ends = [timer.when() for timer in client._transport._expiry.values()]
    if kept is None:
        assert ends == []
    else:
        # uvloop counts in whole milliseconds
        assert before + kept - 0.01 <= ends[0] <= after + kept + 0.01


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
