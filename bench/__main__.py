"""`python -m bench`: build, measure, print the table, write `bench/results.json`.

Exit status: 0 measured; 1 something could not be measured; 2 nothing can be (no C compiler,
--realtime without root).
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bench import machine, program, report
from bench.measure import QUICK, Bench, Plan
from bench.process import BenchError
from bench.programs import HERE, BuildError, build
from bench.subjects import SUBJECTS, Foreign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.subjects import Subject


def main() -> int:
    """Measure what the command line asks for."""
    arguments = read_arguments()
    plan = QUICK if arguments.quick else Plan()
    subjects = [subject for subject in SUBJECTS if subject.name in arguments.only]
    try:
        missing = build_all(subjects)
    except BuildError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    machine.raise_descriptor_limit(plan.parked)
    if arguments.realtime:
        try:
            machine.put_first()
        except PermissionError:
            print("bench: --realtime needs root", file=sys.stderr)
            return 2
    facts = machine.facts() | {"realtime": int(arguments.realtime)}
    print(", ".join(f"{name} {value}" for name, value in facts.items()), file=sys.stderr)
    results = [
        measured(subject, plan, arguments.what, missing.get(subject.name)) for subject in subjects
    ]
    print(report.table(results))
    print("\n".join(report.verdicts(results)))
    figures = None
    if arguments.what == "all" and len(arguments.only) == len(SUBJECTS):
        figures = program.measured()
        print("\n".join(report.program_verdicts(figures)))
    report.write(arguments.output, facts, asdict(plan), results, figures)
    return 1 if any(result.fault for result in results) else 0


def read_arguments() -> argparse.Namespace:
    """The command line."""
    names = [subject.name for subject in SUBJECTS]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="short runs, 2,000 parked calls")
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="before all other processes (SCHED_FIFO, root only): for a machine that is shared",
    )
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="SERVER")
    parser.add_argument("--what", choices=("all", "talk", "park"), default="all")
    parser.add_argument("--output", type=Path, default=HERE / "results.json")
    return parser.parse_args()


def build_all(subjects: Sequence[Subject]) -> dict[str, str]:
    """Build the programs and the servers; return why a server cannot be, by its name.

    Before `machine.put_first`: under SCHED_FIFO the threads of Go's compiler wait for each other
    and leave each other no processor.

    Raises:
        BuildError: there is no C compiler, or it refused a source.
    """
    build()
    foreign = [subject for subject in subjects if isinstance(subject, Foreign)]
    missing = {subject.name: subject.build() for subject in foreign}
    return {name: reason for name, reason in missing.items() if reason}


def measured(subject: Subject, plan: Plan, what: str, missing: str | None) -> report.Result:
    """All of one server's figures; what fails leaves a fault in their place."""
    result = report.Result(subject, fault=missing)
    bench = Bench(subject, plan)
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: print(f"  {'; '.join(result.row())}", file=sys.stderr, flush=True))
        print(f"{subject.name} ...", file=sys.stderr, flush=True)
        if missing:
            return result
        try:
            measure(result, bench, what)
        except (BenchError, OSError) as error:
            result.fault = str(error)
    return result


def measure(result: report.Result, bench: Bench, what: str) -> None:
    """Fill in one server's figures.

    Raises:
        BenchError: a program did not do its part.
    """
    if what != "park":
        subject = result.subject
        if subject.without_hook:
            latency = not subject.with_hook
            result.without_hook, result.latency, account = bench.talk(
                with_hook=False, latency=latency
            )
            result.accounts.append(account)
        if subject.with_hook:
            result.with_hook, result.latency, account = bench.talk(with_hook=True, latency=True)
            result.accounts.append(account)
    if what != "talk" and result.subject.parks:
        result.parked = bench.park()


if __name__ == "__main__":
    sys.exit(main())
