"""A machine on which the documentation's commands are typed, page by page, as they stand.

    unshare --net --mount python -m tests.support.documented_machine FOLDER

It has a network, /etc and /var of its own, so every default path and port is free, and nothing of
the real machine is touched. There is no systemd: `journalctl` prints what the service has logged,
and a line for each event that docs/log-events.md names. Prints one JSON document: for each block
its exit code and what it printed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.documented import ROOT, Block, blocks, pages_of
from tests.support.own_network import loopback_up

if TYPE_CHECKING:
    from collections.abc import Mapping

SECTIONS: Final = ("Start", "Operate")
CALL: Final = re.compile(r"\b[0-9a-f]{14}\b")
CONSENT: Final = re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b")
IDS: Final = (
    (re.compile(r"\bID\b"), "agi-bridge consents list", CONSENT),
    (CALL, "agi-bridge calls", CALL),
)
"""What stands for an id in the pages, and the command that prints this machine's."""


class Machine:
    """The machine of the pages.

    Args:
        folder: an empty folder for all that the commands write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._desk = folder / "desk"
        self._log = folder / "log"
        self._running = ExitStack()
        programs = folder / "bin"
        for made in (self._desk, programs, folder / "home", folder / "var/backups"):
            made.mkdir(parents=True)
        (folder / "var/lib").mkdir()
        self._log.write_text(_every_event(), encoding="utf-8")
        _script(programs / "agi-bridge", f'exec {sys.executable} -m agi_bridge "$@"')
        _script(programs / "journalctl", f"exec cat {self._log}")
        self._environ = {
            "PATH": f"{programs}:{os.defpath}:/usr/sbin:/sbin",
            "HOME": str(folder / "home"),
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "100",
        }

    def take_places(self) -> None:
        """Put folders of the machine over /etc and /var, as seen by this process."""
        shutil.copytree("/etc", self._folder / "etc", symlinks=True, ignore=_unreadable)
        (self._folder / "etc/asterisk").mkdir(exist_ok=True)
        shutil.rmtree(self._folder / "etc/agi-bridge", ignore_errors=True)
        for name in ("etc", "var"):
            subprocess.run(  # noqa: S603 - our own arguments
                ["mount", "--bind", self._folder / name, f"/{name}"],  # noqa: S607 - as found
                check=True,
            )

    def run(self, block: Block) -> tuple[int, str]:
        """Type a block's commands; return the exit code and all that they printed."""
        if "ready" in block.notes:
            return self._start(block.commands, block.notes["ready"])
        script = "\n".join([block.notes.get("first", ""), self._with_ids(block.commands)])
        return self._type(script)

    def _type(self, script: str) -> tuple[int, str]:
        ran = subprocess.run(  # noqa: S603 - what the pages say
            ["/bin/bash", "-euo", "pipefail", "-c", script],
            cwd=self._desk,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return ran.returncode, ran.stdout

    def _with_ids(self, script: str) -> str:
        """Replace the ids of the pages by those of this machine's consent and call."""
        for example, command, pattern in IDS:
            if example.search(script):
                found = pattern.search(self._type(command)[1])
                script = example.sub(found[0] if found else "none", script)
        return script

    def _start(self, command: str, ready: str) -> tuple[int, str]:
        """Leave a program running, and wait until it prints a text; 0 if it did."""
        program = subprocess.Popen(  # noqa: S603 - what the pages say
            ["/bin/bash", "-c", f"exec env {command}"],
            cwd=self._desk,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._running.callback(program.wait)
        self._running.callback(program.terminate)
        said: list[str] = []
        lines = iter(program.stdout or ())
        for line in lines:
            said.append(line)
            self._keep(line)
            if ready in line:
                threading.Thread(target=lambda: [*map(self._keep, lines)], daemon=True).start()
                return 0, "".join(said)
        return program.wait(), "".join(said)

    def _keep(self, line: str) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(line)

    def close(self) -> None:
        """End what still runs."""
        self._running.close()


def _script(path: Path, command: str) -> None:
    path.write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
    path.chmod(0o755)


def _every_event() -> str:
    page = (ROOT / "docs" / "log-events.md").read_text(encoding="utf-8")
    names = re.findall(r"^\| `(\w+\.\w+)` \|", page, re.MULTILINE)
    return "".join(f"{json.dumps({'event': name})}\n" for name in names)


def _unreadable(folder: str, names: list[str]) -> set[str]:
    paths = {name: Path(folder, name) for name in names}
    return {
        name
        for name, path in paths.items()
        if not path.is_symlink() and not os.access(path, os.R_OK)
    }


def main(folder: Path) -> Mapping[str, tuple[int, str]]:
    """Run every block of the pages that is not marked; its exit code and output by its id."""
    loopback_up()
    machine = Machine(folder)
    machine.take_places()
    try:
        return {
            block.id: machine.run(block)
            for page in pages_of(*SECTIONS)
            for block in blocks(page)
            if block.commands and "not run" not in block.notes
        }
    finally:
        machine.close()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))))
