"""Finds the text and length of a recording, for the softphone's transcript."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from agi_bridge.speech import (
    RATE,
    SHIPPED,
    BadAudio,
    BadPrompts,
    read_manifest,
    read_sound_info,
    read_transcript,
)

UNKNOWN_MS: Final = 1000
"""Taken for the length of a recording that only the bridge's machine or the PBX has."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording as the softphone names it to its user.

    Attributes:
        name: its name without folder.
        language: the folder that holds it, if that is a language's; else ''.
        text: what it says, '' if nobody here knows.
        milliseconds: its length, rounded up: a whole one counts as heard to its last sample.
        known: False if the length is a guess.
    """

    name: str
    language: str
    text: str
    milliseconds: int
    known: bool


class _Listed(NamedTuple):
    """What a list of prompts says of a file."""

    name: str
    language: str
    text: str


class Sounds:
    """Looks recordings up: at their place, if it can be read here, else among the shipped ones."""

    def __init__(self, shipped: Path = SHIPPED) -> None:
        self._shipped = shipped
        self._found: dict[str, Sound | None] = {}
        self._manifests: dict[Path, dict[Path, _Listed]] = {}

    def find(self, name: str) -> Sound | None:
        """Return a recording by the name the bridge gives it; None for one that is missing.

        It is missing if its folder is here and it is not in it. Of a folder elsewhere nothing is
        known: then the shipped prompt of that language and name is taken, else a guess.
        """
        if name not in self._found:
            self._found[name] = self._look(Path(name))
        return self._found[name]

    def milliseconds(self, name: str) -> int | None:
        """Return a recording's length, None for one that is missing."""
        found = self.find(name)
        return None if found is None else found.milliseconds

    def _look(self, path: Path) -> Sound | None:
        here = path.with_name(path.name + ".wav")
        if path.is_absolute():
            try:
                return self._read(here)
            except (FileNotFoundError, BadAudio):
                if path.parent.is_dir():
                    return None
            except OSError:  # it is there, and not for this account to read
                pass
        try:
            return self._read(self._shipped / path.parent.name / here.name)
        except (OSError, BadAudio):
            return Sound(path.name, "", "", UNKNOWN_MS, known=False)

    def _read(self, file: Path) -> Sound:
        length = math.ceil(read_sound_info(file).samples * 1000 / RATE)
        # A rendered sound is in a folder `sounds`, and is also named after its hash.
        for folder in (file.parent.parent, file.parent.parent.parent):
            if listed := self._manifest(folder).get(file):
                return Sound(listed.name, listed.language, listed.text, length, known=True)
        try:
            text = read_transcript(file)
        except BadAudio:
            return Sound(file.stem, "", "", length, known=True)
        return Sound(file.stem, file.parent.name, text, length, known=True)

    def _manifest(self, folder: Path) -> dict[Path, _Listed]:
        """Return what a folder of prompts lists, by file; nothing if it has no list of them."""
        if folder not in self._manifests:
            try:
                listed = read_manifest(folder)
            except BadPrompts:
                listed = {}
            self._manifests[folder] = {
                folder / entry.get("file", f"{language}/{name}.wav"): _Listed(
                    name, language, entry["text"]
                )
                for (language, name), entry in listed.items()
            }
        return self._manifests[folder]
