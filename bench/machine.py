"""What the kernel says: CPU time, memory and descriptors of a tree of processes; the machine."""

from __future__ import annotations

import os
import platform
import resource
from importlib.metadata import version
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_SPARE_DESCRIPTORS: Final = 500
_PRIORITY: Final = 10
_PACKAGES: Final = ("uvloop", "httpx", "httptools", "pyst2", "panoramisk")

Facts = dict[str, str | int]


def family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat_fields(int(entry.name))
            if fields:
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for one in found:  # grows while it is walked
        found.extend(parents.get(one, ()))
    return found


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from `state` on (proc(5)); none if the process has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def cpu_seconds(pid: int) -> float:
    """User and system time of the tree, with what its ended children took, in seconds."""
    ticks = 0
    for one in family(pid):
        fields = _stat_fields(one)
        ticks += sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
    return ticks / _TICKS


def loop_seconds(pid: int) -> float:
    """Processor time of a process's first thread, which handles the calls, in seconds."""
    text = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text(encoding="ascii")
    return int(text.split()[0]) / 1e9


def memory_kib(pid: int) -> int:
    """Proportional set size of the tree in KiB: pages that processes share count once."""
    total = 0
    for one in family(pid):
        rollup = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="utf-8")
        pss = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
        total += int(pss.split()[1])
    return total


def descriptors(pid: int) -> int:
    """Open file descriptors of the tree."""
    return sum(len(list(Path(f"/proc/{one}/fd").iterdir())) for one in family(pid))


def raise_descriptor_limit(wanted: int) -> int:
    """Allow this process and its children as many descriptors as may be.

    `wanted` is how many calls one process shall hold; returns how many it can.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(wanted, hard - _SPARE_DESCRIPTORS)


def put_first() -> None:
    """Run this process and its children before all others (SCHED_FIFO), as on a quiet machine.

    Raises:
        PermissionError: only root may.
    """
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))


def cores() -> tuple[int, int]:
    """Two cores: the server's, and that of load and hook; the same one if there is but one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def facts() -> Facts:
    """The machine and the versions, for the record."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    found: Facts = {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average_before": f"{os.getloadavg()[0]:.2f}",
    }
    return found | {name: version(name) for name in _PACKAGES}
