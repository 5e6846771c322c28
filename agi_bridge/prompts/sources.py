"""The folders of a line's prompts, with all their problems.

`Library`, which plays prompts, refuses a folder with a fault. This module reads the same folders
with `scan_folder` too, so that each fault can be reported and fixed. The caller passes the folders:
only `app.speech` decides which folders a line has.
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
    """The folders of a line's prompts, in order of precedence."""

    layers: tuple[FolderContents, ...]

    @classmethod
    def read(cls, folders: Iterable[PromptFolder]) -> PromptSources:
        """Read the folders, in order of precedence. Blocks: every sound file is read."""
        return cls(tuple(map(scan_folder, folders)))

    @property
    def entries(self) -> Mapping[PromptKey, PromptFile]:
        """The file of each prompt that has precedence, even if it has problems."""
        return merge_layers([layer.entries for layer in self.layers])

    def problems(self, besides: Collection[Path] = ()) -> tuple[Problem, ...]:
        """Return the problems of the folders, except those of the files in `besides`."""
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
        """Return the names of all existing prompts of a language."""
        tags = language_tags(language)
        return sorted({name for tag, name in self.entries if tag in tags})

    def find(self, name: str, language: str) -> PromptFile | None:
        """Return the file of a prompt. `fr-CA` falls back to `fr`."""
        return find_prompt(self.entries, name, language)
