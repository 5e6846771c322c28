"""What a recording says and how long it is, as far as this machine can tell."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agi_bridge.speech import SHIPPED, BadAudio
from agi_bridge.speech.recording import RATE, examine
from agi_bridge.speech.shelf import MANIFEST

UNKNOWN_MS: Final = 1000
"""Taken for the length of a recording that only the bridge's machine or the PBX has."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording as the caller is told of it.

    Attributes:
        name: its name without folder.
        language: the folder it lies in, if that is a language's; else ''.
        text: what it says, '' if nobody here knows.
        milliseconds: its length, rounded up: a whole one counts as heard to its last sample.
        known: False if the length is a guess.
    """

    name: str
    language: str
    text: str
    milliseconds: int
    known: bool


class Sounds:
    """Looks recordings up: at their place, if it can be read here, else among the shipped ones."""

    def __init__(self, shipped: Path = SHIPPED) -> None:
        self._shipped = shipped
        self._found: dict[str, Sound | None] = {}
        self._texts: dict[Path, dict[str, dict[str, Any]]] = {}

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
        samples = examine(file).samples
        language = file.parent.name
        told = self._manifest(file.parent.parent).get(language, {}).get(file.stem)
        text = told["text"] if told else self._text_beside(file)
        length = math.ceil(samples * 1000 / RATE)
        return Sound(file.stem, language if text else "", text, length, known=True)

    def _manifest(self, folder: Path) -> dict[str, dict[str, Any]]:
        """Return the texts of a folder of prompts; none if it has no list of them."""
        if folder not in self._texts:
            try:
                self._texts[folder] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                self._texts[folder] = {}
        return self._texts[folder]

    @staticmethod
    def _text_beside(file: Path) -> str:
        try:
            return file.with_suffix(".txt").read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return ""
