"""How late a step of a call is on an open page of the console.

    python -m bench.page_delay            # a minute and a half
    python -m bench.page_delay --pages 200
    python -m bench.page_delay --browser

`agi-bridge serve` takes calls at several rates, the last of them all that it can take. One page
notes the delay of each step (`bench.servers.page`, or Chromium: `bench.servers.browser`); with
`--pages`, others are open too. Beside the
delays stand the calls a second, the free share of the server's core and of the machine, and how
long threads of the server that could have run waited for that core: what the scheduler adds.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final, Self

from bench import machine
from bench.measure import await_listener
from bench.process import Program, hook, load
from bench.programs import ROOT, build
from bench.subjects import Product, free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS: Final = 12.0
"""How long each load is measured."""
WARM_SECONDS: Final = 4.0
"""Of load before that: until as many calls end as begin."""
OPEN_SECONDS: Final = 10.0
"""Most until the page is open."""
MOST_SECONDS: Final = 0.5
"""The limit, for 99 % of the steps."""
REQUEST: Final = b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
FULL: Final = 0.05
"""A core of which less is free is full."""
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Load:
    """A load and what it is called; `options` are agiload's."""

    name: str
    options: tuple[str, ...]


LOADS: Final = (
    *(
        Load(
            f"{calls} calls at once",
            ("--concurrency", str(calls), "--think", "400000", "--ramp", "3.6"),
        )
        for calls in (100, 700, 2500)
    ),
    Load("as many as it takes", ("--concurrency", "50")),
)


def main(arguments: Sequence[str]) -> int:
    """Measure each load, print, and return 0 if the limit holds where a core is not full."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=1, help="open pages in all")
    parser.add_argument("--browser", action="store_true", help="the page is open in Chromium")
    given = parser.parse_args(arguments)
    pages, reading = given.pages, "browser" if given.browser else "page"
    build()
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=run_folder()) as name,
        ExitStack() as stack,
    ):
        folder = Path(name)
        core, load_core = machine.cores()
        hookd = stack.enter_context(hook(load_core, folder))
        subject, console = Product("watched", "", with_hook=True), free_port()
        launch = subject.launch(folder, f"http://127.0.0.1:{hookd.ready()}/v1/ivr")
        with (folder / "agi-bridge.toml").open("a", encoding="utf-8") as file:
            file.write(f'\n[console]\nenabled = true\nsign_in = "none"\nport = {console}\n')
        server = stack.enter_context(Program("serve", launch.command, core=core, folder=folder))
        await_listener(server, launch.port or 0)
        await_listener(server, console)
        for _ in range(pages - 1):
            threading.Thread(target=drain, args=(console,), daemon=True).start()
        fulfilled = True
        for each in LOADS:
            options = ["--port", str(launch.port), *subject.load_options(), "--total", str(10**9)]
            options += ["--seconds", str(WARM_SECONDS + SECONDS + OPEN_SECONDS), *each.options]
            with load(load_core, folder, options) as calls:
                time.sleep(WARM_SECONDS)  # no event marks the steady state
                page = [sys.executable, "-m", f"bench.servers.{reading}", str(console)]
                with Program("page", page, core=load_core, folder=folder) as reader:
                    reader.line()
                    before = Used.of(server.pid, core)
                    time.sleep(SECONDS)  # a rate needs a fixed interval
                    used = Used.of(server.pid, core) - before
                    noted = reader.finish(10.0)
                result = calls.finish(60.0)
            delays, gaps = sorted(noted["delays"]), sorted(noted["gaps"])
            if not delays or not gaps:
                print(f"{each.name}: the page showed no step")
                return 1
            last = delays[int(len(delays) * 0.99)]
            print(
                f"{each.name:<20} {result['completed'] / result['seconds']:5.0f} calls/s"
                f"  {len(delays):6,} steps: {median(delays):.2f} s, 99 % {last:.2f} s,"
                f" all {delays[-1]:.2f} s\n{'':<20} {used}"
            )
            if used.core_free < FULL:  # each look finds news
                between = gaps[int(len(gaps) * 0.99)]
                print(f"{'':<20} between two events of the page: 99 % {between:.2f} s")
            fulfilled &= last <= MOST_SECONDS or used.core_free < FULL
    print("load", *(f"{load:.1f}" for load in os.getloadavg()))
    return 0 if fulfilled else 1


@dataclass(frozen=True, slots=True)
class Used:
    """Seconds that passed, and of them: free ones, and those that threads waited for the core.

    Attributes:
        at: all.
        core_idle: those in which the server's core did nothing.
        machine_idle: the same of all cores, added.
        calls_wait: those in which the calls' thread waited for a core.
        others_wait: the same of its other threads, added.
    """

    at: float
    core_idle: float
    machine_idle: float
    calls_wait: float
    others_wait: float

    @classmethod
    def of(cls, pid: int, core: int) -> Self:
        """Read them for a server on a core (proc(5))."""
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
        idle = {
            line.split()[0]: int(line.split()[4]) / TICKS for line in lines if line[:3] == "cpu"
        }
        waits = {
            int(task.name): int((task / "schedstat").read_text(encoding="ascii").split()[1]) / 1e9
            for task in Path(f"/proc/{pid}/task").iterdir()
        }
        mine, others = waits.pop(pid), sum(waits.values())
        return cls(time.monotonic(), idle[f"cpu{core}"], idle["cpu"], mine, others)

    def __sub__(self, other: Used) -> Used:
        """What passed since then."""
        return Used(
            self.at - other.at,
            self.core_idle - other.core_idle,
            self.machine_idle - other.machine_idle,
            self.calls_wait - other.calls_wait,
            self.others_wait - other.others_wait,
        )

    @property
    def core_free(self) -> float:
        """The share of the server's core that was free."""
        return self.core_idle / self.at

    def __str__(self) -> str:
        """The line for a person."""
        free = self.machine_idle / self.at / len(os.sched_getaffinity(0))
        return (
            f"free: {self.core_free:.0%} of the server's core, {free:.0%} of the machine;"
            f" waited for the core: calls {self.calls_wait / self.at:.0%} of the time,"
            f" other threads {self.others_wait / self.at:.0%}"
        )


def drain(port: int) -> None:
    """Keep a page open for ever, and look at nothing of what it is sent."""
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as page:
            page.sendall(REQUEST)
            while page.recv(1 << 18):
                pass
        time.sleep(0.2)  # the reconnect delay that the stream sends in `retry:`, as a browser waits


def run_folder() -> Path:
    """A folder on the checkout's disk, as consent is fsynced."""
    run = ROOT / ".run"
    run.mkdir(exist_ok=True)
    return run


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
