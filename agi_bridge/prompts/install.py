"""Installs recordings and texts atomically: the PBX may read them at any time."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agi_bridge.durable import write_synced
from agi_bridge.speech import WIDE, RecordingFix, convert_for_telephone, keep_original, rewrite

if TYPE_CHECKING:
    from agi_bridge.speech import RecordingIssue

READABLE: Final = 0o644
"""Mode of files: the PBX runs under another account."""

ENTERABLE: Final = 0o755
"""Mode of folders: the PBX runs under another account."""


def required_fix(issues: list[RecordingIssue]) -> RecordingFix | None:
    """Return the fix that solves all issues of a recording; None: no issue."""
    return max((issue.fix for issue in issues), default=None)


def install_recording(
    file: Path, target: Path, fix: RecordingFix | None, *, wide: bool, keep: bool
) -> None:
    """Install a recording: copied, rewritten or converted. Blocks.

    Args:
        file: the recording.
        target: the installed file; may be `file` itself.
        fix: how the recording is fixed; None: it is copied.
        wide: also create `.wav16` if a converted recording has a high enough sample rate.
        keep: keep `file`, which is in the same folder, as the original.

    Raises:
        BadAudio: the recording cannot be converted. Nothing has changed.
        OSError: the recording cannot be read, or the target cannot be written.
    """
    _create_folder(target.parent)
    with tempfile.TemporaryDirectory(prefix=".work-", dir=target.parent.parent) as place:
        ready = Path(place) / "ready.wav"
        broad = ready.with_suffix(WIDE)
        match fix:
            case None:
                write_synced(ready, file.read_bytes())
            case RecordingFix.REWRITE:
                rewrite(file, ready)
            case _:
                convert_for_telephone(file, ready, broad if wide else None)
        if keep:
            keep_original(file)
        # Callers with HD voice would still hear an older one.
        target.with_suffix(WIDE).unlink(missing_ok=True)
        for made in (ready, broad):
            if made.exists():
                made.chmod(READABLE)
                made.replace(target.with_suffix(made.suffix))
        if keep and file.name != target.name:
            file.unlink()


def write_text(target: Path, text: str) -> None:
    """Write a text file atomically. Blocks. Raises OSError."""
    _create_folder(target.parent)
    with tempfile.TemporaryDirectory(prefix=".work-", dir=target.parent.parent) as place:
        ready = Path(place) / target.name
        write_synced(ready, f"{text}\n".encode())
        ready.chmod(READABLE)
        ready.replace(target)


def _create_folder(folder: Path) -> None:
    for each in (folder.parent, folder):
        if not each.is_dir():
            each.mkdir(parents=True)
            each.chmod(ENTERABLE)
