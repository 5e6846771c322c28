"""Bears bridges one after the other, each a fork of this process, which has everything imported.

    python -m tests.support.crash_supervisor PIPE '{"state_dir": ..., "where": ..., ...}'

Reads one line for each life: its number. Tells on the pipe `born PID`, what the life tells, and
when it has ended `dead STATUS`. There is no thread and no event loop here while it forks.
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
from tests.support.crash_process import Inheritance, configuration, live


def main(tell: int, plan: dict[str, str]) -> None:
    """Bear lives until standard input ends."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    state_dir = Path(plan["state_dir"])
    configured = configuration(state_dir, plan["hook"])
    where = plan["where"]
    inheritance = Inheritance(
        settings=configured,
        where=where if "://" in where else Path(where),
        keys=Keys.load(state_dir / "keys", create=False)[0],
        library=Library(cache=state_dir / "speech"),
        hook=HookClient(plan["hook"]),
        closed=HookClient(plan["closed"]),
    )
    first = replace(inheritance, hook=HookClient(plan["hook"]), closed=HookClient(plan["closed"]))
    uvloop.run(live(first, 0, tell, calls=3))  # fills every cache before the first fork
    os.write(tell, b"ready\n")
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            uvloop.run(live(inheritance, int(line), tell))
            os._exit(0)
        os.write(tell, f"born {pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        os.write(tell, f"dead {os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
