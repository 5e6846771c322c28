"""The control socket: who may ask, what is answered, and what nobody can break with it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from agi_bridge import control_client
from agi_bridge.app import control
from agi_bridge.app.control import ControlSocket, Peer, Request
from agi_bridge.control_client import RUNTIME_VARIABLE, SOCKET_NAME, ControlError, ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_runtime_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RUNTIME_VARIABLE, raising=False)


@pytest.fixture(autouse=True)
def _time_for_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No limit falls because the machine has something else to do, or stood still."""
    monkeypatch.setattr(control, "_REQUEST_SECONDS", 60.0)


def echo(request: Request) -> dict[str, Any]:
    return {"name": request.name, "given": dict(request.arguments), "pid": request.peer.pid}


@asynccontextmanager
async def service(state_dir: Path, **handlers: control.Handler) -> AsyncIterator[ControlSocket]:
    async with ControlSocket(state_dir, {"echo": echo, **handlers}) as running:
        yield running


async def asked(state_dir: Path, name: str = "echo", **arguments: Any) -> dict[str, Any]:
    return await asyncio.to_thread(ask, state_dir, name, seconds=60.0, **arguments)


async def refusal(state_dir: Path, name: str = "echo", **arguments: Any) -> str:
    with pytest.raises(ControlError) as caught:
        await asked(state_dir, name, **arguments)
    assert "\n" not in str(caught.value)
    return caught.value.code


async def raw(state_dir: Path, data: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(state_dir / SOCKET_NAME))
    writer.write(data)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_request_reaches_its_handler_with_arguments_and_the_asking_process(
    tmp_path: Path,
) -> None:
    async with service(tmp_path):
        answer = await asked(tmp_path, language="en")
    assert answer == {"name": "echo", "given": {"language": "en"}, "pid": os.getpid()}


async def test_a_handler_may_wait(tmp_path: Path) -> None:
    async def slow(_: Request) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"waited": True}

    async with service(tmp_path, slow=slow):
        assert await asked(tmp_path, "slow") == {"waited": True}


async def test_only_the_account_of_the_service_may_connect(tmp_path: Path) -> None:
    async with service(tmp_path):
        assert stat.S_IMODE((tmp_path / SOCKET_NAME).stat().st_mode) == 0o600


async def test_another_account_that_connects_all_the_same_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Request] = []

    def hear(request: Request) -> dict[str, Any]:
        heard.append(request)
        return {}

    monkeypatch.setattr(control, "_peer", lambda _: Peer(pid=4, uid=os.geteuid() + 4000))
    with structlog.testing.capture_logs() as log:
        async with service(tmp_path, heard=hear):
            assert await refusal(tmp_path, "heard") == "not_allowed"
            assert await refusal(tmp_path, "heard") == "not_allowed"
    assert heard == []
    assert [line["count"] for line in log if line["event"] == "control.peer_refused"] == [1, 1]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"", "bad_request"),
        (b"status\n", "bad_request"),
        (b"[]\n", "bad_request"),
        (b'{"request": 5}\n', "bad_request"),
        (b'{"request": "echo", "arguments": []}\n', "bad_request"),
        (b"[" * 10_000 + b"\n", "bad_request"),
        (b"x" * 200_000, "bad_request"),
        (b'{"request": "launch"}\n', "unknown_request"),
    ],
)
async def test_nonsense_is_answered_by_a_code(tmp_path: Path, sent: bytes, code: str) -> None:
    async with service(tmp_path):
        assert json.loads(await raw(tmp_path, sent))["error"]["code"] == code
        assert (await asked(tmp_path))["name"] == "echo"


async def test_a_handler_that_breaks_is_one_line_of_the_log_and_the_next_is_served(
    tmp_path: Path,
) -> None:
    def broken(_: Request) -> dict[str, Any]:
        raise LookupError("+14155550123")

    with structlog.testing.capture_logs() as log:
        async with service(tmp_path, broken=broken):
            with pytest.raises(ControlError, match="log") as caught:
                await asked(tmp_path, "broken")
            assert (await asked(tmp_path))["name"] == "echo"
    assert caught.value.code == "failed"
    assert [line["request"] for line in log if line["event"] == "control.request_failed"] == [
        "broken"
    ]


async def test_a_handler_may_refuse_by_a_code_of_its_own(tmp_path: Path) -> None:
    def refusing(_: Request) -> dict[str, Any]:
        raise ControlError("draining", "the service is stopping")

    async with service(tmp_path, refusing=refusing):
        assert await refusal(tmp_path, "refusing") == "draining"


async def test_clients_that_say_nothing_do_not_keep_others_out_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_REQUEST_SECONDS", 0.05)
    async with service(tmp_path):
        silent = [
            await asyncio.open_unix_connection(str(tmp_path / SOCKET_NAME))
            for _ in range(control.MAX_CONNECTIONS)
        ]
        for reader, _ in silent:
            assert await reader.read() == b""
        monkeypatch.setattr(control, "_REQUEST_SECONDS", 60.0)
        assert (await asked(tmp_path))["name"] == "echo"
        for _, writer in silent:
            writer.close()


async def test_more_clients_than_places_are_told_so(tmp_path: Path) -> None:
    async with service(tmp_path):
        path = str(tmp_path / SOCKET_NAME)
        silent = [await asyncio.open_unix_connection(path) for _ in range(control.MAX_CONNECTIONS)]
        assert await refusal(tmp_path) == "busy"
        for _, writer in silent:
            writer.close()


async def test_without_a_service_the_client_says_so(tmp_path: Path) -> None:
    assert await refusal(tmp_path) == "not_running"
    assert await refusal(tmp_path / "nowhere") == "not_running"


async def test_a_socket_left_by_a_crash_is_replaced(
    tmp_path: Path,
) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / SOCKET_NAME))
    assert await refusal(tmp_path) == "not_running"
    async with service(tmp_path):
        assert (await asked(tmp_path))["name"] == "echo"


async def test_a_service_that_does_not_answer_in_time_is_told_from_one_that_is_gone(
    tmp_path: Path,
) -> None:
    async def stuck(_: Request) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async with service(tmp_path, stuck=stuck):
        with pytest.raises(ControlError) as caught:
            await asyncio.to_thread(ask, tmp_path, "stuck", seconds=0.05)
    assert caught.value.code == "no_answer"


async def test_a_service_that_stops_in_the_middle_is_one_line(tmp_path: Path) -> None:
    reached = asyncio.Event()

    async def stuck(_: Request) -> dict[str, Any]:
        reached.set()
        await asyncio.Event().wait()
        return {}

    async with service(tmp_path, stuck=stuck):
        asking = asyncio.create_task(refusal(tmp_path, "stuck"))
        await reached.wait()
    assert await asking == "no_answer"


async def test_the_socket_lies_in_the_runtime_directory_and_is_found_by_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, run = tmp_path / "state", tmp_path / "run"
    state.mkdir()
    run.mkdir()
    monkeypatch.setenv(RUNTIME_VARIABLE, f"{run}:/elsewhere")
    running = ControlSocket(state, {"echo": echo})
    monkeypatch.delenv(RUNTIME_VARIABLE)
    async with running:
        assert (state / SOCKET_NAME).readlink() == run / SOCKET_NAME
        assert (await asked(state))["name"] == "echo"
        (state / SOCKET_NAME).unlink()
        assert await refusal(state) == "not_running"
        monkeypatch.setenv(RUNTIME_VARIABLE, str(run))
        assert (await asked(state))["name"] == "echo"
    assert list(run.iterdir()) == list(state.iterdir()) == []


async def test_a_deep_state_directory_works(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 8)
    deep.mkdir(parents=True)
    async with service(deep):
        assert (await asked(deep))["name"] == "echo"


async def test_without_a_place_for_the_socket_the_service_goes_on(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as log:
        async with service(tmp_path / "nowhere"):
            pass
    assert [line["event"] for line in log] == ["control.not_available"]


async def test_the_default_places_are_tried_for_a_file_that_does_not_say_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, config = tmp_path / "run", tmp_path / "agi-bridge.toml"
    place.mkdir()
    monkeypatch.setattr(control_client, "DEFAULT_PLACES", (tmp_path / "nowhere", place))
    async with ControlSocket(place, {"echo": echo}, config):
        for state_dir in (None, tmp_path / "other"):
            answer = await asyncio.to_thread(ask, state_dir, "echo", config=config)
            assert answer["name"] == "echo"
        for other in (tmp_path / "another.toml", None):  # somebody else's service does not answer
            with pytest.raises(ControlError) as caught:
                await asyncio.to_thread(ask, None, "echo", config=other)
            assert caught.value.code == "not_running"


async def test_a_service_that_reads_no_file_answers_for_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_client, "DEFAULT_PLACES", (tmp_path,))
    async with ControlSocket(tmp_path, {"echo": echo}):
        assert await asyncio.to_thread(ask, None, "echo", config=tmp_path / "agi-bridge.toml")
