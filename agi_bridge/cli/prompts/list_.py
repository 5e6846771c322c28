"""`prompts list`: shows each prompt of a line, word for word, with its length and its source."""
# ruff: noqa: PLC0415 - keeps `--help` fast: a command loads what it needs when it runs

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.output import seconds
from agi_bridge.cli.prompts.options import AnyLineOption, chosen_lines, load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.prompts import LinePrompts, Prompt
    from agi_bridge.settings import Settings

_COLUMNS: Final = ("prompt", "from", "seconds", "version", "text hash", "text")
_SHORT: Final = 12


def list_prompts(
    *, line: AnyLineOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List what callers hear, word for word, with the length and the source of each prompt."""
    answer(run(load_settings(config), line), as_json=as_json)


@dataclass(frozen=True, slots=True)
class Listing:
    """The prompts of each line."""

    lines: tuple[LinePrompts, ...]
    ok: bool = True

    def json(self) -> list[dict[str, object]]:
        """One object for each line, with its prompts."""
        return [
            {"line": each.line.name, "prompts": [_plain(prompt) for prompt in each.prompts]}
            for each in self.lines
        ]

    def show(self, console: Console) -> None:
        """Print a table for each language of each line."""
        from agi_bridge.cli.output import table

        for each in self.lines:
            for language, prompts in each.by_language():
                console.print(f"{each.line.name}, {language}: {_disclosed(prompts)}", style="bold")
                console.print(table(_COLUMNS, map(_row, prompts)))
                console.print()


async def run(settings: Settings, line: str | None) -> Listing:
    """List the prompts of a line, or of all.

    Raises:
        UnknownLineError: there is no such line.
        BadScript: the script cannot be used.
    """
    from agi_bridge.app.speech import inspect_lines

    lines = chosen_lines(settings, line)
    return Listing(await asyncio.to_thread(inspect_lines, settings, lines))


def _disclosed(prompts: list[Prompt]) -> str:
    from agi_bridge.speech import LONG_DISCLOSURE_SECONDS

    (length,) = [each.seconds for each in prompts if each.wanted.is_disclosure]
    if length is None:
        return "no disclosure"
    return f"disclosure of {seconds(length)} s (recommended: at most {LONG_DISCLOSURE_SECONDS:g} s)"


def _row(prompt: Prompt) -> tuple[str, ...]:
    from agi_bridge.speech import text_hash

    return (
        prompt.wanted.name,
        "missing" if prompt.found is None else prompt.found.source,
        seconds(prompt.seconds),
        "unknown" if prompt.version is None else str(prompt.version),
        text_hash(prompt.words)[:_SHORT],
        prompt.words,
    )


def _plain(prompt: Prompt) -> dict[str, object]:
    from agi_bridge.speech import text_hash

    found = prompt.found
    return {
        "name": prompt.wanted.name,
        "language": prompt.wanted.language,
        "text": prompt.words,
        "text_sha256": text_hash(prompt.words),
        "version": prompt.version,
        "source": None if found is None else found.source,
        "file": None if found is None else str(found.file),
        "seconds": None if prompt.seconds is None else round(prompt.seconds, 3),
    }
