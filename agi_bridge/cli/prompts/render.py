"""`prompts render`: renders a line's texts, with its brand, by the configured speech engines.

Prompts that were rendered before from the same words are kept, so you can repeat the command.
"""
# ruff: noqa: PLC0415 - keeps `--help` fast: a command loads what it needs when it runs

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, UsageError, answer
from agi_bridge.cli.output import count, seconds
from agi_bridge.cli.prompts.options import (
    LanguageOption,
    LineOption,
    chosen_lines,
    load_settings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from agi_bridge.prompts import PromptSources, RequiredPrompt
    from agi_bridge.settings import Line, Settings
    from agi_bridge.speech import Engine, Text

Result = Literal["rendered", "kept", "recorded", "failed"]
"""`kept`: rendered before. `recorded`: your own recording, whose text is in no script."""

_NO_ENGINE: Final = (
    "speech.engines: none renders to files; docs/speech.md compares them. For espeak-ng, replace"
    ' engines = [] with these lines: [[speech.engines]], then kind = "command", then'
    ' command = ["espeak-ng", "-v", "{language}", "-w", "{output}", "--stdin"]'
)
_COLUMNS: Final = ("language", "prompt", "seconds", "result")


def render(
    line: LineOption,
    *,
    language: LanguageOption = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Render prompts again even if their words have not changed."),
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Render a line's texts, with its brand and policy address, by the configured engines.

    The first engine that supports a language renders it. Prompts that were rendered before from the
    same words are kept. Exit code 1 if any prompt could not be rendered.
    """
    from rich.console import Console

    work = run(
        load_settings(config), line, language=language, force=force, errors=Console(stderr=True)
    )
    answer(work, as_json=as_json)


@dataclass(frozen=True, slots=True)
class Row:
    """The result of one prompt."""

    wanted: RequiredPrompt
    result: Result
    seconds: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Outcome:
    asked: Sequence[Text]
    failed: Mapping[Text, str]
    there: Mapping[tuple[str, str], tuple[str, float]]
    """Text hash and seconds of every rendered prompt."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The folder, and the result of each prompt."""

    folder: Path
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not any(row.result == "failed" for row in self.rows)

    def json(self) -> dict[str, object]:
        """The folder, and the result of each prompt."""
        return {
            "folder": str(self.folder),
            "prompts": [
                {
                    "language": row.wanted.language,
                    "name": row.wanted.name,
                    "result": row.result,
                    "seconds": None if row.seconds is None else round(row.seconds, 3),
                    "problem": row.problem or None,
                }
                for row in self.rows
            ],
        }

    def show(self, console: Console) -> None:
        """Print the result of each prompt, the folder, and which disclosures are too long."""
        from agi_bridge.cli.output import table
        from agi_bridge.speech import LONG_DISCLOSURE_SECONDS

        shown = [
            (
                row.wanted.language,
                row.wanted.name,
                seconds(row.seconds),
                f"failed: {row.problem}" if row.result == "failed" else row.result,
            )
            for row in self.rows
            if row.result != "kept"
        ]
        if shown:
            console.print(table(_COLUMNS, shown))
        kept = sum(row.result == "kept" for row in self.rows)
        if kept:
            console.print(f"{count(kept, 'prompt')} kept, rendered before from the same words")
        for row in self.rows:
            if row.wanted.is_disclosure and row.seconds is not None:
                message = f"{row.wanted.language}: the disclosure takes {row.seconds:.1f} s"
                if row.seconds > LONG_DISCLOSURE_SECONDS:
                    message = (
                        f"warning: {message}; callers hang up after {LONG_DISCLOSURE_SECONDS:g} s"
                    )
                console.print(message)
        console.print(f"in {self.folder}", soft_wrap=True)
        if any(row.result == "rendered" for row in self.rows):
            console.print("A bridge that runs plays them after its next start.")


async def run(
    settings: Settings, line: str, *, language: str | None, force: bool, errors: Console
) -> Rendered:
    """Render the prompts that are not rendered yet, or all; `errors` shows the progress.

    Raises:
        UsageError: there is no such line or language, or something that a text needs is missing.
            The message names all of it, and nothing is rendered: otherwise a worse engine would
            replace the missing one, and you would notice only by ear.
        BadScript: the script cannot be used.
        BadPrompts: the manifest of the rendered prompts cannot be read.
        OSError: the folder cannot be written.
    """
    from agi_bridge.app.speech import rendered_folder
    from agi_bridge.prompts import required_prompts
    from agi_bridge.speech import Script

    (found,) = chosen_lines(settings, line)
    if language is not None and language not in found.languages:
        raise UsageError(f"--language: the line has {', '.join(found.languages)}")
    script = await asyncio.to_thread(Script, settings.speech.script)
    prompts = required_prompts(found, script, None if language is None else [language])
    voices = await asyncio.to_thread(_voices, settings, found, prompts)
    folder = rendered_folder(settings, found)
    before = {} if force else await asyncio.to_thread(_kept, folder)
    texts = [each.text for each in prompts if each.text is not None]
    asked = [
        text
        for text in texts
        if before.get((text.language, text.name), ("", 0.0))[0] != text.sha256
    ]
    failed = await _render(asked, voices, folder, errors)
    outcome = _Outcome(asked, failed, await asyncio.to_thread(_kept, folder))
    return Rendered(folder, tuple(_row(each, outcome) for each in prompts))


def _voices(settings: Settings, line: Line, prompts: Sequence[RequiredPrompt]) -> list[Engine]:
    """Build the configured engines that render to files, best first. Blocks.

    Raises:
        UsageError: something is missing for these prompts; names all of it with its fix.
    """
    from agi_bridge.app.speech import prompt_sources, usable_engines
    from agi_bridge.speech import CommandEngine, Engine, language_tags

    made, faults = usable_engines(settings)
    missing = [str(fault) for fault in faults]
    voices = [voice for voice in made if isinstance(voice, Engine)]
    if not voices and not faults:
        missing.append(_NO_ENGINE)
    for voice in voices:
        if isinstance(voice, CommandEngine) and voice.missing:
            problem = f"speech.engines: program {voice.name!r} not found"
            missing.append(f"{problem}: install it, on Debian apt-get install {voice.name}")
    if voices:
        missing += [
            f"speech.engines: none supports {language!r}: add it to the languages of one"
            for language in dict.fromkeys(each.language for each in prompts)
            if not any(voice.serves(tag) for voice in voices for tag in language_tags(language))
        ]
    sources = prompt_sources(settings, line)
    problems = [each.problem for each in prompts if each.text is None and not _own(each, sources)]
    if problems and not line.policy_url:
        missing.append(
            f"lines.{line.name}.policy_url is not set, but the texts need it: write policy_url = "
            f'"https://example.com/text" into [lines.{line.name}]'
        )
    else:
        missing += dict.fromkeys(problems)
    if missing:
        raise UsageError("nothing was rendered:\n" + "\n".join(f"  {each}" for each in missing))
    return voices


def _own(each: RequiredPrompt, sources: PromptSources) -> bool:
    """Whether there is a recording of a prompt whose text is in no script."""
    found = sources.find(each.name, each.language)
    return found is not None and found.source in {"recording", "prompts"}


async def _render(
    texts: Sequence[Text], voices: Sequence[Engine], folder: Path, errors: Console
) -> Mapping[Text, str]:
    """Render texts; return those that failed, with the reason."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    from agi_bridge.speech import render_line

    failed: dict[Text, str] = {}
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
        disable=not errors.is_terminal,
        transient=True,
    )
    bar = progress.add_task("rendering", total=len(texts))

    def done(text: Text, problem: str | None) -> None:
        if problem is not None:
            failed[text] = problem
        progress.update(bar, advance=1, description=f"{text.language} {text.name}")

    with progress:
        try:
            await render_line(texts, voices, folder, done)
        finally:
            for voice in voices:
                await voice.close()
    return failed


def _kept(folder: Path) -> dict[tuple[str, str], tuple[str, float]]:
    """Text hash and seconds of the rendered prompts that are intact. Raises BadPrompts."""
    from agi_bridge.speech import RATE, BadAudio, BadPrompts, read_manifest, read_sound_info

    try:
        listed = read_manifest(folder)
    except BadPrompts as error:
        raise BadPrompts(each.within(folder) for each in error.problems) from None
    kept = {}
    for key, entry in listed.items():
        try:
            sound = read_sound_info(folder / entry["file"])
            if sound.sha256 == entry["sha256"]:
                kept[key] = str(entry["text_sha256"]), sound.samples / RATE
        except (BadAudio, OSError, KeyError):
            continue  # it is rendered again
    return kept


def _row(each: RequiredPrompt, outcome: _Outcome) -> Row:
    """The result of one prompt."""
    if each.text is None:
        return Row(each, "recorded")
    if each.text in outcome.failed:
        return Row(each, "failed", problem=outcome.failed[each.text])
    result: Result = "rendered" if each.text in outcome.asked else "kept"
    _, length = outcome.there[each.language, each.name]
    return Row(each, result, length)
