"""Recordings put where calls find them, each file in one step: the PBX may be reading."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from agi_bridge.speech.audio import telephone
from agi_bridge.tools.prompts.shelves import WIDE

READABLE: Final = 0o644
"""Mode of files: the PBX runs under another account."""

ENTERABLE: Final = 0o755
"""Mode of folders, for the same reason."""


def put(file: Path, target: Path, *, wide: bool, as_it_is: bool) -> None:
    """Put a recording in its place: as it is, or converted for the telephone. Blocks.

    `wide` also makes `.wav16` of a recording that has HD voice to give.

    Raises:
        BadAudio: it cannot be converted; nothing has changed then.
        OSError: it cannot be read, or the place not be written.
    """
    _make(target.parent)
    with tempfile.TemporaryDirectory(prefix=".work-", dir=target.parent.parent) as place:
        ready = Path(place) / "ready.wav"
        broad = ready.with_suffix(WIDE)
        if as_it_is:
            shutil.copyfile(file, ready)
            _sync(ready)
        else:
            telephone(file, ready, broad if wide else None)
        # An older one would be what callers with HD voice hear.
        target.with_suffix(WIDE).unlink(missing_ok=True)
        for made in (ready, broad):
            if made.exists():
                made.chmod(READABLE)
                made.replace(target.with_suffix(made.suffix))


def write_text(target: Path, text: str) -> None:
    """Write a text into its place. Blocks. Raises OSError."""
    _make(target.parent)
    with tempfile.TemporaryDirectory(prefix=".work-", dir=target.parent.parent) as place:
        ready = Path(place) / target.name
        ready.write_text(f"{text}\n", encoding="utf-8")
        _sync(ready)
        ready.chmod(READABLE)
        ready.replace(target)


def _make(folder: Path) -> None:
    for each in (folder.parent, folder):
        if not each.is_dir():
            each.mkdir(parents=True)
            each.chmod(ENTERABLE)


def _sync(file: Path) -> None:
    """Have a file on the disk before its name is."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
