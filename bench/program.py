"""What a whole run measures besides calls: the program's start, `--help`, and PostgreSQL.

Each figure is the median of `ROUNDS` rounds. PostgreSQL is the tests' own server, with fsync on.
"""

from __future__ import annotations

import compileall
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench import ledger, machine
from bench.life_cycle import CONFIGURATION
from bench.process import BenchError
from bench.programs import ROOT
from tests.support.postgresql import PostgreSQL

ROUNDS = 5
CONSENTS = 2000
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ProgramFigures:
    """Of one run, in seconds, with the processor time where it is less than what passed.

    `consents_per_second` is PostgreSQL's with 100 calls waiting; None where it is not installed.
    """

    start: float
    start_cpu: float
    help: float
    help_cpu: float
    consents_per_second: float | None


def measured() -> ProgramFigures:
    """All figures, of the compiled program: an installed one is.

    Raises:
        BenchError: the program did not start.
    """
    compileall.compile_dir(ROOT / "agi_bridge", quiet=1)
    (ROOT / ".run").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / ".run") as name:
        start, start_cpu = _median([_start(Path(name)) for _ in range(ROUNDS)])
    help_, help_cpu = _median([_help() for _ in range(ROUNDS)])
    return ProgramFigures(start, start_cpu, help_, help_cpu, _postgresql())


def _start(folder: Path) -> tuple[float, float]:
    """From the start of the process to `READY=1`: seconds, and processor time."""
    config, notify = folder / "agi-bridge.toml", folder / "notify"
    config.write_text(CONFIGURATION.format(folder=folder))
    notify.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
        notifications.bind(str(notify))
        notifications.settimeout(PATIENCE_SECONDS)
        environ = {**os.environ, "SHOP_KEY": "0" * 32, "NOTIFY_SOCKET": str(notify)}
        command = [sys.executable, "-m", "agi_bridge", "serve", "--config", str(config)]
        began = time.monotonic()
        with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as process:
            try:
                while b"READY=1" not in notifications.recv(4096):
                    pass
                return time.monotonic() - began, machine.cpu_seconds(process.pid)
            except TimeoutError as error:
                raise BenchError("agi-bridge serve: was not ready in time") from error
            finally:
                process.terminate()


def _help() -> tuple[float, float]:
    """`agi-bridge --help`: seconds, and processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "agi_bridge", "--help"], check=True, stdout=subprocess.DEVNULL
    )
    took = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _postgresql() -> float | None:
    if not (ROOT / ".postgresql" / "bin").exists():  # `make test` brings it
        return None
    with PostgreSQL.running(fsync="on", shared_buffers="128MB") as server:
        rounds = []
        for _ in range(3):
            with server.database() as url:
                rounds.append(uvloop.run(ledger.most(url, CONSENTS)))
    return statistics.median(rounds)


def _median(rounds: list[tuple[float, float]]) -> tuple[float, float]:
    seconds, cpu = zip(*rounds, strict=True)
    return statistics.median(seconds), statistics.median(cpu)
