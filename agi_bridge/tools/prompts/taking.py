"""`prompts import`: recordings that come back from a studio, checked and put where calls find them.

A recording is taken only if it will do on a telephone and speaks the words of today's script; what
conversion can put right it does if asked to. Each file appears in one step.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from agi_bridge.speech import Script
from agi_bridge.speech.audio import telephone
from agi_bridge.speech.recording import RATE, examine
from agi_bridge.speech.takes import LONG_DISCLOSURE_SECONDS, convert, review
from agi_bridge.tools.consents.lines import find_line
from agi_bridge.tools.consents.output import table
from agi_bridge.tools.errors import UsageError
from agi_bridge.tools.prompts.shelves import WIDE, text_beside
from agi_bridge.tools.prompts.wanted import wanted

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.settings import Settings
    from agi_bridge.speech.takes import Remark
    from agi_bridge.tools.prompts.wanted import Wanted

Result = Literal["taken", "converted", "refused", "ignored"]
"""`ignored`: no prompt of this line is called so."""

_COLUMNS: Final = ("", "file", "seconds", "what")
_READABLE = 0o644
_ENTERABLE = 0o755


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one file."""

    file: str
    result: Result
    seconds: float | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """The answer; `ok` if nothing was refused and something was taken."""

    into: Path
    rows: tuple[Row, ...]

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
                }
                for row in self.rows
            ],
        }

    def show(self, console: Console) -> None:
        """Print what became of each file."""
        rows = (
            (
                row.result,
                row.file,
                "" if row.seconds is None else f"{row.seconds:.1f}",
                "; ".join(row.remarks),
            )
            for row in self.rows
        )
        console.print(table(_COLUMNS, rows) if self.rows else "no LANGUAGE/NAME.wav is there")
        if any(row.result in {"taken", "converted"} for row in self.rows):
            console.print(f"in {self.into}", soft_wrap=True)
            console.print("Restart every bridge that runs: what it recorded as heard is replaced.")


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
    prompts = {(each.language, each.name): each for each in wanted(found, Script())}
    rows = []
    for file in sorted(folder.glob("*/*.wav")):
        each = prompts.get((file.parent.name, file.stem))
        target = into / file.parent.name / file.name
        rows.append(
            Row(_name(file), "ignored", remarks=("the line has no such prompt",))
            if each is None
            else _take(file, target, each, to_convert=to_convert)
        )
    return Imported(into, tuple(rows))


def _take(file: Path, target: Path, prompt: Wanted, *, to_convert: bool) -> Row:
    """Take one recording, unless there is something against it."""
    text, against = _words(file, prompt)
    remarks = review(file, text)
    if against or any(not (to_convert and remark.converts) for remark in remarks):
        told = [*against, *(_told(remark, to_convert=to_convert) for remark in remarks)]
        return Row(_name(file), "refused", remarks=tuple(told))
    if file.exists() and target.exists() and file.samefile(target):
        if remarks:
            convert(file)
    else:
        _put(file, target, wide=not prompt.asks, as_it_is=not remarks)
    _write(target.with_suffix(".txt"), text)
    seconds = examine(target).samples / RATE
    notes = [remark.problem for remark in remarks]
    if prompt.asks and seconds > LONG_DISCLOSURE_SECONDS:
        notes.append(f"takes more than {LONG_DISCLOSURE_SECONDS:g} s: callers hang up")
    return Row(_name(file), "converted" if remarks else "taken", seconds, tuple(notes))


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


def _told(remark: Remark, *, to_convert: bool) -> str:
    if remark.converts and not to_convert:
        return f"{remark.problem} (--convert puts it right)"
    return remark.problem


def _put(file: Path, target: Path, *, wide: bool, as_it_is: bool) -> None:
    """Put a recording in its place, in one step, converted unless it is good as it is."""
    for folder in (target.parent.parent, target.parent):
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(_ENTERABLE)  # the PBX runs under another account
    with tempfile.TemporaryDirectory(prefix=".work-", dir=target.parent.parent) as place:
        ready = Path(place) / "ready.wav"
        broad = ready.with_suffix(WIDE)
        if as_it_is:
            shutil.copyfile(file, ready)
            _sync(ready)
        else:
            telephone(file, ready, broad if wide else None)
        # An older one would be heard instead by callers with HD voice.
        target.with_suffix(WIDE).unlink(missing_ok=True)
        for made in (ready, broad):
            if made.exists():
                made.chmod(_READABLE)
                made.replace(target.with_suffix(made.suffix))


def _write(target: Path, text: str) -> None:
    """Write the words beside a recording, in one step."""
    with tempfile.TemporaryDirectory(prefix=".work-", dir=target.parent.parent) as place:
        ready = Path(place) / target.name
        ready.write_text(f"{text}\n", encoding="utf-8")
        _sync(ready)
        ready.chmod(_READABLE)
        ready.replace(target)


def _sync(file: Path) -> None:
    """Have a file on the disk before its name is."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def _name(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"
