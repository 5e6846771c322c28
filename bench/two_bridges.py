"""`python -m bench.two_bridges`: two bridges on one PostgreSQL, on one line and on a line each.

    python -m bench.two_bridges [--realtime] [--rounds 5] [--seconds 4]

Each bridge is a process with its own ledger thread and signing key, and 50 calls store at a time. A
round is a pair: both on the line `shop`, then one on `shop` and one on `garage`, each on an empty
database of the tests' own server with fsync on. The pairs are repeated for each limit of
`LIMITS`, as the limit decides whether bridges share a line's lock. The last part counts: two
bridges store until a line's limit is reached, and as many agreements as it allows are there.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

import uvloop

from agi_bridge.consent import AgreementRules, State, Withheld
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys, generate_keys
from bench import machine
from bench.ledger import HEARD, consent
from tests.support.external_db import execute
from tests.support.postgresql import PostgreSQL

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier

AT_ONCE: Final = 50
"""Calls of a bridge that store at the same time."""
WARM: Final = 200
LIMITS: Final = {"none": 0, "far": 1_000_000, "near": 40_000}
"""Agreements an hour: no limit; one that is far away; one that is too near for a shared lock."""
ENDS_AT: Final = 1_500
"""The limit that both reach together."""
_FORK: Final = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Pair:
    """Consents a second of both bridges together, in one round."""

    one_line: float
    two_lines: float

    @property
    def ratio(self) -> float:
        """What one line reaches of what two lines reach."""
        return self.one_line / self.two_lines


@dataclass(frozen=True, slots=True)
class Task:
    """What a bridge does: store on a line for so many seconds, or, without, until it is full."""

    url: str
    line: str
    per_hour: int
    seconds: float | None

    @property
    def rules(self) -> AgreementRules:
        """The limits of the line."""
        return AgreementRules(
            number_per_day=3,
            caller_per_day=5,
            line_per_hour=self.per_hour,
            own_number_share=100,
        )


def bridge(task: Task, keys: Keys, first: int, start: Barrier, results: Queue[int]) -> None:
    """One bridge; puts how many consents it stored."""
    results.put(uvloop.run(_store(task, keys, first, start)))


async def _store(task: Task, keys: Keys, first: int, start: Barrier) -> int:
    numbers = count(first)
    stored = 0
    async with await Ledger.open(task.url, keys) as ledger:
        await ledger.register_disclosure(HEARD.language, HEARD.text, HEARD.audio_sha256, b"")

        async def one() -> bool:
            record = consent(next(numbers), task.line, task.rules)
            try:
                await ledger.append(record.take())
            except Withheld:
                return False
            record.submission_ended(
                State.ACCEPTED, reason="dial", status=200, attempts=1, answer="a" * 64,
                forward="+14155550199",
            )  # fmt: skip
            await ledger.append(record.take())
            return True

        if task.seconds is not None:
            await asyncio.gather(*(one() for _ in range(WARM)))
        start.wait()
        until = time.monotonic() + (task.seconds or float("inf"))

        async def caller() -> None:
            nonlocal stored
            while time.monotonic() < until and await one():
                stored += 1

        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    return stored


def together(tasks: tuple[Task, Task]) -> int:
    """Let two bridges work at the same time; returns what both stored."""
    first = generate_keys()
    second = Keys(first.vault, first.lookup, generate_keys().signing)
    start, results = _FORK.Barrier(2), _FORK.Queue()
    processes = [
        _FORK.Process(target=bridge, args=(task, keys, number, start, results))
        for task, keys, number in zip(tasks, (first, second), (0, 3_000_000), strict=True)
    ]
    for process in processes:
        process.start()
    stored: int = sum(results.get(timeout=120) for _ in processes)
    for process in processes:
        process.join()
    return stored


def pair(server: PostgreSQL, per_hour: int, seconds: float) -> Pair:
    """One round."""
    rates = []
    for lines in (("shop", "shop"), ("shop", "garage")):
        with server.database() as url:
            one, two = (Task(url, line, per_hour, seconds) for line in lines)
            rates.append(together((one, two)) / seconds)
    return Pair(*rates)


def agreements_at_the_limit(server: PostgreSQL) -> int:
    """How many agreements two bridges store on a line that allows `ENDS_AT`."""
    with server.database() as url:
        task = Task(url, "shop", ENDS_AT, None)
        together((task, task))
        [(stored,)] = execute(url, "SELECT count(*) FROM event WHERE type = 'confirmed'")
    return int(stored)


def main() -> None:
    """Measure, and print the medians."""
    parser = argparse.ArgumentParser(prog="python -m bench.two_bridges", description=__doc__)
    parser.add_argument("--realtime", action="store_true", help="before all other processes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--limit", choices=LIMITS, action="append")
    arguments = parser.parse_args()
    if arguments.realtime:
        machine.put_first()
    print(", ".join(f"{name} {value}" for name, value in machine.facts().items()))
    with PostgreSQL.running(fsync="on", shared_buffers="128MB") as server:
        for limit in arguments.limit or LIMITS:
            pairs = [
                pair(server, LIMITS[limit], arguments.seconds) for _ in range(arguments.rounds)
            ]
            print(
                f"limit {limit:5} one line {median(pairs, 'one_line'):6.0f}/s, "
                f"two lines {median(pairs, 'two_lines'):6.0f}/s, "
                f"ratio {median(pairs, 'ratio'):.2f}",
                flush=True,
            )
        print(f"at a limit of {ENDS_AT}: {agreements_at_the_limit(server)} agreements")
    print("load", *(f"{load:.1f}" for load in os.getloadavg()))


def median(pairs: list[Pair], name: str) -> float:
    """The median of one value of the rounds."""
    values: list[float] = [getattr(each, name) for each in pairs]
    return statistics.median(values)


if __name__ == "__main__":
    main()
