"""`prompts play`: plays a prompt on this machine's speaker, or writes it to a file."""
# ruff: noqa: PLC0415 - keeps `--help` fast: a command loads what it needs when it runs

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, UsageError, answer
from agi_bridge.cli.prompts.options import (
    LanguageOption,
    LineOption,
    chosen_lines,
    load_settings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from agi_bridge.settings import Settings
    from agi_bridge.speech import PromptFile

PLAYERS: Final = (
    ("aplay", "--quiet"),
    ("paplay",),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
    ("play", "-q"),
)
"""Programs that play a sound file, their last argument: of ALSA, PulseAudio, FFmpeg and SoX."""


def play(
    name: Annotated[str, typer.Argument(help="The prompt, like disclosure.", metavar="NAME")],
    line: LineOption,
    *,
    language: LanguageOption = None,
    to: Annotated[
        Path | None, typer.Option(help="Write the sound to this file instead.", metavar="FILE")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Play a prompt as callers hear it, with aplay, paplay, ffplay or SoX's play."""
    answer(run(load_settings(config), name, line, language=language, to=to), as_json=as_json)


@dataclass(frozen=True, slots=True)
class Played:
    """The prompt, and what was done with it."""

    found: PromptFile
    player: str | None
    """The program that played it; None if none is installed or the prompt was written to a file."""
    status: int = 0
    """The program's exit status."""
    to: Path | None = None
    """The file that it was written to."""

    @property
    def ok(self) -> bool:
        """Whether the prompt was played or written."""
        return self.to is not None or (self.player is not None and not self.status)

    def json(self) -> dict[str, object]:
        """The file, its words, and what was done with it."""
        return {
            "file": str(self.found.file),
            "source": self.found.source,
            "text": self.found.text,
            "player": self.player,
            "status": self.status,
            "to": None if self.to is None else str(self.to),
        }

    def show(self, console: Console) -> None:
        """Print the words, and the file if it was not played."""
        console.print(self.found.text or "(words unknown)", soft_wrap=True)
        if self.to is not None:
            console.print(f"written: {self.to}", soft_wrap=True)
        elif self.player is None:
            known = ", ".join(name for name, *_ in PLAYERS)
            message = f"no player is installed ({known}); the sound is in"
            console.print(f"{message} {self.found.file}", soft_wrap=True)
        elif self.status:
            message = f"{self.player} failed with status {self.status}; the sound is in"
            console.print(f"{message} {self.found.file}", soft_wrap=True)


async def run(
    settings: Settings,
    name: str,
    line: str,
    *,
    language: str | None,
    to: Path | None,
    environ: Mapping[str, str] = os.environ,
) -> Played:
    """Play a prompt of a line, or write it to a file.

    Raises:
        UsageError: there is no such line, language or prompt.
        OSError: the file cannot be written.
    """
    found = await asyncio.to_thread(_find, settings, name, line, language)
    if to is not None:
        await asyncio.to_thread(shutil.copyfile, found.file, to)
        return Played(found, None, to=to)
    for player, *options in PLAYERS:
        program = shutil.which(player, path=environ.get("PATH", os.defpath))
        if program is not None:
            started = await asyncio.create_subprocess_exec(
                program, *options, str(found.file), stdin=DEVNULL, stdout=DEVNULL
            )
            return Played(found, player, await _ended(started))
    return Played(found, None)


async def _ended(player: asyncio.subprocess.Process) -> int:
    """Wait until the player ends. Cancellation ends the player."""
    try:
        return await player.wait()
    except asyncio.CancelledError:
        player.kill()
        await player.wait()
        raise


def _find(settings: Settings, name: str, wanted: str, language: str | None) -> PromptFile:
    from agi_bridge.app.speech import prompt_sources

    (line,) = chosen_lines(settings, wanted)
    spoken = line.languages[0] if language is None else language
    if spoken not in line.languages:
        raise UsageError(f"--language: the line has {', '.join(line.languages)}")
    sources = prompt_sources(settings, line)
    found = sources.find(name, spoken)
    if found is None:
        there = ", ".join(sources.names(spoken))
        raise UsageError(f"no such prompt in {spoken!r}; write one of: {there}")
    return found
