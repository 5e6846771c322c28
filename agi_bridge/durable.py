"""Files that survive a crash of the machine: what is written here is on the disk on return.

It knows no locks and no temporary names: whether a file may replace another is for its owner to
say.
"""

import os
from pathlib import Path


def write_synced(path: Path, data: bytes) -> None:
    """Write a file and wait until its content is on the disk. Raises OSError."""
    with path.open("wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk: after a file was made, renamed or removed.

    Raises OSError.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
