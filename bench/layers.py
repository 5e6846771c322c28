"""What each part of a call with hook and consent costs, above the least that Python can do.

    python -m bench.layers                # four minutes; --realtime: before all other processes
    python -m bench.layers --only instructions
    python -m bench.layers --only connections     # kept ones, and TLS: the floor and all of ours

Each row is a server that does a part more than the one above it: first canned bytes
(`bench.servers.floor`), then `ours_full` with parts taken out (`bench.servers.layers`). Thousand
instructions a call come from callgrind and leave the kernel out; microseconds are processor time,
kernel included, all servers in turn, medians.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bench import machine
from bench.instructions import measured
from bench.measure import Bench, Plan
from bench.process import BenchError
from bench.programs import BuildError, build
from bench.servers.tls_hook import CA_FILE
from bench.subjects import Launch, Subject

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ROUNDS: Final = 5
SECONDS: Final = 1.5
CALLS: Final = 100
AT_ONCE: Final = 10
"""In both measurements' shares of a transaction; the second has 50 at a time, as `make bench`."""


@dataclass(frozen=True, slots=True)
class Layer(Subject):
    """A server with some parts: `options` say which."""

    module: str = "bench.servers.layers"
    options: tuple[str, ...] = ()

    def launch(self, folder: Path, hook: str | None) -> Launch:
        """The command that starts it, with its files in `folder`."""
        command = [sys.executable, "-m", self.module, "--state", str(folder)]
        if self.keepalive:
            command.append("--keepalive")
        if self.tls:
            command += ["--ca-file", str(CA_FILE)]
        return Launch([*command, "--hook", hook or "", *self.options], None)


def _floor(title: str, *parts: str) -> Layer:
    name = "_".join(("floor", *parts))
    options = ("--parts", *parts)
    return Layer(name, title, with_hook=True, module="bench.servers.floor", options=options)


def _ours(title: str, *without: str) -> Layer:
    name = "_".join(("ours", *without))
    return Layer(name, title, with_hook=True, options=("--without", *without))


LAYERS: Final = (
    _floor("canned bytes of AGI"),
    _floor("+ canned bytes to the hook, a connection a call", "hook"),
    _floor("+ two commits of bytes: the floor", "hook", "commits"),
    replace(_ours("our engine alone"), module="bench.servers.ours_agi", options=()),
    _ours("+ the flow's own steps", "ledger", "record", "hook", "log", "numbers"),
    _ours("+ number rules", "ledger", "record", "hook", "log"),
    _ours("+ log line", "ledger", "record", "hook"),
    _ours("+ hook", "ledger", "record"),
    _ours("+ record in memory", "ledger"),
    _ours("+ ledger: all of it"),
)
"""Each has a part more than the one before."""


def _connected(title: str, *, keepalive: bool, tls: bool) -> tuple[Layer, Layer]:
    """The floor, and all of ours, with other connections to the hook."""
    floor, ours = _floor(f"{title}: the floor", "hook", "commits"), _ours(f"{title}: all of it")
    suffix = "_tls" * tls + "_keepalive" * keepalive
    return (
        replace(floor, name=f"{floor.name}{suffix}", keepalive=keepalive, tls=tls),
        replace(ours, name=f"{ours.name}{suffix}", keepalive=keepalive, tls=tls),
    )


CONNECTIONS: Final = (
    *_connected("fresh connections", keepalive=False, tls=False),
    *_connected("kept connections", keepalive=True, tls=False),
    *_connected("TLS, fresh", keepalive=False, tls=True),
    *_connected("TLS, kept", keepalive=True, tls=True),
)
"""Of these only the time is measured."""


def main() -> int:
    """Measure what the command line asks for; 0, or 1 if something could not be."""
    parser = argparse.ArgumentParser(prog="python -m bench.layers")
    parser.add_argument("--only", choices=["instructions", "time", "connections"])
    parser.add_argument("--realtime", action="store_true")
    arguments = parser.parse_args()
    os.environ["PYTHONHASHSEED"] = "0"
    try:
        build()
        if arguments.realtime:
            machine.put_first()
        layers = {"connections": CONNECTIONS, None: (*LAYERS, *CONNECTIONS)}.get(
            arguments.only, LAYERS
        )
        counted = LAYERS if arguments.only in {None, "instructions"} else ()
        counts = [_count(each) if each in counted else "" for each in layers]
        times = [""] * len(layers) if arguments.only == "instructions" else _times(layers)
    except (BenchError, BuildError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(f"Python {sys.version.split()[0]}\n")
    print("| | thousand instructions | microseconds |\n| -- | -- | -- |")
    for layer, count, time in zip(layers, counts, times, strict=True):
        print(f"| {layer.title} | {count} | {time} |")
    return 0


def _count(layer: Layer) -> str:
    threads = measured(layer, CALLS, AT_ONCE, None)
    parts = [f"{count / 1000:,.0f}" for count in threads if count >= 1000]
    return " + ".join(parts)


def _times(layers: Sequence[Layer]) -> list[str]:
    with contextlib.ExitStack() as stack:
        plan = Plan()
        rounds = [stack.enter_context(Bench(layer, plan).serving(SECONDS)) for layer in layers]
        found = [[1e6 / one() for one in rounds] for _ in range(ROUNDS)]
    return [f"{statistics.median(each):,.0f}" for each in zip(*found, strict=True)]


if __name__ == "__main__":
    raise SystemExit(main())
