"""The files of keys: created and replaced atomically, locked, and of mode 0600.

What a key looks like in its file is for `keys` to say.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from typing import IO, TYPE_CHECKING, Final

from agi_bridge.consent.errors import KeyMissing, KeyUnreadable
from agi_bridge.durable import sync_folder
from agi_bridge.temporary import link_unnamed, unnamed_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_MAX_BYTES: Final = 65536


def create_missing(
    folder: Path, paths: Sequence[Path], new_text: Callable[[], str]
) -> tuple[Path, ...]:
    """Create missing key files, each with a new text, unless the folder was complete before.

    The last one is the mark of that: it is made last, and looked for first. While it is not there
    a first start is under way (ours, or another's that crashed or runs beside us); once it is,
    another file that is not there was lost, and a new key in its place would hide that. A lost
    `lookup.key`, the mark itself, is noticed by the ledger.

    Raises:
        KeyUnreadable: a file cannot be made.
    """
    try:
        if not paths or paths[-1].exists():
            return ()
        # As the ledger makes it: passable, for Asterisk's account plays speech from a folder in it.
        folder.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        made = tuple(path for path in paths if create_key_file(path, new_text()))
        sync_folder(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise unwritable(folder, error) from error
    return made


def create_key_file(path: Path, text: str) -> bool:
    """Create a key file atomically; return False if the file exists already."""
    if path.exists():
        return False
    with unnamed_file(path) as (file, name):
        _fill(file, text)
        try:
            link_unnamed(name, path)  # unlike a rename, this never replaces another's
        except FileExistsError:
            return False
    return True


def _fill(file: IO[bytes], word: str) -> None:
    """Write a word into a new file, and wait until it is on the disk."""
    file.write(f"{word}\n".encode())
    file.flush()
    os.fsync(file.fileno())


@contextlib.contextmanager
def locked_key_file(path: Path) -> Iterator[int]:
    """Open and lock a key file, so that two concurrent rotations keep both new keys."""
    while True:
        handle = _open(path, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_at(handle, path):  # not replaced while we waited
                yield handle
                return
        finally:
            os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


def _open(path: Path, flags: int) -> int:
    try:
        # Opened without waiting: a FIFO in the file's place must not hold up the start forever.
        return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise KeyMissing(
            f"{path}: not there; the service makes it at its first start, "
            "and later only its back-up replaces it"
        ) from None
    except OSError as error:
        raise _unreadable(path, error) from error


def read_key_file(path: Path) -> str:
    """Return what a key file holds.

    Raises:
        KeyMissing: the file is not there.
        KeyUnreadable: it cannot be read.
    """
    handle = _open(path, os.O_RDONLY)
    try:
        return content_of(handle, path)
    finally:
        os.close(handle)


def replace_key_file(handle: int, path: Path, text: str) -> None:
    """Replace an open and locked key file atomically and durably; it keeps its owner and its mode.

    Raises:
        KeyUnreadable: it cannot be written.
    """
    try:
        old = os.fstat(handle)
        # The name is always the same: under the lock, a file of that name was left by a process
        # that was killed.
        draft = path.with_name(f".{path.name}.new")
        draft.unlink(missing_ok=True)
        with unnamed_file(path) as (file, name):
            _fill(file, text)
            os.fchown(file.fileno(), old.st_uid, old.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode))
            link_unnamed(name, draft)
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error


def content_of(handle: int, path: Path) -> str:
    """Return what an open key file holds; `path` is for the error."""
    try:
        return os.read(handle, _MAX_BYTES).decode("ascii", "replace")
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> KeyUnreadable:
    return KeyUnreadable(
        f"{path}: cannot be read ({error.strerror}); let the service's account read it"
    )


def unwritable(path: Path, error: OSError) -> KeyUnreadable:
    """Return the error for a key file or folder that cannot be written."""
    return KeyUnreadable(
        f"{path}: cannot be written ({error.strerror}); let the service's account write there",
        code="key_unwritable",
    )
