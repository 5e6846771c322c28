"""What is built before anything is measured: two C programs, and servers in other languages.

A server whose language this machine does not have is left out of the measurement.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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


GO_SERVER: Final = BIN / "go_server"
NODE: Final = BIN / "node"
NODE_SERVER: Final = NODE / "ding_dong.js"
AIOHTTP: Final = BIN / "aiohttp"


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


def build_go() -> str | None:
    """Compile the server in Go; why that is not possible, if so."""
    compiler = shutil.which("go")
    if compiler is None:
        return "no Go compiler (Debian: apt install golang-go)"
    source = HERE / "servers" / "go"
    if GO_SERVER.exists() and GO_SERVER.stat().st_mtime >= (source / "main.go").stat().st_mtime:
        return None
    command = [compiler, "build", "-o", str(GO_SERVER), "."]
    environment = os.environ | {"GOCACHE": str(BIN / "go-cache"), "CGO_ENABLED": "0"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=source, env=environment
    )
    return done.stderr.strip() or None if done.returncode else None


def install_node() -> str | None:
    """Install ding-dong from the locked list, beside the server; why not, if so."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return "no Node (Debian: apt install nodejs npm)"
    NODE.mkdir(parents=True, exist_ok=True)
    for file in (HERE / "servers" / "node").iterdir():
        shutil.copy(file, NODE / file.name)
    if (NODE / "node_modules" / "ding-dong").exists():
        return None
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=NODE)
    return f"npm: {done.stderr.strip()[-300:]}" if done.returncode else None


def install_aiohttp() -> str | None:
    """Install aiohttp from the locked list, in a folder of its own; why not, if so."""
    if (AIOHTTP / "aiohttp").exists():
        return None
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(AIOHTTP)]
    command += ["--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command += ["-r", str(HERE / "requirements-aiohttp.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"pip: {done.stderr.strip()[-300:]}" if done.returncode else None
