"""The folders that a line's prompts come from, with everything that is wrong in them.

`Library`, which plays prompts, refuses a folder that has a fault. This module reads the same
folders with the same `scan_folder`, so that each fault can be named and mended. The caller gives
the folders: only `app.speech` decides which ones a line has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agi_bridge.speech import find_prompt, language_tags, merge_layers, scan_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from agi_bridge.speech import (
        FolderContents,
        Problem,
        PromptFile,
        PromptFolder,
        PromptKey,
    )


@dataclass(frozen=True, slots=True)
class PromptSources:
    """The folders that a line's prompts come from, best first."""

    layers: tuple[FolderContents, ...]

    @classmethod
    def read(cls, folders: Iterable[PromptFolder]) -> PromptSources:
        """Read the folders, the one that wins first. Blocks: every sound file is read."""
        return cls(tuple(map(scan_folder, folders)))

    @property
    def entries(self) -> Mapping[PromptKey, PromptFile]:
        """What is played, or would be if nothing was wrong with it."""
        return merge_layers([layer.entries for layer in self.layers])

    def problems(self, besides: Collection[Path] = ()) -> tuple[Problem, ...]:
        """Return why the service would refuse the folders, except for the files in `besides`."""
        return tuple(
            problem.within(layer.folder)
            for layer in self.layers
            for problem in (
                *layer.folder_problems,
                *(
                    problem.of(entry.file.relative_to(layer.folder))
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
