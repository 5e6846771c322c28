"""`agi`, `fake-hook` and `demo` as processes, and SIGINT where the parent ignored it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agi_bridge.hook import HookClient, SubmissionRequest
from agi_bridge.speech import SHIPPED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
from tests.support.commands import DID, KEY, Running, config, names, running

pytestmark = pytest.mark.programs


@pytest.mark.parametrize("stdin", ["/dev/null", "an empty pipe"])
async def test_agi_without_asterisk_prints_one_line_that_says_how_to_start_it(
    tmp_path: Path, stdin: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agi_bridge", "agi", "--config", str(config(tmp_path)),
        env={**os.environ, "SHOP_KEY": KEY},
        stdin=asyncio.subprocess.DEVNULL if stdin == "/dev/null" else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, complaint = await process.communicate()
    assert process.returncode == 2
    assert output == b""
    (last,) = complaint.decode().splitlines()[-1:]
    assert "AGI(/path/to/agi-bridge,agi)" in last
    assert "Traceback" not in complaint.decode()


async def test_agi_serves_one_call_on_standard_input_and_output(tmp_path: Path) -> None:
    """The PBX's part is written out: its launcher has pipes, not the socket of FakeAsterisk."""
    async with running("agi", "--config", config(tmp_path)) as bridge:
        stdin = bridge.process.stdin
        assert stdin is not None
        stdin.write(
            b"agi_request: agi-bridge\nagi_channel: PJSIP/x-1\nagi_uniqueid: 1.1\n"
            b"agi_extension: s\nagi_dnid: +14155550111\n\n"
        )
        commands = []
        while command := await bridge.says():
            commands.append(command)
            if command.startswith("STREAM FILE"):
                stdin.write(b"200 result=42 endpos=800\n")  # the caller presses *
            elif "DIALSTATUS" in command:
                stdin.write(b"200 result=1 (ANSWER)\n")
            else:
                stdin.write(b"200 result=0\n")
        assert await bridge.ends() == 0
        line = await bridge.logs("call")
    assert f"{SHIPPED}/en/disclosure" in " ".join(commands)
    assert "AGI_BRIDGE_RESULT" in commands[-1]
    assert "done" in commands[-1]
    assert (line["declined"], line["result"]) == ("star", "done")


async def test_fake_hook_prints_its_url_and_requests_without_the_key() -> None:
    async with running("fake-hook", "--port", "0", "--key", KEY) as fake_hook:
        url = (await fake_hook.says()).removeprefix("hook.url = ")
        async with HookClient(url) as client:
            await client.submit(SubmissionRequest(from_="+14155550101", to=DID, key=KEY))
        shown = await fake_hook.says()
        fake_hook.process.send_signal(signal.SIGINT)
        await fake_hook.ends()
    assert "from=+1***01" in shown
    assert shown.endswith("-> say")
    assert KEY not in shown


async def test_demo_without_asterisk_shows_the_same_call(tmp_path: Path) -> None:
    environ = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "80"}
    async with running("demo", "--fake", "--once", environ=environ) as demo:
        out, err = await demo.process.communicate()
    output = out.decode()
    assert demo.process.returncode == 0, output
    assert err == b""
    words = ["setup", "calls", "hears", "keys", "stored", "hook", "dials", "over", "log", "worked"]
    at = [re.search(rf"^[ .\d]* {word}\b", output, re.MULTILINE) for word in words]
    assert all(at), output
    starts = [found.start() for found in at if found is not None]
    assert starts == sorted(starts)
    assert "keys   4155550123" in output
    assert names(tmp_path) == []


# SIGINT


DEAF = """\
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
os.execv(sys.argv[1], sys.argv[1:])
"""


@asynccontextmanager
async def in_the_background(*arguments: object) -> AsyncIterator[Running]:
    """A command started as badly as can be.

    A script's shell starts what stands before `&` with SIGINT ignored; some parents block signals.
    """
    async with running(*arguments, before=(sys.executable, "-c", DEAF)) as job:
        yield job


async def test_serve_obeys_a_sigint_that_was_ignored_at_its_start(tmp_path: Path) -> None:
    async with in_the_background("serve", "--config", config(tmp_path)) as job:
        await job.logs("service.listening")
        job.process.send_signal(signal.SIGINT)
        assert await job.ends() == 0


async def test_fake_hook_obeys_a_sigint_that_was_ignored_at_its_start() -> None:
    async with in_the_background("fake-hook", "--port", "0") as job:
        await job.says()
        job.process.send_signal(signal.SIGINT)
        assert await job.ends() == 0


async def test_agi_obeys_a_sigint_that_was_ignored_at_its_start(tmp_path: Path) -> None:
    async with in_the_background("agi", "--config", config(tmp_path)) as job:
        assert job.process.stdin is not None
        job.process.stdin.write(b"agi_request: x\nagi_uniqueid: 1.1\nagi_dnid: +14155550111\n\n")
        await job.says()  # its first command, which nobody answers
        job.process.send_signal(signal.SIGINT)
        assert await job.ends() == 1


async def test_softphone_obeys_a_sigint_that_was_ignored_at_its_start() -> None:
    begun = asyncio.Event()

    async def bridge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\n\n")
        begun.set()
        assert await reader.readline() == b"HANGUP\n"
        writer.close()

    async with await asyncio.start_server(bridge, "127.0.0.1") as server:
        url = f"agi://127.0.0.1:{server.sockets[0].getsockname()[1]}/consent"
        async with in_the_background("softphone", DID, "--bridge", url, "--keys", "1") as job:
            await begun.wait()
            job.process.send_signal(signal.SIGINT)
            assert await job.ends() == 1


async def test_demo_hears_a_sigint_that_was_ignored_when_it_began() -> None:
    async with in_the_background("demo", "--fake") as job:
        await job.says()
        job.process.send_signal(signal.SIGINT)
        assert await job.ends() == 1
