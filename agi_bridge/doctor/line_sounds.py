"""What a line plays, as the doctor needs it: the composition root makes it from the library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class TestSound:
    """The recording that a test call plays."""

    __test__ = False  # not a test, whatever pytest thinks of the name

    path: str
    """As STREAM FILE takes it, on the PBX."""
    seconds: float
    samples: int
    """Its length at 8 kHz; a smaller endpos was not heard to the end."""


@dataclass(frozen=True, slots=True)
class LineSounds:
    """The sounds of one line.

    Attributes:
        name: the line's name.
        did: the numbers that callers dial.
        languages: its languages.
        digits_from_pbx: the languages in which only the PBX can say digits.
        files: all its recordings on this machine; empty if the PBX sees them at another path.
        sample: a short one of them, for a test call.
    """

    name: str
    did: tuple[str, ...]
    languages: tuple[str, ...]
    digits_from_pbx: frozenset[str]
    files: tuple[Path, ...]
    sample: TestSound

    def unreadable(self, may_read: Callable[[Path], bool]) -> Path | None:
        """Return the first file or folder that an account cannot read; None if there is none."""
        folders = dict.fromkeys(file.parent for file in self.files)
        for path in (*folders, *self.files):
            if not may_read(path):
                return path
        return None


@dataclass(frozen=True, slots=True)
class Lines:
    """The sounds of all lines.

    Attributes:
        all: one for each line.
        name_for: the name of the line that takes calls to a number, in any form; None if none does.
    """

    all: Sequence[LineSounds]
    name_for: Callable[[str], str | None]

    def find(self, number: str) -> LineSounds | None:
        """Return the line that takes calls to a number."""
        name = self.name_for(number)
        return next((each for each in self.all if each.name == name), None)
