"""Programs that run beside the runner, each pinned to a core and ended with its block."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

from bench.programs import BIN, ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

START_SECONDS = 20.0
STOP_SECONDS = 15.0


class BenchError(RuntimeError):
    """A program did not start, end or answer as it should; the text says which and how."""


class Program:
    """A program on one core, from `with` to the end of the block.

    Its stderr goes to a file, as a service's would; its standard input is a pipe that closes at
    the end.
    """

    def __init__(self, name: str, command: Sequence[str], *, core: int, folder: Path) -> None:
        self.name = name
        self._command = ["taskset", "--cpu-list", str(core), *command]
        self._stderr = folder / f"{name}.stderr"
        self._rest = b""

    def __enter__(self) -> Self:
        with self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The program's process: taskset replaces itself by it."""
        return self._process.pid

    def line(self, seconds: float = START_SECONDS) -> str:
        """The next line it prints.

        Raises:
            BenchError: it ended, or printed none in time.
        """
        stdout = self._stdout()
        end = time.monotonic() + seconds
        while b"\n" not in self._rest:
            readable, _, _ = select.select([stdout], [], [], max(0.0, end - time.monotonic()))
            more = os.read(stdout, 65536) if readable else b""
            if not more:
                raise BenchError(f"{self.name}: no line in {seconds:.0f} s: {self.errors()}")
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def ready(self, seconds: float = START_SECONDS) -> int:
        """The port that it announces as `READY port`."""
        word, _, port = self.line(seconds).partition(" ")
        if word != "READY":
            raise BenchError(f"{self.name}: said {word!r} instead of READY")
        return int(port)

    def finish(self, seconds: float) -> dict[str, Any]:
        """Close its input, wait for its end, return the JSON object it prints last."""
        try:
            out, _ = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{self.name}: did not end in {seconds:.0f} s") from error
        lines = (self._rest + out).decode().splitlines()
        if not lines:
            raise BenchError(f"{self.name}: printed nothing: {self.errors()}")
        result: dict[str, Any] = json.loads(lines[-1])
        return result

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def ended_within(self, seconds: float) -> bool:
        """Wait so long for its end."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """End it, by force if need be."""
        if self._process.poll() is None:
            self._process.terminate()
            if not self.ended_within(STOP_SECONDS):
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def errors(self) -> str:
        """The end of what it wrote to stderr."""
        return self._stderr.read_text(encoding="utf-8", errors="replace")[-600:].strip()

    def _stdout(self) -> int:
        if self._process.stdout is None:
            raise BenchError(f"{self.name}: not started")
        return self._process.stdout.fileno()


def hook(core: int, folder: Path, *, tls: bool = False) -> Program:
    """The hook's side."""
    command = [sys.executable, "-m", "bench.servers.tls_hook"] if tls else [str(BIN / "hookd")]
    return Program("hookd", command, core=core, folder=folder)


def load(core: int, folder: Path, options: Sequence[str]) -> Program:
    """The PBX's side, with agiload's options."""
    return Program("agiload", [str(BIN / "agiload"), *options], core=core, folder=folder)
