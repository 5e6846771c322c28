"""Engines: programs that turn a text into sound.

A `CommandEngine` runs a program of the administrator's choice. The text comes from the hook, that
is from outside: no shell is involved, a text cannot become an option, and the program sees neither
the bridge's environment (which may hold keys) nor any file of ours but its own folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import stat
from typing import TYPE_CHECKING, Final, Protocol

from .errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TEXT: Final = "{text}"
LANGUAGE: Final = "{language}"
OUTPUT: Final = "{output}"

MAX_OUTPUT_BYTES: Final = 32 << 20
"""Largest file that a program may write: five minutes at 48 kHz."""


class Engine(Protocol):
    """What the library asks of an engine."""

    @property
    def identity(self) -> str:
        """A text that changes whenever the same words would sound different."""

    async def render(self, text: str, language: str, output: Path) -> None:
        """Speak a text into a new sound file, of any usual rate, in a folder that is the job's own.

        Raises EngineError. A cancelled rendering leaves no process behind.
        """


class CommandEngine:
    """A program that writes a WAV file.

    `arguments` is the program and its arguments, with `{output}` where the file's path goes and,
    if wanted, `{language}` (a BCP 47 tag in lower case) and `{text}`. Without `{text}` the text
    comes on standard input, as UTF-8.
    """

    __slots__ = ("_arguments", "_max_bytes")

    def __init__(
        self, arguments: Sequence[str], *, max_output_bytes: int = MAX_OUTPUT_BYTES
    ) -> None:
        self._arguments = tuple(arguments)
        self._max_bytes = max_output_bytes

    @property
    def identity(self) -> str:
        """The command."""
        return "\0".join(self._arguments)

    async def render(self, text: str, language: str, output: Path) -> None:
        """Run the program once. Raises EngineError if it fails or writes no usable file."""
        piped = not any(TEXT in argument for argument in self._arguments)
        try:
            process = await asyncio.create_subprocess_exec(
                *self._filled(text, language, output),
                stdin=asyncio.subprocess.PIPE if piped else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=output.parent,
                env=_environment(output.parent),
                start_new_session=True,  # so that its children can be ended with it
            )
        except OSError as error:
            raise EngineError(f"the engine did not start ({error.strerror})") from error
        try:
            _limit_files(process.pid, self._max_bytes)
            await process.communicate(text.encode() if piped else None)
        finally:
            await _end(process)
        if process.returncode:
            raise EngineError(f"the engine ended with status {process.returncode}")
        _check(output, self._max_bytes)

    def _filled(self, text: str, language: str, output: Path) -> list[str]:
        # getopt takes an argument that begins with - for an option; a space before it is not spoken
        safe = f" {text}" if text.startswith("-") else text
        filled = []
        for argument in self._arguments:
            # One pass over the template: what a text contains is never a placeholder itself.
            before, mark, after = argument.partition(TEXT)
            parts = [
                part.replace(LANGUAGE, language).replace(OUTPUT, str(output))
                for part in (before, after)
            ]
            filled.append(safe.join(parts) if mark else parts[0])
        return filled


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder),
    }


def _limit_files(pid: int, max_bytes: int) -> None:
    """Have the kernel stop the program (SIGXFSZ) when a file of its grows too large."""
    with contextlib.suppress(ProcessLookupError):  # it has ended already
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (max_bytes, max_bytes))


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a program and all that it started, and see it off."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left of the group
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _check(output: Path, max_bytes: int) -> None:
    try:
        found = output.lstat()
    except OSError:
        raise EngineError("the engine wrote no file") from None
    if not stat.S_ISREG(found.st_mode) or not 0 < found.st_size <= max_bytes:
        raise EngineError("the engine wrote no usable file")
