"""How many instructions a call takes: a figure that repeats, however busy the machine is.

    python -m bench.instructions                            # our servers, a few minutes
    python -m bench.instructions --only ours_full --at-once 1
    python -m bench.instructions --only ours_agi --keep /tmp/profile     # for callgrind_annotate

callgrind (Debian: valgrind) counts what the server's process executes, without the kernel, after a
warm-up. Calls at a time decide how many consents share a transaction: `--at-once 1` is a bridge
that has time, 10 one that has not.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import machine
from bench.measure import await_listener, faults
from bench.process import BenchError, Program, hook, load
from bench.programs import ROOT, BuildError, build
from bench.subjects import SUBJECTS, Foreign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.subjects import Subject

START_SECONDS: Final = 120.0
"""A server starts twenty times as slowly."""
RUN_SECONDS: Final = 400.0
WARM_UP_CALLS: Final = 60
CALLGRIND: Final = (
    "valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes",
    "--trace-children=yes",  # an interpreter may be started by a script
)  # fmt: skip


def main() -> int:
    """Measure what the command line asks for; 0, or 1 if something could not be."""
    arguments = read_arguments()
    if shutil.which("valgrind") is None:
        print("bench: no valgrind (Debian: apt install valgrind)", file=sys.stderr)
        return 2
    try:
        build()
    except BuildError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    os.environ["PYTHONHASHSEED"] = "0"
    status = 0
    print(f"Python {sys.version.split()[0]}, {arguments.at_once} at a time")
    for subject in SUBJECTS:
        if subject.name not in arguments.only:
            continue
        try:
            threads = measured(subject, arguments.calls, arguments.at_once, arguments.keep)
        except (BenchError, OSError) as error:
            print(f"{subject.name}: {error}", file=sys.stderr)
            status = 1
            continue
        parts = " + ".join(f"{count / 1000:,.0f}" for count in threads if count >= 1000)
        print(f"{subject.name}: {sum(threads) / 1000:,.0f} thousand a call ({parts})", flush=True)
    return status


def read_arguments() -> argparse.Namespace:
    """The command line."""
    ours = [each.name for each in SUBJECTS if not isinstance(each, Foreign)]
    usual = ["bare_protocol", "ours_agi", "ours_full", "ours_product"]
    parser = argparse.ArgumentParser(prog="python -m bench.instructions")
    parser.add_argument("--only", nargs="+", choices=ours, default=usual, metavar="SERVER")
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=10)
    parser.add_argument("--keep", type=Path, help="a folder for callgrind's files")
    return parser.parse_args()


def measured(subject: Subject, calls: int, at_once: int, keep: Path | None) -> list[float]:
    """Instructions of a call by thread: the event loop's, then the others as they were begun.

    Raises:
        BenchError: a program did not do its part.
    """
    server_core, load_core = machine.cores()
    (ROOT / ".run").mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / ".run") as name,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(name)
        profile = folder if keep is None else keep
        profile.mkdir(exist_ok=True, parents=True)
        out = profile / f"{subject.name}.callgrind"
        url = None
        if subject.with_hook:
            hookd = stack.enter_context(hook(load_core, folder, tls=subject.tls))
            url = f"{'https' if subject.tls else 'http'}://127.0.0.1:{hookd.ready()}/v1/ivr"
        launch = subject.launch(folder, url)
        command = [*CALLGRIND, f"--callgrind-out-file={out}", *launch.command]
        server = stack.enter_context(
            Program(subject.name, command, core=server_core, folder=folder)
        )
        port = launch.port
        if port is None:
            port = server.ready(START_SECONDS)
        else:
            await_listener(server, port, START_SECONDS)

        def talk(count: int, at_once: int) -> None:
            options = ["--port", str(port), *subject.load_options()]
            options += ["--concurrency", str(at_once), "--total", str(count)]
            options += ["--run-seconds", str(RUN_SECONDS), "--call-seconds", str(RUN_SECONDS)]
            with load(load_core, folder, options) as program:
                result = program.finish(RUN_SECONDS)
            if result["completed"] != count or faults(result):
                raise BenchError(f"{result['completed']} of {count} calls completed")

        talk(WARM_UP_CALLS, at_once)
        _control(server, "--instr=on")
        talk(at_once, at_once)  # callgrind translates the code again
        _control(server, "--zero")
        talk(calls, at_once)
        _control(server, "--dump")
        totals = _totals(sorted(profile.glob(f"{out.name}.1-*")))
    return [total / calls for total in totals]


def _control(server: Program, action: str) -> None:
    done = subprocess.run(
        ["callgrind_control", action, str(server.pid)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchError(f"callgrind_control {action}: {done.stderr.strip()}")


def _totals(files: Sequence[Path]) -> list[int]:
    """The instructions of each thread, in the order of their numbers."""
    found: Counter[int] = Counter()
    for path in files:
        thread = 0
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            word, _, value = line.partition(": ")
            if word == "thread":
                thread = int(value)
            elif word == "totals":
                found[thread] += int(value)
    return [found[thread] for thread in sorted(found)]


if __name__ == "__main__":
    raise SystemExit(main())
