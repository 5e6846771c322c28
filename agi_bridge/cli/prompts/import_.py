"""`prompts import`: checks recordings from a studio and copies them to where calls play them from.

A recording is taken only if its format is right for a telephone and its words are those of the
current script. With `--convert`, problems of format, level and silence are fixed. Each file is
replaced in one step.
"""
# ruff: noqa: PLC0415 - keeps `--help` fast: a command loads what it needs when it runs

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, UsageError, answer
from agi_bridge.cli.output import count, seconds
from agi_bridge.cli.prompts.options import LineOption, chosen_lines, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from agi_bridge.prompts import RequiredPrompt
    from agi_bridge.settings import Settings

Result = Literal["taken", "rewritten", "converted", "refused", "ignored"]
"""`rewritten`: the same samples, with the header that Asterisk reads. `ignored`: no prompt of this
line has that name, or it is not a WAV file."""

OTHER_SOUNDS: Final = frozenset((".aif", ".aiff", ".flac", ".m4a", ".mp3", ".ogg", ".w64", ".wma"))
"""Suffixes of sound files that a studio may deliver and that are not taken."""

_TAKEN: Final = frozenset(("taken", "rewritten", "converted"))
_COLUMNS: Final = ("", "file", "seconds", "what")


def import_(
    folder: Annotated[
        Path,
        typer.Argument(help="Contains LANGUAGE/NAME.wav, as export writes it.", metavar="FOLDER"),
    ],
    line: LineOption,
    *,
    convert: Annotated[
        bool, typer.Option("--convert", help="Fix format, level and silence.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check recordings and copy them into the folder of recordings (speech.recordings).

    Recordings with a problem are refused, the others are taken. Exit code 1 if any was refused.
    """
    answer(run(load_settings(config), folder, line, to_convert=convert), as_json=as_json)


@dataclass(frozen=True, slots=True)
class Row:
    """The result of one file."""

    file: str
    result: Result
    seconds: float | None = None
    problems: tuple[str, ...] = ()
    """Its problems and notes."""
    fixed: tuple[str, ...] = ()
    """Problems that conversion fixed."""
    fixable: bool = False
    """Whether conversion would fix all its problems."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The folder, the result of each file, and the prompts that are still missing."""

    into: Path
    rows: tuple[Row, ...]
    missing: Mapping[str, tuple[str, ...]]
    """The line's prompts without a recording, by language; languages without any are left out."""

    @property
    def ok(self) -> bool:
        """Whether something was taken and nothing refused."""
        results = {row.result for row in self.rows}
        return "refused" not in results and bool(results & _TAKEN)

    def json(self) -> dict[str, object]:
        """The folder, and the result of each file."""
        return {
            "into": str(self.into),
            "files": [
                {
                    "file": row.file,
                    "result": row.result,
                    "seconds": None if row.seconds is None else round(row.seconds, 3),
                    "problems": list(row.problems),
                    "fixed": list(row.fixed),
                    "fixable": row.fixable,
                }
                for row in self.rows
            ],
            "missing": {language: list(left) for language, left in self.missing.items()},
        }

    def show(self, console: Console) -> None:
        """Print the result of each file, and the prompts without a recording."""
        from agi_bridge.cli.output import table

        rows = (
            (
                row.result,
                row.file,
                seconds(row.seconds),
                "; ".join(row.problems),
            )
            for row in self.rows
        )
        console.print(table(_COLUMNS, rows) if self.rows else "no LANGUAGE/NAME.wav found")
        fixable = sum(row.fixable for row in self.rows)
        if fixable:
            console.print(f"{count(fixable, 'file')} would be taken with --convert")
        for language, left in self.missing.items():
            console.print(f"no recording yet, {language}: {', '.join(left)}", soft_wrap=True)
        if any(row.result in _TAKEN for row in self.rows):
            console.print(f"in {self.into}", soft_wrap=True)
            console.print(
                "Restart every bridge: consent records name the recordings that a bridge plays."
            )


async def run(settings: Settings, folder: Path, line: str, *, to_convert: bool) -> Imported:
    """Import a line's recordings from a folder that contains `LANGUAGE/NAME.wav`.

    For the folder of recordings itself, or `speech.prompts`, files are checked and fixed in place,
    and the originals are kept next to them. File names may be in any case.

    Raises:
        UsageError: there is no such line, no source folder, or `speech.recordings` is not set.
        BadScript: the script cannot be used.
        OSError: a file cannot be read or written.
    """
    return await asyncio.to_thread(_import, settings, folder, line, to_convert=to_convert)


def _import(settings: Settings, folder: Path, line: str, *, to_convert: bool) -> Imported:
    from agi_bridge.prompts import required_names, required_prompts
    from agi_bridge.speech import Script, language_tags

    (found,) = chosen_lines(settings, line)
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    into = _into(settings, folder)
    prompts = {
        (each.language.lower(), each.name): each
        for each in required_prompts(found, Script(settings.speech.script))
    }
    # All lines share the folder. No disclosure gets HD voice, whose length is counted differently.
    asking = {each.disclosure for each in settings.lines.values()}
    rows = []
    came: dict[tuple[str, str], Path] = {}
    for file in _sounds(folder):
        key = (language_tags(file.parent.name)[0], file.stem.lower())
        each = prompts.get(key)
        if file.suffix.lower() != ".wav":
            reason = (
                "is not a WAV file: export it as one" if each else "the line has no such prompt"
            )
            rows.append(Row(_name(file), "ignored", problems=(reason,)))
        elif each is None:
            rows.append(Row(_name(file), "ignored", problems=("the line has no such prompt",)))
        elif key in came:
            reason = f"is the same prompt as {_name(came[key])}: remove one of them"
            rows.append(Row(_name(file), "refused", problems=(reason,)))
        else:
            came[key] = file
            target = _folder(into, each.language) / f"{each.name}.wav"
            wide = each.name not in asking
            rows.append(_take(file, target, each, wide=wide, to_convert=to_convert))
    missing = {
        language: _missing(_folder(into, language), required_names(found))
        for language in found.languages
    }
    return Imported(
        into, tuple(rows), {language: left for language, left in missing.items() if left}
    )


def _into(settings: Settings, folder: Path) -> Path:
    """The target folder: recordings in the folder that they are played from stay there."""
    speech = settings.speech
    if speech.prompts is not None and speech.prompts.is_dir() and folder.samefile(speech.prompts):
        return speech.prompts
    if speech.recordings is None:
        raise UsageError("speech.recordings is not set: write a folder for recordings")
    return speech.recordings


def _sounds(folder: Path) -> Iterator[Path]:
    """Yield the sound files of each language; hidden files (`._disclosure.wav`) are skipped."""
    from agi_bridge.speech import language_tags

    for place in sorted(folder.iterdir()):
        if language_tags(place.name) and place.is_dir():
            for file in sorted(place.iterdir()):
                if not file.name.startswith(".") and (
                    file.suffix.lower() == ".wav" or file.suffix.lower() in OTHER_SOUNDS
                ):
                    yield file


def _folder(into: Path, language: str) -> Path:
    """The folder of a language: an existing one in any case, else named as the line writes it."""
    from agi_bridge.speech import language_tags

    tag = language.lower()
    there = sorted(into.iterdir()) if into.is_dir() else ()
    same = (path for path in there if path.is_dir() and tag in language_tags(path.name)[:1])
    return next(same, into / language)


def _missing(folder: Path, needed: Sequence[str]) -> tuple[str, ...]:
    """The prompts without a recording; empty if the language has no recording at all."""
    left = tuple(name for name in needed if not (folder / f"{name}.wav").is_file())
    return () if len(left) == len(needed) else left


def _take(file: Path, target: Path, prompt: RequiredPrompt, *, wide: bool, to_convert: bool) -> Row:
    """Take one recording, unless it has a problem."""
    from agi_bridge.prompts import install_recording, required_fix, write_text
    from agi_bridge.speech import (
        LONG_DISCLOSURE_SECONDS,
        RATE,
        RecordingFix,
        check_recording,
        conflict_problem,
        conflicting_files,
        read_sound_info,
    )

    text, against = _words(file, prompt)
    against += map(conflict_problem, conflicting_files(target))
    issues = check_recording(file, text)
    fix = required_fix(issues)
    most = RecordingFix.CONVERT if to_convert else RecordingFix.REWRITE
    if against or (fix is not None and fix > most):
        problems = [*against, *(issue.problem for issue in issues)]
        fixable = not against and fix == RecordingFix.CONVERT
        return Row(_name(file), "refused", problems=tuple(problems), fixable=fixable)
    write_text(
        target.with_suffix(".txt"), text
    )  # first, because a sound without its text is refused
    in_place = file.parent.samefile(target.parent)
    if fix is not None or not in_place or file.name != target.name:
        install_recording(file, target, fix, wide=wide, keep=in_place)
    length = read_sound_info(target).samples / RATE
    notes = []
    if prompt.is_disclosure and length > LONG_DISCLOSURE_SECONDS:
        notes.append(f"is longer than {LONG_DISCLOSURE_SECONDS:g} s: callers may hang up")
    fixed = tuple(issue.problem for issue in issues)
    result: Result = "taken"
    if fix is not None:
        result = "rewritten" if fix == RecordingFix.REWRITE else "converted"
    return Row(_name(file), result, length, tuple(notes), fixed)


def _words(file: Path, prompt: RequiredPrompt) -> tuple[str, list[str]]:
    """The words of a recording, and their problems."""
    from agi_bridge.speech import BadAudio, read_transcript

    beside = None
    if prompt.text is None or file.with_suffix(".txt").exists():
        try:
            beside = read_transcript(file)
        except BadAudio as error:
            return "", [str(error)]
    if prompt.text is None:
        # Your own prompt, whose text is in no script: its words must come with it.
        return beside or "", []
    if beside is not None and beside != prompt.text.text:
        return beside, [f"{file.stem}.txt differs from the script's current text"]
    return prompt.text.text, []


def _name(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"
