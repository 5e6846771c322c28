"""The three measurements: calls per CPU second, turns at 1,000 calls, memory of parked calls."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import machine
from bench.process import START_SECONDS, BenchError, Program, hook, load
from bench.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.subjects import Subject

WARM_UP_CALLS = 300
AT_ONCE = 50
TALKING = 1000
THINK_MICROSECONDS = {False: 100_000, True: 400_000}
"""What the PBX takes from a command to its reply, +-20 %, in the latency run: a hurried caller. By
whether there is a hook: about 1,100 and 280 calls a second. People take seconds."""
TURNS = 9
"""In a call of the bench's flow. The first calls begin evenly over the length of one, so that each
second has as many: begun within 2 s they would be 500 a second, and then none for as long."""
CONNECTING = 200
"""Parked calls that may wait for their first command at once, so that no SYN is ever repeated."""
PARKING_SECONDS = 90
"""Longest that it may take until all calls are parked: those that are not count as failed."""
SPARE_SECONDS = 20.0
LEDGER_FILE = "consents.db"
"""The name of the ledger's file in every server that keeps one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how many; odd numbers of rounds, as their median counts.

    `parked` is cut to the descriptors that the system allows, and is what `serve` takes where that
    is 20,000: it keeps two for each call and 1,184 for the rest, and refuses calls beyond 9,408.
    """

    rounds: int = 3
    seconds: float = 1.5
    latency_rounds: int = 3
    latency_warm_up: float = 3.0
    latency_seconds: float = 3.5
    parked: int = 9_000


QUICK = Plan(
    rounds=3, seconds=0.5, latency_rounds=1, latency_warm_up=2.0, latency_seconds=2.0, parked=2000
)


@dataclass(frozen=True, slots=True)
class Throughput:
    """Calls per CPU second of the server's processes, `AT_ONCE` calls at a time.

    The median of the rounds; `rounds` has all of them, `calls` and `failed` count over all.
    """

    with_hook: bool
    calls: int
    failed: int
    calls_per_cpu_s: float
    rounds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Latency:
    """Turns (a reply of the PBX to the bridge's next command) in microseconds, `TALKING` calls.

    Those of the round with the median p99 before EXEC; `p99_rounds` has that of all rounds, and
    `failed` counts over all.

    `bridge` is every turn but the one before EXEC; that one, `exec`, holds the hook's answer and,
    where consent is kept in the flow of nine commands, the disk.
    """

    calls: int
    failed: int
    turn: dict[str, float]
    bridge: dict[str, float]
    exec: dict[str, float]
    cpu_share: float
    p99_rounds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Parked:
    """Memory of calls that wait for a key."""

    calls: int
    failed: int
    base_kib: int
    held_kib: int
    kib_per_call: float
    descriptors_left: int


@dataclass(frozen=True, slots=True)
class Account:
    """What was left behind: one hook request and one accepted consent for each completed call.

    All calls of the server's life count, those of the warm-up too. None: it keeps no such thing.
    """

    completed: int
    hook_requests: int | None
    consents: int | None

    @property
    def balanced(self) -> bool:
        """Whether all three agree, where they are kept."""
        kept = [n for n in (self.hook_requests, self.consents) if n is not None]
        return all(n == self.completed for n in kept)


class Bench:
    """One server under measurement, with its hook if it has one; each block starts a fresh one."""

    def __init__(self, subject: Subject, plan: Plan) -> None:
        self._subject = subject
        self._plan = plan
        self._server_core, self._load_core = machine.cores()
        self._completed = 0

    def talk(self, *, with_hook: bool, latency: bool) -> tuple[Throughput, Latency | None, Account]:
        """Throughput, then latency if it is wanted, on one server process."""
        with self._folder() as folder:
            with contextlib.ExitStack() as stack:
                hookd = stack.enter_context(self._hook(folder)) if with_hook else None
                url = self._url(hookd) if hookd else None
                server, port = stack.enter_context(self._server(folder, url))
                self._completed = 0
                throughput = self._throughput(server, port, folder, with_hook=with_hook)
                turns = (
                    self._latency(server, port, folder, with_hook=with_hook) if latency else None
                )
                server.stop()
                requests = self._requests(hookd) if hookd else None
            consents = accepted(folder) if self._subject.keeps_consent else None
        return throughput, turns, Account(self._completed, requests, consents)

    @contextlib.contextmanager
    def serving(
        self, seconds: float, clock: Callable[[int], float] = machine.cpu_seconds
    ) -> Iterator[Callable[[], float]]:
        """A server that is warm, with its hook; what is given measures one round of it.

        A round is so many seconds of `AT_ONCE` calls at a time. It gives calls per CPU second, and
        raises BenchError if one of them failed. `clock` reads the CPU seconds of a process.
        """
        with self._folder() as folder, contextlib.ExitStack() as stack:
            url = self._url(stack.enter_context(self._hook(folder)))
            server, port = stack.enter_context(self._server(folder, url))

            def one_round() -> float:
                before = clock(server.pid)
                options = [*self._at_once(10**9), "--seconds", str(seconds)]
                result = self._load(port, folder, options)
                if faults(result):
                    raise BenchError(f"{self._subject.name}: {faults(result)} calls failed")
                return float(result["completed"]) / (clock(server.pid) - before)

            self._load(port, folder, self._at_once(WARM_UP_CALLS))
            yield one_round

    def park(self) -> Parked:
        """Memory before and with the parked calls, and whether they all leave again."""
        wanted = machine.raise_descriptor_limit(self._plan.parked)
        with self._folder() as folder, contextlib.ExitStack() as stack:
            url = self._url(stack.enter_context(self._hook(folder)))
            server, port = stack.enter_context(self._server(folder, url))
            self._load(port, folder, self._at_once(WARM_UP_CALLS))
            base = machine.memory_kib(server.pid)
            descriptors = machine.descriptors(server.pid)
            options = ["--concurrency", str(wanted), "--total", str(wanted), "--park"]
            options += ["--connecting", str(CONNECTING), "--call-seconds", str(PARKING_SECONDS)]
            with load(self._load_core, folder, self._options(port, options)) as parking:
                _, _, count = parking.line(PARKING_SECONDS + SPARE_SECONDS).partition(" ")
                held = machine.memory_kib(server.pid)
                result = parking.finish(SPARE_SECONDS)
            # Emptied means: each call saw its end and let go of its socket.
            for _ in range(50):
                left = machine.descriptors(server.pid) - descriptors
                if left <= 0 or server.ended_within(0.2):
                    break
        return Parked(
            calls=int(count),
            failed=result["failed"],
            base_kib=base,
            held_kib=held,
            kib_per_call=round((held - base) / max(int(count), 1), 2),
            descriptors_left=max(left, 0),
        )

    def _throughput(
        self, server: Program, port: int, folder: Path, *, with_hook: bool
    ) -> Throughput:
        self._load(port, folder, self._at_once(WARM_UP_CALLS))
        calls = failed = 0
        rounds = []
        for _ in range(self._plan.rounds):
            before = machine.cpu_seconds(server.pid)
            seconds = ["--seconds", str(self._plan.seconds)]
            result = self._load(port, folder, [*self._at_once(10**9), *seconds])
            cpu = machine.cpu_seconds(server.pid) - before
            rounds.append(round(result["completed"] / max(cpu, 0.01), 1))
            calls += result["completed"]
            failed += faults(result)
        return Throughput(
            with_hook=with_hook,
            calls=calls,
            failed=failed,
            calls_per_cpu_s=statistics.median(rounds),
            rounds=tuple(rounds),
        )

    def _latency(self, server: Program, port: int, folder: Path, *, with_hook: bool) -> Latency:
        ramp = TURNS * THINK_MICROSECONDS[with_hook] / 1e6
        warm_up = max(self._plan.latency_warm_up, ramp + 1.0)
        options = ["--concurrency", str(TALKING), "--total", str(10**9)]
        options += [
            "--think",
            str(THINK_MICROSECONDS[with_hook]),
            "--warmup",
            str(warm_up),
            "--ramp",
            str(ramp),
        ]
        options += ["--seconds", str(warm_up + self._plan.latency_seconds)]
        results = []
        for _ in range(self._plan.latency_rounds):
            before = machine.cpu_seconds(server.pid)
            result = self._load(port, folder, options)
            cpu = machine.cpu_seconds(server.pid) - before
            result["cpu_share"] = round(cpu / result["seconds"], 3)
            results.append(result)
        results.sort(key=lambda result: float(result["exec_turn_us"]["p99"]))
        middle = results[len(results) // 2]
        return Latency(
            calls=middle["completed"],
            failed=sum(faults(result) for result in results),
            turn=middle["turn_us"],
            bridge=middle["bridge_turn_us"],
            exec=middle["exec_turn_us"],
            cpu_share=middle["cpu_share"],
            p99_rounds=tuple(result["exec_turn_us"]["p99"] for result in results),
        )

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        """A folder on the checkout's disk: /tmp may be memory, and consent is fsynced."""
        run = ROOT / ".run"
        run.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="bench-", dir=run) as folder:
            yield Path(folder)

    def _hook(self, folder: Path) -> Program:
        return hook(self._load_core, folder, tls=self._subject.tls)

    def _url(self, hookd: Program) -> str:
        return f"{'https' if self._subject.tls else 'http'}://127.0.0.1:{hookd.ready()}/v1/ivr"

    @contextlib.contextmanager
    def _server(self, folder: Path, url: str | None) -> Iterator[tuple[Program, int]]:
        launch = self._subject.launch(folder, url)
        name = self._subject.name
        with Program(name, launch.command, core=self._server_core, folder=folder) as server:
            if launch.port is None:
                yield server, server.ready()
            else:
                await_listener(server, launch.port)
                yield server, launch.port

    def _at_once(self, total: int) -> list[str]:
        return ["--concurrency", str(AT_ONCE), "--total", str(total)]

    def _options(self, port: int, options: list[str]) -> list[str]:
        return ["--port", str(port), *self._subject.load_options(), *options]

    def _load(self, port: int, folder: Path, options: list[str]) -> dict[str, Any]:
        limit = 30.0 + self._plan.latency_warm_up + self._plan.latency_seconds + TURNS
        limits = ["--run-seconds", str(limit)]
        with load(self._load_core, folder, self._options(port, [*options, *limits])) as program:
            result = program.finish(limit + SPARE_SECONDS)
        self._completed += result["completed"]
        return result

    @staticmethod
    def _requests(hookd: Program) -> int:
        hookd.terminate()
        counted = hookd.finish(SPARE_SECONDS)
        return int(counted["requests"]) - int(counted["bad"])


def faults(result: dict[str, Any]) -> int:
    """What went wrong in a run of the load generator: failed calls, and lines out of place."""
    return int(result["failed"] + result["stray_lines"] + result["unknown_commands"])


def await_listener(server: Program, port: int, seconds: float = START_SECONDS) -> None:
    """Wait until somebody listens.

    Raises:
        BenchError: the server ended, or nobody listened in time.
    """
    pause = 0.1
    for _ in range(int(seconds / pause)):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        if server.ended_within(pause):
            raise BenchError(f"{server.name}: ended at its start: {server.errors()}")
    raise BenchError(f"{server.name}: does not listen: {server.errors()}")


def accepted(folder: Path) -> int:
    """How many consents the ledger below `folder` holds that the hook accepted.

    Raises:
        BenchError: there is no ledger.
    """
    for path in folder.rglob(LEDGER_FILE):
        with contextlib.closing(sqlite3.connect(path)) as ledger:
            row = ledger.execute("SELECT count(*) FROM event WHERE type = 'accepted'")
            return int(row.fetchone()[0])
    raise BenchError(f"no ledger below {folder}")
