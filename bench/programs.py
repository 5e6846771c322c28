"""The two C programs: built when they are older than their sources."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
BIN: Final = HERE / "bin"
FLAGS: Final = ("-O2", "-Wall", "-Wextra", "-Werror")
SOURCES: Final = {
    "agiload": ("agiload.c", "agicall.c", "agianswer.c", "agidue.c"),
    "hookd": ("hookd.c",),
}


class BuildError(RuntimeError):
    """A C program cannot be built; the text says why."""


def build() -> None:
    """Compile what is missing or older than a source.

    Raises:
        BuildError: there is no C compiler, or it refused a source.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise BuildError("no C compiler: install gcc (Debian: apt install gcc libc6-dev)")
    BIN.mkdir(exist_ok=True)
    newest = max(path.stat().st_mtime for path in (*HERE.glob("*.c"), *HERE.glob("*.h")))
    for name, sources in SOURCES.items():
        program = BIN / name
        if program.exists() and program.stat().st_mtime >= newest:
            continue
        command = [compiler, *FLAGS, "-o", str(program), *(str(HERE / s) for s in sources)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BuildError(f"{name}: {done.stderr.strip()}")
