"""Starts bridge processes one after the other, each a fork of this process with all imports done.

    python -m tests.support.crash_supervisor PIPE '{"state_dir": ..., "where": ..., ...}'

Reads one line for each run: its number. Writes to the pipe `started PID`, then what the run
reports, then `exited STATUS`. This process has no thread and no event loop while it forks.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path

import structlog
import uvloop

from agi_bridge.consent.signing import Keys
from agi_bridge.hook import HookClient
from agi_bridge.speech import Library
from tests.support.crash_process import RunResources, configuration, run_bridge


def main(reports: int, plan: dict[str, str]) -> None:
    """Start runs until standard input ends."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    state_dir = Path(plan["state_dir"])
    configured = configuration(state_dir, plan["hook"])
    where = plan["where"]
    resources = RunResources(
        settings=configured,
        where=where if "://" in where else Path(where),
        keys=Keys.load(state_dir / "keys", create=False)[0],
        library=Library(cache=state_dir / "speech"),
        hook=HookClient(plan["hook"]),
        closed=HookClient(plan["closed"]),
    )
    warm_up = replace(resources, hook=HookClient(plan["hook"]), closed=HookClient(plan["closed"]))
    uvloop.run(
        run_bridge(warm_up, int(plan["warm_up"]), reports, calls=3)
    )  # fills every cache before the first fork
    os.write(reports, b"warm\n")
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            uvloop.run(run_bridge(resources, int(line), reports))
            os._exit(0)
        os.write(reports, f"started {pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        os.write(reports, f"exited {os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
