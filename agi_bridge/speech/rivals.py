"""Files that Asterisk might play in place of a recording, and whether a recording is still alone.

A call asks before it plays what the record of consent will name. A folder's names are listed again
only after the folder has changed: listing one takes a hundred times as long as looking at it.
"""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final, TypeAlias

from .problems import Problem
from .prompt_names import language_tags
from .recording import SETTLED_NANOSECONDS, FileState, file_state, unchanged

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from .recording import Recording

SOUND: Final = ".wav"

WIDE: Final = ".wav16"
"""Suffix of the 16 kHz version of a sound, for callers with HD voice."""

OTHER_FORMATS: Final = frozenset(
    (
        *("WAV", "wav49", "gsm", "alaw", "al", "alw", "ulaw", "ul", "ulw", "mu", "pcm", "au"),
        *("sln", "slin", "raw", "sln12", "sln16", "sln24", "sln32", "sln44", "sln48", "sln96"),
        *("sln192", "g719", "g722", "g723", "g723sf", "g726-16", "g726-24", "g726-32", "g726-40"),
        *("g729", "ilbc", "mp3", "ogg", "opus", "siren7", "siren14", "spx", "spx16", "spx32"),
        *("vox", "h263", "h264"),
    )
)
"""Suffixes of Asterisk's other formats (16 to 23, formats/*.c and addons/format_mp3.c, `.exts`).

Asterisk chooses among files with the same name the one that is cheapest to translate to the
caller's codec (main/file.c, openstream_internal). It would play an old `.ulaw` before the `.wav`.
"""

_TWO_LETTERS = re.compile(r"[a-zA-Z]{2}(?:[-_][a-zA-Z0-9]+)*")

_Conflicts: TypeAlias = "Mapping[str, Sequence[str]]"
"""The files that Asterisk might play instead, by the name of the prompt."""

_MOST_LISTED: Final = 256
"""Folders whose names are remembered."""
_listed: dict[Path, tuple[Mapping[Path, FileState | None], _Conflicts]] = {}
"""By folder: the state of it and of the languages' folders in it, and what was found."""


def intact(recording: Recording) -> bool:
    """Return whether Asterisk would now play exactly the recording that was read. Blocks.

    The file must be unchanged, without another format of the same name beside it and without an HD
    version, half of which would count as heard in full.
    """
    file = recording.wav
    if _remembered(file.parent).get(file.stem) or file.with_suffix(WIDE).exists():
        return False
    return unchanged(recording)


def conflicting_files(file: Path, tags: Collection[str] = ()) -> Sequence[str]:
    """Return the files that Asterisk might play instead; `tags` are the folder's languages."""
    return conflicts(file.parent, tags).get(file.stem, ())


def conflict_problem(name: str) -> Problem:
    """Return the problem of a recording with a conflicting file."""
    return Problem("rival", name=name)


def conflicts(folder: Path, tags: Collection[str] = ()) -> _Conflicts:
    """Return the conflicting files of a language's folder, by prompt name."""
    return _list(folder, tags)[1]


def visible_files(folder: Path) -> list[Path]:
    """List a folder without hidden files, in the order of their names. Raises OSError."""
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


def _remembered(folder: Path) -> _Conflicts:
    """The same without tags, listed only if a folder has changed since the last time."""
    known = _listed.get(folder)
    if known is not None and all(_state(path) == state for path, state in known[0].items()):
        return known[1]
    seen, found = _list(folder, ())
    settled = time.time_ns() - SETTLED_NANOSECONDS
    # A second change within a step of the kernel's clock would leave the same state.
    if all(state is not None and state[3] < settled for state in seen.values()):
        if len(_listed) >= _MOST_LISTED:
            _listed.clear()
        _listed[folder] = seen, found
    return found


def _list(
    folder: Path, tags: Collection[str]
) -> tuple[Mapping[Path, FileState | None], _Conflicts]:
    """Look at a folder and the languages' folders in it, each before its names are listed."""
    seen = {folder: _state(folder)}
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in _names(folder):
        if path.suffix[1:] in OTHER_FORMATS:
            found[path.stem].append(path.name)
        elif _is_language(path.name, tags):
            # Asterisk looks here first for a caller of that language (file.c, fileexists_test).
            seen[path] = _state(path)
            for below in _names(path):
                if below.suffix[1:] in OTHER_FORMATS or below.suffix in {SOUND, WIDE}:
                    found[below.stem].append(f"{path.name}/{below.name}")
    return seen, dict(found)


def _names(folder: Path) -> Sequence[Path]:
    try:
        return visible_files(folder)
    except OSError:  # it is not a folder, or the PBX cannot read it either
        return ()


def _state(path: Path) -> FileState | None:
    try:
        return file_state(os.stat(path))  # noqa: PTH116 - half the time of a Path's own
    except OSError:
        return None


def _is_language(name: str, tags: Collection[str]) -> bool:
    found = language_tags(name)
    return bool(found) and (found[0] in tags or _TWO_LETTERS.fullmatch(name) is not None)
