"""`prompts import`: recordings that come back from a studio, checked and put where calls find them.

A recording is taken only if it will do on a telephone and speaks the words of today's script; what
conversion can put right it does if asked to. Each file appears in one step.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from agi_bridge.speech import Script
from agi_bridge.speech.recording import RATE, examine
from agi_bridge.speech.takes import LONG_DISCLOSURE_SECONDS, convert, review
from agi_bridge.tools.consents.lines import find_line
from agi_bridge.tools.consents.output import table
from agi_bridge.tools.errors import UsageError
from agi_bridge.tools.prompts.placing import put, write_text
from agi_bridge.tools.prompts.shelves import text_beside
from agi_bridge.tools.prompts.shown import count, seconds
from agi_bridge.tools.prompts.wanted import names, wanted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from agi_bridge.settings import Settings
    from agi_bridge.tools.prompts.wanted import Wanted

Result = Literal["taken", "converted", "refused", "ignored"]
"""`ignored`: no prompt of this line is called so."""

_COLUMNS: Final = ("", "file", "seconds", "what")


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one file."""

    file: str
    result: Result
    seconds: float | None = None
    remarks: tuple[str, ...] = ()
    """What is against it, or to be known of it."""
    mended: tuple[str, ...] = ()
    """What conversion put right."""
    mendable: bool = False
    """Whether conversion would put right all that is against it."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The answer; `ok` if nothing was refused and something was taken."""

    into: Path
    rows: tuple[Row, ...]
    missing: Mapping[str, tuple[str, ...]]
    """The line's prompts that have no recording, by language; none of languages without any."""

    @property
    def ok(self) -> bool:
        """Whether everything that came was taken."""
        results = {row.result for row in self.rows}
        return "refused" not in results and bool(results & {"taken", "converted"})

    def json(self) -> dict[str, object]:
        """The folder, and what became of each file."""
        return {
            "into": str(self.into),
            "files": [
                {
                    "file": row.file,
                    "result": row.result,
                    "seconds": None if row.seconds is None else round(row.seconds, 3),
                    "remarks": list(row.remarks),
                    "mended": list(row.mended),
                    "mendable": row.mendable,
                }
                for row in self.rows
            ],
            "missing": {language: list(left) for language, left in self.missing.items()},
        }

    def show(self, console: Console) -> None:
        """Print what became of each file, and which prompts have no recording yet."""
        rows = (
            (
                row.result,
                row.file,
                seconds(row.seconds),
                "; ".join(row.remarks),
            )
            for row in self.rows
        )
        console.print(table(_COLUMNS, rows) if self.rows else "no LANGUAGE/NAME.wav is there")
        mendable = sum(row.mendable for row in self.rows)
        if mendable:
            console.print(f"{count(mendable, 'file')} would be taken with --convert")
        for language, left in self.missing.items():
            console.print(f"no recording yet, {language}: {', '.join(left)}", soft_wrap=True)
        if any(row.result in {"taken", "converted"} for row in self.rows):
            console.print(f"in {self.into}", soft_wrap=True)
            console.print("Restart every bridge: its record of consent names what is played.")


async def run(settings: Settings, folder: Path, line: str, *, to_convert: bool) -> Imported:
    """Take a line's recordings from a folder that holds `LANGUAGE/NAME.wav`.

    It may be the folder of recordings itself: then they are checked, and converted in place, the
    originals being kept beside them.

    Raises:
        UsageError: no such line, no folder to put recordings in, or none to take them from.
        BadScript: the script cannot be used.
        OSError: a file cannot be read or written.
    """
    return await asyncio.to_thread(_import, settings, folder, line, to_convert=to_convert)


def _import(settings: Settings, folder: Path, line: str, *, to_convert: bool) -> Imported:
    found = find_line(settings, line)
    into = settings.speech.recordings
    if into is None:
        raise UsageError("speech.recordings is not set: name a folder for recordings in it")
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    prompts = {
        (each.language, each.name): each for each in wanted(found, Script(settings.speech.script))
    }
    # The folder is every line's: no disclosure may get HD voice, whose length counts otherwise.
    asking = {each.disclosure for each in settings.lines.values()}
    rows = []
    for file in sorted(folder.glob("*/*.wav")):
        each = prompts.get((file.parent.name, file.stem))
        target = into / file.parent.name / file.name
        rows.append(
            Row(_name(file), "ignored", remarks=("the line has no such prompt",))
            if each is None
            else _take(file, target, each, wide=file.stem not in asking, to_convert=to_convert)
        )
    missing = {language: _missing(into / language, names(found)) for language in found.languages}
    return Imported(
        into, tuple(rows), {language: left for language, left in missing.items() if left}
    )


def _missing(folder: Path, needed: Sequence[str]) -> tuple[str, ...]:
    """Return the prompts that have no recording in a language of which there are some."""
    left = tuple(name for name in needed if not (folder / f"{name}.wav").is_file())
    return () if len(left) == len(needed) else left


def _take(file: Path, target: Path, prompt: Wanted, *, wide: bool, to_convert: bool) -> Row:
    """Take one recording, unless there is something against it."""
    text, against = _words(file, prompt)
    remarks = review(file, text)
    if against or any(not (to_convert and remark.converts) for remark in remarks):
        told = [*against, *(remark.problem for remark in remarks)]
        mendable = not against and all(remark.converts for remark in remarks)
        return Row(_name(file), "refused", remarks=tuple(told), mendable=mendable)
    write_text(target.with_suffix(".txt"), text)  # first: a sound without its text is refused
    if not (target.exists() and file.samefile(target)):
        put(file, target, wide=wide, as_it_is=not remarks)
    elif remarks:
        convert(file)
    length = examine(target).samples / RATE
    notes = []
    if prompt.asks and length > LONG_DISCLOSURE_SECONDS:
        notes.append(f"takes more than {LONG_DISCLOSURE_SECONDS:g} s: callers hang up")
    mended = tuple(remark.problem for remark in remarks)
    return Row(_name(file), "converted" if remarks else "taken", length, tuple(notes), mended)


def _words(file: Path, prompt: Wanted) -> tuple[str, list[str]]:
    """Return the words that a recording speaks, and what is against them."""
    beside = text_beside(file)
    if prompt.text is None:
        # A prompt of one's own, which no script knows: its words have to come with it.
        if beside is None:
            return "", [f"has no text: write what is spoken into {file.stem}.txt beside it"]
        return beside, []
    if beside is not None and beside != prompt.text.text:
        return beside, [f"speaks what {file.stem}.txt says, which is no longer the script's text"]
    return prompt.text.text, []


def _name(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"
