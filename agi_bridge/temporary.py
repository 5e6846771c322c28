"""Temporary files and folders that a process that is killed does not leave for ever.

A file has no name until it is whole, so that the kernel frees it. A folder is locked while its
process lives, and the kernel lets go of the lock however that ends. So the next process of the same
account that makes one for the same purpose can tell which folders nobody uses any more, and deletes
them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_UNNAMED: Final = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT})
"""What a file system, or a kernel, answers that knows no files without names (open(2))."""
_MODE: Final = 0o600


@contextmanager
def unnamed_file(path: Path) -> Iterator[tuple[IO[bytes], str]]:
    """A file of mode 0600 in the folder of `path`, and what `link_unnamed` makes its name from.

    Where the file system knows no files without names, it has a hidden one while the block runs.

    Raises:
        OSError: it cannot be made.
    """
    named: str | None = None
    try:
        handle = os.open(path.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, _MODE)
    except OSError as error:
        if error.errno not in _NO_UNNAMED:
            raise
        handle, named = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file, named or f"/proc/self/fd/{handle}"
    finally:
        if named is not None:
            Path(named).unlink(missing_ok=True)


def link_unnamed(name: str, path: Path) -> None:
    """Give a file of `unnamed_file` its name, never in place of another.

    Raises:
        FileExistsError: something has the name.
        OSError: it cannot be made.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # With a folder's descriptor, or Python would link the symbolic link itself.
        os.link(name, path.name, dst_dir_fd=folder)
    finally:
        os.close(folder)


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder below `TMPDIR` for this account alone; deleted at the end. Blocks.

    Those that killed processes left behind are deleted first.

    Args:
        prefix: of the names of all folders for this purpose, and of nothing else.

    Raises:
        OSError: it cannot be made.
    """
    parent = Path(tempfile.gettempdir())
    _sweep(parent, prefix)
    while True:
        with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            handle = _locked(folder)
            if handle is None:  # another process swept it before it was locked
                continue
            inner = folder / "work"  # users lock it too: SQLite's file is made under such a lock
            try:
                inner.mkdir(mode=0o700)
                yield inner
            finally:
                os.close(handle)
            return


def _sweep(parent: Path, prefix: str) -> None:
    for folder in parent.glob(f"{prefix}*"):
        handle = _locked(folder)
        if handle is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)


def _locked(folder: Path) -> int | None:
    """Open and lock a folder of ours; None: another process has it, or it is not ours or gone."""
    handle = -1
    with suppress(OSError):
        # TMPDIR is for all accounts: what is there may be a link, or a stranger's.
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        there = os.fstat(handle)
        if there.st_uid == os.geteuid():
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(there, folder.lstat()):
                return handle
    if handle >= 0:
        os.close(handle)
    return None
