"""Calls on a bridge whose disk fills up, then turns read-only, then works again.

    python -m tests.support.fault_disk FOLDER tmpfs|limits

In its own process, as both ways of taking a disk away belong to the whole process: `tmpfs`
mounts a small file system on the folder, which takes a mount namespace (`unshare`); `limits` keeps
files from growing and takes the right to write away, which works anywhere.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, Protocol

import structlog

from agi_bridge.consent.signing import generate_keys
from tests.support.fault_calls import AGREES, DECLINES, DEFAULT, FaultBridge, went_to

SIZE: Final = 2_000_000
"""Bytes of the small file system."""


class Disk(Protocol):
    """A disk that can be taken away."""

    def fill(self) -> None:
        """Let no file on it grow."""

    def empty(self) -> None:
        """Let files grow again."""

    def forbid(self) -> None:
        """Let nothing on it be written; no file there is open."""

    def allow(self) -> None:
        """Let it be written again."""


class Tmpfs:
    """A file system in memory, on a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._filler = folder / "filler"
        self._mount("-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder))

    def fill(self) -> None:
        """Fill it with zeroes to the last byte."""
        with self._filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017 - the one way out of the loop

    def empty(self) -> None:
        """Remove them."""
        self._filler.unlink()

    def forbid(self) -> None:
        """Mount it read-only."""
        self._mount("-o", "remount,bind,ro", str(self._folder))

    def allow(self) -> None:
        """Mount it for writing."""
        self._mount("-o", "remount,bind,rw", str(self._folder))

    @staticmethod
    def _mount(*arguments: str) -> None:
        subprocess.run(["mount", *arguments], check=True)  # noqa: S603, S607 - our own arguments


class Limits:
    """A folder that this process is kept from writing to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write then fails with EFBIG

    def fill(self) -> None:
        """Let no file be longer than a byte: nothing can be added to any."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, self._hard))

    def empty(self) -> None:
        """Let files be as long as before."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._hard, self._hard))

    def forbid(self) -> None:
        """Take the right to write away; root, who needs none, becomes somebody else."""
        for path in (*self._folder.iterdir(), self._folder):
            path.chmod(0o555)
        if os.getuid() == 0:
            os.seteuid(65534)

    def allow(self) -> None:
        """Give it back."""
        os.seteuid(os.getuid())
        for path in (self._folder, *self._folder.iterdir()):
            path.chmod(0o755)


async def main(folder: Path, kind: str) -> None:
    """Go through it all; an assertion that fails ends the process."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    disk: Disk = Tmpfs(folder) if kind == "tmpfs" else Limits(folder)
    async with FaultBridge.running(folder / "consents.db", generate_keys(), folder) as bridge:
        assert await bridge.goes_on()
        bridge.hook.requests.clear()
        disk.fill()
        await _fails(bridge)
        disk.empty()
        assert await bridge.goes_on()
        bridge.hook.requests.clear()
        disk.fill()
        await _fails(bridge)
        disk.empty()
        disk.forbid()  # what failed was closed: the next caller finds a read-only database
        await _fails(bridge)
        disk.allow()
        assert await bridge.goes_on()
        stored = ["disclosed", "entered", "confirmed", "submitting", "accepted"]
        assert await bridge.states() == [stored] * 3


async def _fails(bridge: FaultBridge) -> None:
    """Neither a caller who agrees nor one who declines is kept from getting through."""
    assert bridge.refused(await bridge.call(AGREES))
    assert went_to(await bridge.call(DECLINES)) == [DEFAULT]


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
