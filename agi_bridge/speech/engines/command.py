"""Any program that writes a WAV file: espeak-ng, flite, pico2wave, or your own script.

The text comes from the hook, that is from outside: no shell is involved, a text cannot become an
option, and the program sees neither the bridge's environment (which may hold keys) nor any file of
ours but its own folder.
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
"""Besides the sound: what PulseAudio's library sets up when it is loaded, which counts as a file.

Debian's espeak-ng is linked to it, and would never speak if it could not.
"""


class CommandEngine(Engine):
    """A program that writes a WAV file.

    `arguments` is the program and its arguments, with `{output}` where the file's path goes and,
    if wanted, `{language}` (a BCP 47 tag in lower case) and `{text}`. Without `{text}` the text
    comes on standard input, as UTF-8.
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
        """Whether the program is not there, or may not be run."""
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
                start_new_session=True,  # so that its children can be ended with it
            )
        except OSError as error:
            raise EngineError(f"the engine did not start ({error.strerror})") from error
        try:
            _limit_files(process.pid, self._max_bytes)
            await process.communicate(text.encode() if piped else None)
        finally:
            await end_with_children(process)
        if process.returncode:
            raise EngineError(f"the engine ended with status {process.returncode}")
        check_output(output, self._max_bytes)

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
    most = max_bytes + SHARED_MEMORY_BYTES
    with contextlib.suppress(ProcessLookupError):  # it has ended already
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))


async def end_with_children(process: asyncio.subprocess.Process) -> None:
    """End a program and all that it started, and see it off."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left of the group
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
