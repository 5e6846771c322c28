"""Recordings put where calls find them, each file in one step: the PBX may be reading."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agi_bridge.speech import WIDE, RecordingFix, convert_for_telephone, keep_original, rewrite

if TYPE_CHECKING:
    from agi_bridge.speech import RecordingIssue

READABLE: Final = 0o644
"""Mode of files: the PBX runs under another account."""

ENTERABLE: Final = 0o755
"""Mode of folders, for the same reason."""


def required_fix(issues: list[RecordingIssue]) -> RecordingFix | None:
    """What puts right all that will not do about a recording; None: it is good as it is."""
    return max((issue.fix for issue in issues), default=None)


def install_recording(
    file: Path, target: Path, fix: RecordingFix | None, *, wide: bool, keep: bool
) -> None:
    """Put a recording in its place: as it is, written again, or converted. Blocks.

    Args:
        file: the recording.
        target: its place, which may be that of `file` too.
        fix: what is to be done about it.
        wide: also make `.wav16` of a recording that is converted and has HD voice to give.
        keep: keep `file` beside it as an original; it lies in the same folder.

    Raises:
        BadAudio: it cannot be converted; nothing has changed then.
        OSError: it cannot be read, or the place not be written.
    """
    _make(target.parent)
    with tempfile.TemporaryDirectory(prefix=".work-", dir=target.parent.parent) as place:
        ready = Path(place) / "ready.wav"
        broad = ready.with_suffix(WIDE)
        match fix:
            case None:
                shutil.copyfile(file, ready)
                _sync(ready)
            case RecordingFix.REWRITE:
                rewrite(file, ready)
            case _:
                convert_for_telephone(file, ready, broad if wide else None)
        if keep:
            keep_original(file)
        # An older one would be what callers with HD voice hear.
        target.with_suffix(WIDE).unlink(missing_ok=True)
        for made in (ready, broad):
            if made.exists():
                made.chmod(READABLE)
                made.replace(target.with_suffix(made.suffix))
        if keep and file.name != target.name:
            file.unlink()


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
