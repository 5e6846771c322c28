"""Standard output that cannot be written, and readers that close the pipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.programs

FULL = Path("/dev/full")
COMMANDS = [("--version",), ("check", "--json")]


def started(*arguments: str, stdout: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the program under test
        [sys.executable, "-m", "agi_bridge", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin"},
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", COMMANDS)
def test_an_answer_that_cannot_be_written_is_one_line_and_exit_code_1(
    arguments: tuple[str, ...],
) -> None:
    with FULL.open("w") as full:
        done = started(*arguments, stdout=full.fileno())
    assert done.returncode == 1
    assert done.stderr == "agi-bridge: cannot write the answer: No space left on device\n"


def test_a_closed_pipe_does_not_change_the_exit_code() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = started("--help", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


WAITS = """
import asyncio
from agi_bridge.cli.common import answer
from agi_bridge.temporary import temporary_folder
async def work():
    with temporary_folder("agi-bridge-test-"):
        print("working", flush=True)
        await asyncio.Event().wait()
answer(work(), as_json=False)
"""


def test_a_command_that_is_terminated_deletes_its_temporary_files_first(tmp_path: Path) -> None:
    with subprocess.Popen(  # noqa: S603 - the program under test
        [sys.executable, "-c", WAITS],
        stdout=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"working\n"
        assert len(list(tmp_path.iterdir())) == 1
        command.terminate()
        assert command.wait(60) == -signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
