"""The engine `command`: any program that writes a WAV file, such as espeak-ng or a script.

The text comes from the hook and is not trusted. No shell is used, and a text cannot become an
option. The program does not get the bridge's environment, which may contain keys, and starts in a
separate folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import signal
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from agi_bridge.speech.errors import EngineError

from .base import MAX_OUTPUT_BYTES, Engine, check_output

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

TEXT: Final = "{text}"
LANGUAGE: Final = "{language}"
OUTPUT: Final = "{output}"

SHARED_MEMORY_BYTES: Final = 64 << 20
"""Allowance for the shared memory that PulseAudio's library creates, which counts as a file.

Debian's espeak-ng is linked to this library and fails without the allowance.
"""


class CommandEngine(Engine):
    """A program that writes a WAV file.

    `arguments` is the program and its arguments. They contain `{output}`, the path of the file, and
    optionally `{language}` (a BCP 47 tag in lower case) and `{text}`. Without `{text}` the program
    reads the text from standard input, as UTF-8.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        languages: Collection[str] = (),
        *,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
    ) -> None:
        super().__init__(PurePath(arguments[0]).name, "\0".join(arguments), languages)
        self._arguments = tuple(arguments)
        self._max_bytes = max_output_bytes

    @property
    def missing(self) -> bool:
        """Whether the program is missing or not executable."""
        return shutil.which(self._arguments[0]) is None

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
                start_new_session=True,  # so that its children are killed with it
            )
        except OSError as error:
            raise EngineError(f"the engine did not start ({error.strerror})") from error
        try:
            _limit_files(process.pid, self._max_bytes)
            await process.communicate(text.encode() if piped else None)
        finally:
            await end_with_children(process)
        if process.returncode:
            raise EngineError(f"the engine exited with status {process.returncode}")
        check_output(output, self._max_bytes)

    def _filled(self, text: str, language: str, output: Path) -> list[str]:
        # getopt treats an argument that begins with - as an option; a leading space is not spoken
        safe = f" {text}" if text.startswith("-") else text
        filled = []
        for argument in self._arguments:
            # One pass over the template: placeholders in the text itself are not replaced.
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
    """Have the kernel stop the program (SIGXFSZ) if one of its files grows too large."""
    most = max_bytes + SHARED_MEMORY_BYTES
    with contextlib.suppress(ProcessLookupError):  # already exited
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))


async def end_with_children(process: asyncio.subprocess.Process) -> None:
    """Kill a program and its children, and wait for its exit."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # the group is empty
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
