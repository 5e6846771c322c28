"""What a line plays for each prompt, for those who look at it: with what is wrong with each file.

The library, which plays, refuses a folder that is not in order. Here the same folders are read by
the same `shelf.look`, so that everything in them can be named and put right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agi_bridge.app.speech import prompt_folders
from agi_bridge.speech import find_prompt, language_tags, merge_layers, scan_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from agi_bridge.settings import Line, Settings
    from agi_bridge.speech import FolderContents, PromptFile, PromptKey


@dataclass(frozen=True, slots=True)
class PromptSources:
    """The folders that a line's prompts come from, best first."""

    layers: tuple[FolderContents, ...]

    @classmethod
    def of(cls, settings: Settings, line: Line) -> PromptSources:
        """Look at the folders of a line. Blocks: it reads every sound."""
        return cls(tuple(map(scan_folder, prompt_folders(settings, line))))

    @property
    def entries(self) -> Mapping[PromptKey, PromptFile]:
        """What is played, or would be if nothing was wrong with it."""
        return merge_layers([layer.entries for layer in self.layers])

    def problems(self, besides: Collection[Path] = ()) -> tuple[str, ...]:
        """All for which the service would refuse the folders, but for what is wrong with these."""
        return tuple(
            f"{layer.folder}: {problem}"
            for layer in self.layers
            for problem in (
                *layer.folder_problems,
                *(
                    f"{entry.file.relative_to(layer.folder)} {problem}"
                    for entry in layer.entries.values()
                    if entry.file not in besides
                    for problem in entry.problems
                ),
            )
        )

    def names(self, language: str) -> list[str]:
        """Return the names of all prompts that are there in a language."""
        tags = language_tags(language)
        return sorted({name for tag, name in self.entries if tag in tags})

    def find(self, name: str, language: str) -> PromptFile | None:
        """Return what is played for a prompt; `fr-CA` takes `fr` where it has none of its own."""
        return find_prompt(self.entries, name, language)


def rendered_folder(settings: Settings, line: Line) -> Path:
    """Return where a line's own prompts are, as rendered; it need not be there."""
    return settings.prompt_layers(line.name)[-1].path
