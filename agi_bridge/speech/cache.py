"""The cache of rendered texts on disk, from which the PBX plays them.

A file appears in one step (temporary name, fsync, rename), because Asterisk may be reading. Its
name is a hash of engine, language and text: the sound of a name never changes, and the name reveals
nothing about the text. `KEY.wav16` beside `KEY.wav` is for callers with HD voice. Several processes
may share the folder; each locks its work folders so that no other process removes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from agi_bridge.durable import sync_folder

from .audio import convert_for_telephone
from .errors import BadAudio
from .recording import WIDE_RATE, SoundInfo, read_sound_info

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

MAX_BYTES = 256 << 20
"""Largest size; the least recently used texts go first. A minute takes 1 MB, with HD voice 3."""

_READABLE = 0o644
_ENTERABLE = 0o755
_WORK = ".work-"
_WIDE = ".wav16"


class Cache:
    """The folder, which is created when the first text is rendered."""

    __slots__ = ("_folder", "_max_bytes")

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def find(self, key: str) -> SoundInfo | None:
        """Return the sound of a key and mark it as used. Blocks for a read."""
        path = self.path(key)
        try:
            sound = read_sound_info(path)
            with contextlib.suppress(FileNotFoundError):
                read_sound_info(path.with_suffix(_WIDE), WIDE_RATE)
        except FileNotFoundError:
            return None
        except (BadAudio, OSError):
            # A file that cannot be played is replaced by a new rendering.
            return None
        with contextlib.suppress(OSError):  # another account's file keeps its age
            os.utime(path)
        return sound

    @contextlib.asynccontextmanager
    async def work_folder(self) -> AsyncIterator[Path]:
        """Provide a private folder for one rendering and remove it afterwards. Raises OSError."""
        await asyncio.to_thread(self._make)
        with _locked(self._folder):  # or a clean-up could come before the next lock
            place = Path(tempfile.mkdtemp(prefix=_WORK, dir=self._folder))
            held = _lock(place)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
            os.close(held)

    async def store(self, key: str, rendered: Path) -> SoundInfo:
        """Convert a rendered file for the telephone and move it into place.

        Raises BadAudio or OSError. After an error or a cancellation nothing is left.
        """
        ready = rendered.with_name("telephone.wav")
        work = asyncio.get_running_loop().run_in_executor(None, _convert, rendered, ready)
        try:
            sound = await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])  # a thread cannot be stopped, and needs its folder
            raise
        path = self.path(key)
        if ready.with_suffix(_WIDE).exists():
            ready.with_suffix(_WIDE).replace(path.with_suffix(_WIDE))
        else:
            path.with_suffix(_WIDE).unlink(missing_ok=True)
        ready.replace(path)
        await asyncio.to_thread(self._settle)
        return sound

    def remove_leftovers(self) -> None:
        """Remove work folders that a crash left behind. Blocks; for the start of the service."""
        if not self._folder.is_dir():
            return
        with _locked(self._folder):
            for left in self._folder.glob(_WORK + "*"):
                with contextlib.suppress(OSError):  # in use by another process, or just removed
                    os.close(_lock(left))
                    shutil.rmtree(left, ignore_errors=True)

    def path(self, key: str) -> Path:
        """Return the path of a key's sound, whether or not it exists."""
        return self._folder / f"{key}.wav"

    def _make(self) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._folder.chmod(_ENTERABLE)  # the PBX runs under another account

    def _settle(self) -> None:
        """Sync the folder, and remove the least recently used texts if the cache is too large."""
        sync_folder(self._folder)
        kept = sorted(self._kept())
        total = sum(size for _, size, _ in kept)
        for _, size, path in kept[:-1]:  # the newest always stays
            if total <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            path.with_suffix(_WIDE).unlink(missing_ok=True)
            total -= size

    def _kept(self) -> Iterator[tuple[int, int, Path]]:
        """Yield the time of last use, the size with HD voice, and the file of each text."""
        for path in self._folder.glob("*.wav"):
            with contextlib.suppress(OSError):  # another process may have removed it
                found = path.stat()
                wide = path.with_suffix(_WIDE)
                size = found.st_size + (wide.stat().st_size if wide.exists() else 0)
                yield found.st_mtime_ns, size, path


def _convert(rendered: Path, ready: Path) -> SoundInfo:
    wide = ready.with_suffix(_WIDE)
    convert_for_telephone(rendered, ready, wide)
    for path in (ready, wide):
        if path.exists():
            path.chmod(_READABLE)
    return read_sound_info(ready)


def _lock(folder: Path, how: int = fcntl.LOCK_EX | fcntl.LOCK_NB) -> int:
    """Lock a folder while the descriptor that is returned is open. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, how)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = _lock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)
