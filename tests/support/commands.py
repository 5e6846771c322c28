"""Runs `agi-bridge` commands in this process or in a new one, with a configuration."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from agi_bridge.cli.main import app

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from pathlib import Path

DID = "+14155550111"
KEY = "a73d5034210f702515128ac61193cd21"
SECONDS = 60.0  # only what hangs takes so long


def config(folder: Path, hook: str = "http://127.0.0.1:9/v1/ivr", port: int = 0) -> Path:
    path = folder / "agi-bridge.toml"
    path.write_text(
        f"""
state_dir = {json.dumps(str(folder / "state"))}
[agi]
port = {port}
[hook]
url = "{hook}"
[lines.shop]
did = ["{DID}"]
business_number = "{DID}"
hook_key = {{env = "SHOP_KEY"}}
brand = "Example Store"
dial_template = "PJSIP/{{number}}@trunk"
default = {{kind = "dial", destination = "PJSIP/100"}}
"""
    )
    return path


def invoke(*arguments: object, **environ: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], env={"SHOP_KEY": KEY, **environ}
    )
    return result.exit_code, result.stdout, result.stderr


class Running:
    """A command in its own process; its standard error is the log."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.log: list[dict[str, Any]] = []

    async def logs(self, event: str) -> dict[str, Any]:
        """The next line of the log about this."""
        assert self.process.stderr is not None
        async with asyncio.timeout(SECONDS):
            async for raw in self.process.stderr:
                line: dict[str, Any] = json.loads(raw)
                self.log.append(line)
                if line["event"] == event:
                    return line
        raise AssertionError(f"ended without {event!r}: {self.log}")

    async def says(self) -> str:
        """The next line of standard output."""
        assert self.process.stdout is not None
        async with asyncio.timeout(SECONDS):
            return (await self.process.stdout.readline()).decode().strip()

    async def ends(self) -> int:
        async with asyncio.timeout(SECONDS):
            return await self.process.wait()


FULL = object()
"""A log's target: a pipe that is full and that nobody reads."""


@contextmanager
def full_pipe() -> Iterator[int]:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while os.write(writing, b"x" * 4096):
            pass
    os.set_blocking(writing, True)
    try:
        yield writing
    finally:
        os.close(writing)
        os.close(reading)


@asynccontextmanager
async def running(
    *arguments: object,
    before: Sequence[str] = (),
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
    log: object = asyncio.subprocess.PIPE,
) -> AsyncIterator[Running]:
    with full_pipe() as full:
        target = full if log is FULL else log
        async with _running((*before, sys.executable), arguments, cwd, environ, target) as command:
            yield command


@asynccontextmanager
async def _running(
    program: tuple[str, ...],
    arguments: tuple[object, ...],
    cwd: Path | None,
    environ: Mapping[str, str] | None,
    log: Any,
) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        *program,
        "-m",
        "agi_bridge",
        *(str(argument) for argument in arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
        cwd=cwd,
        env={**(os.environ if environ is None else environ), "SHOP_KEY": KEY},
    )
    assert process.stdin is not None
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
        process.stdin.close()
        await process.communicate()


def loaded_modules(trace: bytes) -> set[str]:
    """The modules that `-X importtime` names."""
    return set(re.findall(r"^import time:.*\| +([\w.]+)$", trace.decode(), re.MULTILINE))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
