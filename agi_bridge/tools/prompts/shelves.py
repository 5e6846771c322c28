"""What a line plays for each prompt: a recording, else what was rendered for it, else the shelf's.

Unlike the library, which refuses a folder that is not in order, it tells of each file what is wrong
with it, so that it can be mended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from agi_bridge.speech import SHIPPED, BadPrompts
from agi_bridge.speech.script import language_tags
from agi_bridge.speech.shelf import read_folder, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from agi_bridge.settings import Line, Settings

Source = Literal["recording", "rendered", "prompts", "shipped"]
"""`recording`: speech.recordings. `rendered`: by `prompts render`. `prompts`: speech.prompts."""

WIDE: Final = ".wav16"
"""The ending of the same sound for callers with HD voice."""


@dataclass(frozen=True, slots=True)
class Found:
    """A sound that is there for a prompt."""

    source: Source
    file: Path
    text: str | None
    """The words that it is said to speak; None: nobody said."""
    problem: str = ""
    """Why the service would not take it."""

    @property
    def wide(self) -> Path | None:
        """The same sound for HD voice, if there is one."""
        file = self.file.with_suffix(WIDE)
        return file if file.is_file() else None


@dataclass(frozen=True, slots=True)
class Layer:
    """The sounds of one folder, by language and name."""

    sounds: Mapping[tuple[str, str], Found]
    problems: tuple[str, ...] = ()
    """What is wrong with the folder besides its sounds."""


@dataclass(frozen=True, slots=True)
class Shelves:
    """The folders that a line's prompts come from, best first."""

    layers: tuple[Layer, ...]

    @classmethod
    def of(cls, settings: Settings, line: Line) -> Shelves:
        """Look at the folders of a line. Blocks: it reads every sound."""
        speech = settings.speech
        folders: list[tuple[Source, Path | None]] = [
            ("recording", speech.recordings),
            ("rendered", rendered_folder(settings, line)),
            ("prompts", speech.prompts) if speech.prompts else ("shipped", SHIPPED),
        ]
        return cls(tuple(look(source, path) for source, path in folders if path is not None))

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the folders besides their sounds."""
        return tuple(problem for layer in self.layers for problem in layer.problems)

    def names(self, language: str) -> list[str]:
        """Return the names of all prompts that are there in a language."""
        tags = {language, *language_tags(language)}
        return sorted({name for layer in self.layers for tag, name in layer.sounds if tag in tags})

    def find(self, name: str, language: str) -> Found | None:
        """Return what is played for a prompt; `fr-CA` takes `fr` where it has none of its own."""
        for tag in dict.fromkeys((language, *language_tags(language))):
            for layer in self.layers:
                if (found := layer.sounds.get((tag, name))) is not None:
                    return found
        return None


def rendered_folder(settings: Settings, line: Line) -> Path:
    """Return where a line's own prompts are, as rendered; it need not be there."""
    return settings.prompt_layers(line.name)[-1].path


def look(source: Source, folder: Path) -> Layer:
    """Return the sounds of a folder of prompts; one that is not there has none."""
    if not folder.is_dir():
        return Layer({})
    try:
        shelf = read_folder(folder)
    except BadPrompts as error:
        return _out_of_order(source, folder, error.problems)
    return Layer(
        {key: Found(source, recording.wav, recording.text) for key, recording in shelf.items()}
    )


def _out_of_order(source: Source, folder: Path, problems: Iterable[str]) -> Layer:
    """Read a folder that the service would refuse, file by file."""
    try:
        listed = read_manifest(folder)
    except BadPrompts:
        listed = {}  # it is among the problems
    texts = {key: str(entry["text"]) for key, entry in listed.items()}
    files = {
        (path.parent.name, path.stem): f"{path.parent.name}/{path.name}"
        for path in sorted(folder.glob("*/*.wav"))
    }
    files |= {key: entry["file"] for key, entry in listed.items() if "file" in entry}
    left = list(problems)
    sounds = {}
    for key, place in files.items():
        told = [problem for problem in left if problem.startswith(f"{place} ")]
        left = [problem for problem in left if problem not in told]
        problem = "; ".join(each.removeprefix(f"{place} ") for each in told)
        text = texts.get(key) or text_beside(folder / place)
        sounds[key] = Found(source, folder / place, text, problem)
    return Layer(sounds, tuple(f"{folder}: {problem}" for problem in left))


def text_beside(file: Path) -> str | None:
    """Return the words in the .txt beside a sound; None if there are none that can be read."""
    try:
        return file.with_suffix(".txt").read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
