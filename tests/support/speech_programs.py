"""Programs that stand in for engines, and a line to know that they are alive."""

from __future__ import annotations

import asyncio
import os
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SPEAK = """
import sys, wave
output, language = sys.argv[1:3]
text = sys.stdin.read()
with wave.open(output, "wb") as sound:
    sound.setnchannels(1); sound.setsampwidth(2); sound.setframerate(16000)
    sound.writeframes(b"\\x00\\x30\\x00\\xd0" * 8 * len(text.encode()) * 16)
with open(LOG, "a") as log:
    print(language, text, file=log)
"""
"""Writes a buzz that is the longer, the longer the text, and notes what it was asked."""

ECHO = """
import os, sys
output, *given = sys.argv[1:]
with open(output, "w") as file:
    print(given, sys.stdin.read(), sorted(os.environ), os.getcwd(), sep="\\0", end="", file=file)
"""
"""Writes down all that it can see: arguments, standard input, environment, folder."""

HANG = """
import subprocess
lifeline = open(LOG, "wb", buffering=0)
child = subprocess.Popen(["sleep", "600"], pass_fds=[lifeline.fileno()])
lifeline.write(b"begun\\n")
child.wait()
"""
"""Starts a child, says so, and waits forever. Both hold the lifeline."""

LEAVE = """
import subprocess, sys
lifeline = open(LOG, "wb", buffering=0)
subprocess.Popen(["sleep", "600"], pass_fds=[lifeline.fileno()])
lifeline.write(b"begun\\n")
open(sys.argv[1], "w").write("x")
"""
"""The same, but ends by itself and leaves the child running."""


class Lifeline:
    """A FIFO that a program and its children hold open: it ends when the last of them does."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._path = path
        self._held: IO[bytes] | None = None

    async def begun(self) -> None:
        """Wait until the program says that it and its child run."""
        self._held = await asyncio.to_thread(self._path.open, "rb")
        assert await asyncio.to_thread(self._held.readline) == b"begun\n"

    async def ended(self) -> None:
        """Wait until none of them runs any more."""
        assert self._held is not None
        with self._held:
            assert await asyncio.to_thread(self._held.read) == b""
