"""`prompts check`: finds missing, outdated and badly recorded prompts, and how to fix them."""
# ruff: noqa: PLC0415 - keeps `--help` fast: a command loads what it needs when it runs

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.output import count
from agi_bridge.cli.prompts.options import AnyLineOption, chosen_lines, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from rich.console import Console

    from agi_bridge.prompts import LinePrompts, Prompt, Remedy
    from agi_bridge.settings import Settings

_COLUMNS: Final = ("", "line", "language", "prompt", "from", "what")
_PLACEHOLDER: Final = "FOLDER"


def check(
    *, line: AnyLineOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Find prompts that are missing, out of date, badly recorded or too long, and how to fix them.

    Exit code 1: at least one fault, which callers would notice. A note can wait.
    """
    answer(run(load_settings(config), line, config=config), as_json=as_json)


@dataclass(frozen=True, slots=True)
class Checked:
    """The issues of each line, and the commands that fix them."""

    lines: tuple[LinePrompts, ...]
    commands: tuple[str, ...]
    """Commands to run as they are."""

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        from agi_bridge.prompts import Severity

        return not any(
            each.problems
            or any(
                issue.severity is Severity.FAULT
                for prompt in each.prompts
                for issue in prompt.issues
            )
            for each in self.lines
        )

    def json(self) -> dict[str, object]:
        """The issues of each line, and the commands that fix them."""
        return {
            "ok": self.ok,
            "lines": [
                {
                    "line": each.line.name,
                    "prompts": len(each.prompts),
                    "problems": list(each.problems),
                    "issues": [issue for prompt in each.prompts for issue in _plain(prompt)],
                }
                for each in self.lines
            ],
            "commands": list(self.commands),
        }

    def show(self, console: Console) -> None:
        """Print the issues, then the commands that fix them."""
        from agi_bridge.cli.output import table

        for each in self.lines:
            for problem in each.problems:
                console.print(f"fault {problem}")
        rows = [row for each in self.lines for row in _rows(each)]
        if rows:
            console.print(table(_COLUMNS, rows))
        if self.commands:
            console.print("\nTo fix them, run:")
            for command in self.commands:
                console.print(f"    {command}", soft_wrap=True)
        console.print(f"{'' if not rows else chr(10)}{self._sum(rows)}")

    def _sum(self, rows: list[tuple[str, ...]]) -> str:
        from agi_bridge.prompts import Severity

        prompts = sum(len(each.prompts) for each in self.lines)
        faults = sum(row[0] == Severity.FAULT for row in rows)
        notes = len(rows) - faults
        faults += sum(len(each.problems) for each in self.lines)
        return f"{prompts} prompts: {count(faults, 'fault')}, {count(notes, 'note')}"


async def run(settings: Settings, line: str | None, *, config: Path | None = None) -> Checked:
    """Check the prompts of a line, or of all; `config` becomes part of the printed commands.

    Raises:
        UnknownLineError: there is no such line.
        BadScript: the script cannot be used.
    """
    from agi_bridge.app.speech import inspect_lines

    lines = await asyncio.to_thread(inspect_lines, settings, chosen_lines(settings, line))
    commands = dict.fromkeys(
        shlex.join(command)
        for each in lines
        for command in _fixing_commands(settings, each, config)
    )
    return Checked(lines, tuple(commands))


def _fixing_commands(
    settings: Settings, line: LinePrompts, config: Path | None
) -> Iterator[tuple[str, ...]]:
    from agi_bridge.prompts import Remedy

    issues = [(prompt, issue.remedy) for prompt in line.prompts for issue in prompt.issues]
    same = ("--line", line.line.name, *(() if config is None else ("--config", str(config))))
    render = ("agi-bridge", "prompts", "render", *same)
    languages = _languages(issues, Remedy.RENDER)
    if len(languages) == len(line.line.languages):
        yield render
    else:
        yield from ((*render, "--language", language) for language in languages)
    for folder in _to_convert(settings, line):
        yield ("agi-bridge", "prompts", "import", str(folder), *same, "--convert")
    if any(remedy is Remedy.RECORD for _, remedy in issues):
        yield ("agi-bridge", "prompts", "export", *same, "--out", _PLACEHOLDER)


def _to_convert(settings: Settings, line: LinePrompts) -> list[Path]:
    """The folders with recordings that can be converted in place."""
    from agi_bridge.app.speech import prompt_folders
    from agi_bridge.prompts import Remedy

    sources = {
        prompt.found.source
        for prompt in line.prompts
        for issue in prompt.issues
        if issue.remedy is Remedy.CONVERT and prompt.found is not None
    }
    return [each.path for each in prompt_folders(settings, line.line) if each.source in sources]


def _languages(issues: Iterable[tuple[Prompt, Remedy]], remedy: Remedy) -> list[str]:
    return list(dict.fromkeys(prompt.wanted.language for prompt, each in issues if each is remedy))


def _rows(line: LinePrompts) -> Iterator[tuple[str, ...]]:
    for prompt in line.prompts:
        for issue in prompt.issues:
            yield (
                str(issue.severity),
                line.line.name,
                prompt.wanted.language,
                prompt.wanted.name,
                "" if prompt.found is None else prompt.found.source,
                issue.problem,
            )


def _plain(prompt: Prompt) -> Iterator[dict[str, object]]:
    for issue in prompt.issues:
        yield {
            "prompt": prompt.wanted.name,
            "language": prompt.wanted.language,
            "source": None if prompt.found is None else prompt.found.source,
            "file": None if prompt.found is None else str(prompt.found.file),
            "severity": str(issue.severity),
            "code": issue.problem.code,
            "problem": issue.problem,
            "remedy": str(issue.remedy),
        }
