import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agi_bridge.agi import AGIProtocolError, Channel, Limits
from agi_bridge.agi.stdio import comes_from_asterisk, run

PROGRAM = Path(__file__).parents[1] / "support" / "agi_program.py"
ENVIRONMENT = b"agi_request: /usr/share/agi/program.py\nagi_uniqueid: 1.1\nagi_arg_1: consent\n\n"


@asynccontextmanager
async def program(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        PROGRAM,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(PROGRAM.parents[2])},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def say(process: asyncio.subprocess.Process, data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)


async def heard(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.readline()


@pytest.mark.programs
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_a_program_started_by_asterisk_speaks_agi_on_its_pipes(loop: str) -> None:
    async with program("play", loop) as process:
        say(process, ENVIRONMENT)
        assert await heard(process) == b"ANSWER\n"
        say(process, b"200 result=0\n")
        assert await heard(process) == b'STREAM FILE "hello" "#" 0\n'
        say(process, b"200 result=35 endpos=800\n")
        assert await heard(process) == b'SET VARIABLE "KEY" "#"\n'
        say(process, b"200 result=1\n")
        assert await heard(process) == b""  # closed, and nothing stray was written
        assert await process.wait() == 0
        assert process.stderr is not None
        assert b"a stray line" in await process.stderr.read()


@pytest.mark.programs
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_sighup_is_the_hangup_and_variables_can_still_be_set(loop: str) -> None:
    async with program("wait", loop) as process:
        say(process, ENVIRONMENT)
        assert await heard(process) == b"ANSWER\n"
        say(process, b"200 result=0\n")
        process.send_signal(signal.SIGHUP)
        assert await heard(process) == b'SET VARIABLE "RESULT" "hangup"\n'
        say(process, b"200 result=1\n")
        assert await process.wait() == 0


@pytest.mark.programs
async def test_the_end_of_input_is_a_hangup() -> None:
    async with program("wait") as process:
        say(process, ENVIRONMENT)
        assert await heard(process) == b"ANSWER\n"
        assert process.stdin is not None
        process.stdin.close()
        assert await process.wait() == 0  # the variable could not be set: a hangup is not an error


@pytest.mark.programs
async def test_a_handlers_error_is_told_by_the_result_and_on_standard_error() -> None:
    async with program("fail") as process:
        say(process, ENVIRONMENT)
        assert await process.wait() == 1
        assert process.stderr is not None
        errors = await process.stderr.read()
        assert b"agi.handler_failed" in errors
        assert b"4155550123" not in errors


# -- in this process, on descriptors of our own -----------------------------------------------


async def answering(channel: Channel) -> None:
    await channel.answer()


async def test_a_socket_serves_for_both_directions() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(0)
        running = asyncio.create_task(run(answering, stdin=ours.fileno(), stdout=ours.fileno()))
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(theirs, ENVIRONMENT)
        assert await loop.sock_recv(theirs, 100) == b"ANSWER\n"
        await loop.sock_sendall(theirs, b"200 result=0\n")
        assert await running


async def test_a_socket_that_is_full_is_waited_for() -> None:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    same = ours.dup()
    full = threading.Event()
    loop = asyncio.get_running_loop()

    async def handler(channel: Channel) -> None:
        same.settimeout(0)  # as reading from it makes it
        with suppress(BlockingIOError):
            while True:
                same.send(b"x")
        full.set()
        await channel.noop("y" * 100)

    def read() -> bytes:
        full.wait(10)
        line = b""
        while not line.endswith(b'"\n'):
            line += theirs.recv(4096)
        return line

    with ours, theirs, same:
        running = asyncio.create_task(run(handler, stdin=ours.fileno(), stdout=ours.fileno()))
        theirs.sendall(ENVIRONMENT)
        assert b"NOOP" in await loop.run_in_executor(None, read)
        theirs.sendall(b"200 result=0\n")
        assert await running


async def test_a_file_for_input_is_a_call_that_ends_with_it(tmp_path: Path) -> None:
    taken = tmp_path / "in"
    taken.write_bytes(ENVIRONMENT)
    given = tmp_path / "out"
    with taken.open("rb") as stdin, given.open("wb") as stdout:
        assert await run(answering, stdin=stdin.fileno(), stdout=stdout.fileno())
    assert given.read_bytes() in {b"", b"ANSWER\n"}  # the input's end is a hangup


async def test_no_environment_is_not_a_call() -> None:
    reading, writing = os.pipe()
    out_reading, out_writing = os.pipe()
    os.close(writing)
    try:
        with capture_logs() as logs, pytest.raises(AGIProtocolError) as raised:
            await run(answering, stdin=reading, stdout=out_writing)
    finally:
        for descriptor in (reading, out_reading, out_writing):
            os.close(descriptor)
    assert raised.value.code == "no_environment"
    assert [entry["event"] for entry in logs] == ["agi.probe_closed"]


async def test_output_that_asterisk_has_closed_ends_the_call() -> None:
    reading, writing = os.pipe()
    out_reading, out_writing = os.pipe()
    os.close(out_reading)
    os.write(writing, ENVIRONMENT)
    try:
        assert await run(answering, stdin=reading, stdout=out_writing)
    finally:
        for descriptor in (reading, writing, out_writing):
            os.close(descriptor)


@pytest.mark.parametrize("stdin", ["/dev/null", "/dev/zero"])
async def test_a_device_is_not_a_call(stdin: str) -> None:
    device = os.open(stdin, os.O_RDONLY)
    out_reading, out_writing = os.pipe()
    try:
        assert not comes_from_asterisk(device)
        with pytest.raises(AGIProtocolError) as raised:
            await run(answering, stdin=device, stdout=out_writing)
    finally:
        for descriptor in (device, out_reading, out_writing):
            os.close(descriptor)
    assert raised.value.code == "no_environment"


async def test_a_pipe_that_ends_before_the_call_is_introduced_is_not_a_call() -> None:
    reading, writing = os.pipe()
    out_reading, out_writing = os.pipe()
    os.write(writing, ENVIRONMENT[:-1])
    os.close(writing)
    try:
        assert comes_from_asterisk(reading)
        with pytest.raises(AGIProtocolError) as raised:
            await run(answering, stdin=reading, stdout=out_writing)
    finally:
        for descriptor in (reading, out_reading, out_writing):
            os.close(descriptor)
    assert raised.value.code == "no_environment"
    assert not comes_from_asterisk(reading)  # it is closed


async def test_a_call_that_lasts_too_long_is_cancelled() -> None:
    async def handler(_channel: Channel) -> None:
        await asyncio.Event().wait()

    reading, writing = os.pipe()
    out_reading, out_writing = os.pipe()
    os.write(writing, ENVIRONMENT)
    try:
        with capture_logs() as logs:
            limits = Limits(call_seconds=0.02)
            assert not await run(handler, limits=limits, stdin=reading, stdout=out_writing)
    finally:
        for descriptor in (reading, writing, out_reading, out_writing):
            os.close(descriptor)
    assert "agi.call_cancelled" in [entry["event"] for entry in logs]


@pytest.mark.parametrize("enhanced", [True, False])
async def test_a_program_that_eagi_has_started_reads_the_callers_sound(*, enhanced: bool) -> None:
    heard: list[bytes | None] = []

    async def handler(channel: Channel) -> None:
        if channel.audio is None:
            heard.append(None)
            return
        heard.extend([sound async for sound in channel.audio])

    reading, writing = os.pipe()
    out_reading, out_writing = os.pipe()
    audio_reading, audio_writing = os.pipe()
    os.write(writing, b"agi_enhanced: 1.0\n" * enhanced + ENVIRONMENT)
    os.write(audio_writing, b"\1" * 400)
    os.close(audio_writing)
    try:
        assert await run(handler, stdin=reading, stdout=out_writing, audio=audio_reading)
    finally:
        for descriptor in (reading, writing, out_reading, out_writing, audio_reading):
            os.close(descriptor)
    assert heard == ([b"\1" * 320, b"\1" * 80] if enhanced else [None])


def test_outside_the_main_thread_it_does_without_the_signal() -> None:
    results: list[bool] = []
    reading, writing = os.pipe()
    out_reading, out_writing = os.pipe()
    os.write(writing, ENVIRONMENT)
    os.close(writing)

    def thread() -> None:
        results.append(asyncio.run(run(answering, stdin=reading, stdout=out_writing)))

    before = signal.getsignal(signal.SIGHUP)
    try:
        runner = threading.Thread(target=thread)
        runner.start()
        runner.join(10)
    finally:
        for descriptor in (reading, out_reading, out_writing):
            os.close(descriptor)
    assert results == [True]
    assert signal.getsignal(signal.SIGHUP) is before
