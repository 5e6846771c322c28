"""Rendered texts on disk, where the PBX plays them from.

A file appears in one step (temporary name, fsync, rename): Asterisk may be reading. Its name is a
hash of engine, language and text, so a name never changes its sound and tells nothing of the text.
Beside `KEY.wav` may lie `KEY.wav16`, which Asterisk takes for callers with HD voice. Several
processes may share the folder: what one is working at is locked, so that none removes another's.
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

from .audio import convert_for_telephone
from .errors import BadAudio
from .recording import WIDE_RATE, SoundInfo, read_sound_info

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

MAX_BYTES = 256 << 20
"""Most that is kept; the longest unused texts go first. A minute takes 1 MB, or 3 with HD voice."""

_READABLE = 0o644
_ENTERABLE = 0o755
_WORK = ".work-"
_WIDE = ".wav16"


class Cache:
    """The folder. It is made when the first text is rendered, not before."""

    __slots__ = ("_folder", "_max_bytes")

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def find(self, key: str) -> SoundInfo | None:
        """Return the sound kept under a key, and note that it was wanted. Blocks for a read."""
        path = self.path(key)
        try:
            sound = read_sound_info(path)
            with contextlib.suppress(FileNotFoundError):
                read_sound_info(path.with_suffix(_WIDE), WIDE_RATE)
        except FileNotFoundError:
            return None
        except (BadAudio, OSError):
            # A file that cannot be played is rendered anew, over it.
            return None
        with contextlib.suppress(OSError):  # another account's file: its age just stays
            os.utime(path)
        return sound

    @contextlib.asynccontextmanager
    async def work_folder(self) -> AsyncIterator[Path]:
        """Give a folder of one's own for a rendering, and take it away again. OSError if none."""
        await asyncio.to_thread(self._make)
        with _locked(self._folder):  # or a sweep might come before the next lock
            place = Path(tempfile.mkdtemp(prefix=_WORK, dir=self._folder))
            held = _lock(place)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
            os.close(held)

    async def store(self, key: str, rendered: Path) -> SoundInfo:
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
        path = self.path(key)
        if ready.with_suffix(_WIDE).exists():
            ready.with_suffix(_WIDE).replace(path.with_suffix(_WIDE))
        else:
            path.with_suffix(_WIDE).unlink(missing_ok=True)
        ready.replace(path)
        await asyncio.to_thread(self._settle)
        return sound

    def remove_leftovers(self) -> None:
        """Remove what a crash left behind. Blocks; for the start of the service."""
        if not self._folder.is_dir():
            return
        with _locked(self._folder):
            for left in self._folder.glob(_WORK + "*"):
                with contextlib.suppress(OSError):  # somebody is at work there, or was
                    os.close(_lock(left))
                    shutil.rmtree(left, ignore_errors=True)

    def path(self, key: str) -> Path:
        """Return where the sound of a key lies, if it is kept."""
        return self._folder / f"{key}.wav"

    def _make(self) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._folder.chmod(_ENTERABLE)  # the PBX runs under another account

    def _settle(self) -> None:
        """Make the new names last, and let the longest unused go if they are too large."""
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        kept = sorted(self._kept())
        total = sum(size for _, size, _ in kept)
        for _, size, path in kept[:-1]:  # the newest stays, however large
            if total <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            path.with_suffix(_WIDE).unlink(missing_ok=True)
            total -= size

    def _kept(self) -> Iterator[tuple[int, int, Path]]:
        """Yield when each text was last wanted, its size with HD voice, and its file."""
        for path in self._folder.glob("*.wav"):
            with contextlib.suppress(OSError):  # another process may have let it go
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
