"""Log lines that nobody reads, that the disk does not take, that come faster than they go."""

from __future__ import annotations

import errno
import fcntl
import gc
import json
import os
import select
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.observe.writer import BackgroundWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIPE_BYTES = 4096


def dropped(count: int) -> str:
    return f"dropped {count}\n"


@contextmanager
def small_pipe() -> Iterator[tuple[int, int]]:
    """A pipe that takes one page, its two ends."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    try:
        yield reading, writing
    finally:
        os.close(writing)
        os.close(reading)


def read_until(descriptor: int, end: str) -> str:
    """All text up to one that ends so."""
    text = ""
    while not text.endswith(end):
        assert select.select([descriptor], [], [], 30)[0], text[-200:]
        text += os.read(descriptor, 65_536).decode()
    return text


def test_what_is_written_comes_in_order_and_whole() -> None:
    with small_pipe() as (reading, writing):
        writer = BackgroundWriter(writing, dropped)
        for each in range(300):
            assert writer.write(f"line {each}\n") > 0
        writer.flush()
        read = read_until(reading, "line 299\n")
        assert writer.close()
    assert read.splitlines() == [f"line {each}" for each in range(300)]


def test_a_pipe_without_a_reader_blocks_no_caller_and_dropped_lines_are_counted() -> None:
    with small_pipe() as (reading, writing):
        writer = BackgroundWriter(writing, dropped, max_lines=100)
        for each in range(5000):
            writer.write(f"{each:<99}\n")  # 500 KB in all: none of these calls waits
        assert not writer.close(0.01)
        lines: list[str] = []
        counted = 0
        while len(lines) + counted < 5000:
            for line in read_until(reading, "\n").splitlines():
                if line.startswith("dropped "):
                    counted += int(line.split()[1])
                else:
                    lines.append(line)
        assert writer.close(30)
    assert counted > 4000
    kept = [int(line) for line in lines]
    assert kept == sorted(kept)


def test_the_end_waits_for_a_reader_only_so_long() -> None:
    with small_pipe() as (reading, writing):
        writer = BackgroundWriter(writing, dropped)
        writer.write("x" * 3 * PIPE_BYTES + "\n")
        assert not writer.close(0.01)
        writer.write("too late\n")
        assert read_until(reading, "dropped 1\n").count("x") == 3 * PIPE_BYTES
        assert writer.close(30)


def test_a_closed_reader_is_not_an_error() -> None:
    reading, writing = os.pipe()
    writer = BackgroundWriter(writing, dropped)
    os.close(reading)
    writer.write("nobody reads\n")
    assert writer.close(30)
    assert writer._dropped == 1
    os.close(writing)


def test_a_full_disk_costs_lines_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    full = True

    def write(_descriptor: int, data: memoryview) -> int:
        if full and written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(bytes(data[: 4 if full else None]))
        return len(written[-1])

    monkeypatch.setattr(os, "write", write)
    writer = BackgroundWriter(2, dropped)
    writer.write("half of it\n")  # four bytes are taken, then the disk is full
    while writer._dropped == 0:
        pass
    full = False
    writer.write("again\n")
    assert writer.close(30)
    assert b"".join(written) == b"half\nagain\ndropped 1\n"


def test_a_full_device_is_not_an_error() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    writer = BackgroundWriter(descriptor, dropped)
    writer.write("nowhere\n")
    assert writer.close(30)
    os.close(descriptor)


def test_a_target_that_does_not_block_is_waited_for() -> None:
    with small_pipe() as (reading, writing):
        os.set_blocking(writing, False)
        writer = BackgroundWriter(writing, dropped)
        writer.write("x" * 2 * PIPE_BYTES + "\n")
        assert len(read_until(reading, "\n")) == 2 * PIPE_BYTES + 1
        assert writer.close(30)


def test_bytes_that_are_not_text_stay_readable() -> None:
    with small_pipe() as (reading, writing):
        writer = BackgroundWriter(writing, dropped)
        writer.write('{"name": "caf\udce9 ☎"}\n')
        assert json.loads(read_until(reading, "\n")) == {"name": "caf\udce9 ☎"}
        assert writer.close(30)


def test_lines_that_come_together_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    come = threading.Event()

    def write(_descriptor: int, data: memoryview) -> int:
        written.append(bytes(data))
        return len(data)

    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr("agi_bridge.observe.writer.time.sleep", lambda _: come.wait(30))
    writer = BackgroundWriter(2, dropped)
    for each in range(20):
        writer.write(f"line {each}\n")
    come.set()
    assert writer.close(30)
    assert written == ["".join(f"line {each}\n" for each in range(20)).encode()]


def test_the_collector_may_log_in_the_middle_of_logging(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+") as target:
        writer = BackgroundWriter(target.fileno(), dropped, max_lines=10)

        class Left:
            def __init__(self) -> None:
                self.me = self  # only the collector ends it

            def __del__(self) -> None:
                writer.write("collected\n")

        threshold = gc.get_threshold()
        gc.set_threshold(1, 1, 1)
        try:
            for _ in range(500):
                Left()
                writer.write("said\n")
        finally:
            gc.set_threshold(*threshold)
        gc.collect()
        assert writer.close(30)
        target.seek(0)
        assert "collected\n" in target.read()


SERVICE = """
import asyncio, logging, sys, warnings, threading
import structlog, uvloop
from agi_bridge.observe import background_logging

class Bad:
    def __del__(self):
        raise ValueError("in a finaliser")

async def main():
    log = structlog.get_logger()
    for number in range(20_000):
        log.info("call", number=number, filler="x" * 200)
        logging.getLogger("some.library").warning("line %s", number)
    Bad()
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    broken = {"message": "broken", "exception": KeyError("k")}
    asyncio.get_running_loop().call_exception_handler(broken)
    await asyncio.sleep(0)
    print("alive", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

with background_logging("info"):
    uvloop.run(main())
print("ended", flush=True)
"""


def lines_of(service: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert service.stderr is not None
    return map(json.loads, service.stderr)


@pytest.mark.programs
def test_a_service_without_a_log_reader_continues_and_stops() -> None:
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", SERVICE],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as service:  # fmt: skip
        assert service.stdout is not None
        assert service.stdin is not None
        assert service.stdout.readline() == "alive\n"  # 10 MB of lines later
        service.stdin.write("go on\n")
        service.stdin.flush()
        assert service.stdout.readline() == "ended\n"
        assert service.wait(30) == 0


@pytest.mark.programs
def test_what_python_itself_would_print_is_a_line_of_the_log() -> None:
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", SERVICE.replace("20_000", "2")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as service:  # fmt: skip
        service.stdin.write("go on\n")  # type: ignore[union-attr]  # a pipe
        service.stdin.flush()  # type: ignore[union-attr]  # the same
        lines = list(lines_of(service))
    events = {line["event"]: line for line in lines}
    assert events["python.exception_ignored"]["error"] == "ValueError: in a finaliser"
    assert events["python.thread_failed"]["error"] == "ZeroDivisionError: division by zero"
    assert events["broken"]["error"] == "KeyError: 'k'"
    assert service.returncode == 0


@pytest.mark.programs
@pytest.mark.parametrize("closed", ["2>&-", "0<&- 1>&- 2>&-"])
def test_without_standard_descriptors_no_file_gets_their_numbers(closed: str) -> None:
    program = (
        "import os\nfrom agi_bridge.observe import background_logging, configure_logging\n"
        "configure_logging()\n"
        "with background_logging('info'):\n"
        "    handle = os.open('/dev/zero', os.O_RDONLY)\n"
        "os._exit(0 if handle > 2 else handle + 10)\n"
    )
    done = subprocess.run(  # noqa: S602 - the shell closes descriptors, which is the test
        f'"{sys.executable}" -c "{program}" {closed}', shell=True, check=False, timeout=60
    )
    assert done.returncode == 0
