"""Rendered texts on disk, where the PBX plays them from.

A file appears in one step (temporary name, fsync, rename): Asterisk may be reading. Its name is a
hash of engine, language and text, so a name never changes its sound and tells nothing of the text.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .audio import telephone
from .errors import BadAudio
from .recording import Sound, examine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAX_FILES = 1000
"""Most rendered texts that are kept; the longest unused go first."""

_READABLE = 0o644
_ENTERABLE = 0o755
_WORK = ".work-"


class Cache:
    """The folder. It is made when the first text is rendered, not before."""

    __slots__ = ("_folder", "_max_files")

    def __init__(self, folder: Path, *, max_files: int = MAX_FILES) -> None:
        self._folder = folder
        self._max_files = max_files

    def find(self, key: str) -> Sound | None:
        """Return the sound kept under a key, and note that it was wanted. Blocks for a read."""
        path = self._path(key)
        try:
            sound = examine(path)
        except FileNotFoundError:
            return None
        except (BadAudio, OSError):
            # A file that cannot be played is rendered anew, over it.
            return None
        with contextlib.suppress(OSError):  # another account's file: its age just stays
            os.utime(path)
        return sound

    @contextlib.asynccontextmanager
    async def workplace(self) -> AsyncIterator[Path]:
        """Give a folder of one's own for a rendering, and take it away again. OSError if none."""
        await asyncio.to_thread(self._make)
        place = Path(tempfile.mkdtemp(prefix=_WORK, dir=self._folder))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    async def keep(self, key: str, rendered: Path) -> Sound:
        """Convert a rendered file for the telephone and put it in its place.

        Raises BadAudio or OSError; then, and when cancelled, nothing is left.
        """
        ready = rendered.with_name("telephone.wav")
        work = asyncio.get_running_loop().run_in_executor(None, _convert, rendered, ready)
        try:
            sound = await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])  # a thread cannot be stopped; the folder it uses must stay
            raise
        ready.replace(self._path(key))
        await asyncio.to_thread(self._settle)
        return sound

    def sweep(self) -> None:
        """Remove what a crash left behind. Blocks; for the start of the service."""
        for left in self._folder.glob(_WORK + "*"):
            shutil.rmtree(left, ignore_errors=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.wav"

    def _make(self) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._folder.chmod(_ENTERABLE)  # the PBX runs under another account

    def _settle(self) -> None:
        """Make the new name last, and let the longest unused go if there are too many."""
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        files = list(self._folder.glob("*.wav"))
        if len(files) > self._max_files:
            files.sort(key=lambda path: path.stat().st_mtime_ns)
            for path in files[: len(files) - self._max_files]:
                path.unlink(missing_ok=True)


def _convert(rendered: Path, ready: Path) -> Sound:
    telephone(rendered, ready)
    ready.chmod(_READABLE)
    return examine(ready)
