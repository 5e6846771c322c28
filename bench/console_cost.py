"""What open pages of the console cost the calls: processor time, and the slowest percent.

    python -m bench.console_cost            # minutes
    python -m bench.console_cost --quick    # a run of each
    python -m bench.console_cost --alone    # half a minute: without calls

Alone, the console shows pages whose rows are all new at each look; its thread's processor time is
measured. It is the same each second, whatever the calls do, so it is a share of a core.

Under load, two servers take the bench's calls in turn: `agi-bridge serve` without a console, and
with one on which 200 pages are open. What counts is the processor time of the thread that handles
the calls: it is what the pages cost them. The console's own thread takes the same each second,
whatever the calls do, and is measured alone. `--in-loop` compares with a console in the calls'
event loop too.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from statistics import median
from typing import TYPE_CHECKING, Final

import httpx

from bench import machine
from bench.console_alone import alone
from bench.measure import QUICK, Bench, Plan
from bench.programs import build
from bench.subjects import Launch, Product, free_port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PAGES: Final = 200
RUNS: Final = 3
PAIRS: Final = 4
SECONDS: Final = 2.5
"""Of a round: about a thousand calls."""
MOST_SHARE: Final = 0.05


class Watched(Product):
    """`agi-bridge serve` with a console, on which pages are open."""

    program: tuple[str, ...] = ()

    def launch(self, folder: Path, hook: str | None) -> Launch:
        """The command, and the open pages."""
        made = Product.launch(self, folder, hook)
        port = free_port()
        file = folder / "agi-bridge.toml"
        text = file.read_text(encoding="utf-8")
        console = f'[console]\nenabled = true\nsign_in = "none"\nport = {port}\n'
        file.write_text(f"{text}\n{console}", encoding="utf-8")
        threading.Thread(target=asyncio.run, args=(watch(port),), daemon=True).start()
        command = [*self.program, *made.command[1:]] if self.program else made.command
        return Launch(command, made.port)


class WatchedInLoop(Watched):
    """The same with the console in the calls' event loop."""

    program = (sys.executable, "-m", "bench.servers.console_in_loop")


async def watch(port: int) -> None:
    """Keep pages open until the server has gone."""
    limits = httpx.Limits(max_connections=None)
    url = f"http://127.0.0.1:{port}/live"
    async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=30) as client:
        await asyncio.gather(*(keep_open(client, url) for _ in range(PAGES)))


async def keep_open(client: httpx.AsyncClient, url: str) -> None:
    """One page, which connects again whenever its stream ends."""
    answered, tries = False, 0
    while tries < 300:  # until it listens, and once more after it has gone
        tries = 0 if answered else tries + 1
        answered = False
        try:
            async with client.stream("GET", url) as stream:
                answered = stream.status_code == 200
                async for _ in stream.aiter_raw():
                    pass
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.2)  # as the stream asks for: `RECONNECT_MS`


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and return 0 if the limit holds."""
    milliseconds, core = alone(PAGES)
    print(f"{PAGES} open pages: {milliseconds:.1f} ms a look, {core:.1%} of a core (5 %)")
    if "--alone" in arguments:
        print("load", *(f"{load:.1f}" for load in os.getloadavg()))
        return 0 if core <= MOST_SHARE else 1
    build()
    quick = "--quick" in arguments
    plan, runs = (QUICK, 1) if quick else (Plan(), RUNS)
    kinds: dict[str, type[Watched]] = {"in its own thread": Watched}
    if "--in-loop" in arguments:
        kinds["in the calls' loop"] = WatchedInLoop
    shares = {name: share(kind, plan, runs, name) for name, kind in kinds.items()}
    every: dict[str, type[Product]] = {"without a console": Product, **kinds}
    for name, subject in every.items():
        _, latency, _ = Bench(subject(name, "", with_hook=True), plan).talk(
            with_hook=True, latency=True
        )
        if latency is not None:
            rounds = ", ".join(f"{each:,.0f}" for each in latency.p99_rounds)
            print(f"{name:<20} p99 until EXEC {rounds} µs")
    print("load", *(f"{load:.1f}" for load in os.getloadavg()))
    return 0 if shares["in its own thread"] <= MOST_SHARE else 1


def share(kind: type[Watched], plan: Plan, runs: int, name: str) -> float:
    """The share of calls, per CPU second of the calls' thread, that 200 open pages cost."""
    ratios: list[float] = []
    clock = machine.loop_seconds
    for _ in range(runs):
        with (
            Bench(kind("watched", "", with_hook=True), plan).serving(SECONDS, clock) as watched,
            Bench(Product("alone", "", with_hook=True), plan).serving(SECONDS, clock) as alone,
        ):
            pairs = [(watched(), alone()) for _ in range(PAIRS)]
        ratios += [one / other for one, other in pairs]
        print(
            f"{name:<20} {median(one for one, _ in pairs):,.0f}, without a console"
            f" {median(other for _, other in pairs):,.0f} calls per CPU second of their thread"
        )
    cost = 1 - median(ratios)
    print(f"{name:<20} {PAGES} open pages cost {cost:.1%} of calls per CPU second (5 %)")
    return cost


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
