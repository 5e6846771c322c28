"""`prompts export`: writes the script of a line for a studio into a new folder.

The folder contains `index.html` to read and print, `script.csv` for a spreadsheet, and the text of
each recording as `LANGUAGE/NAME.txt`. The studio puts `LANGUAGE/NAME.wav` next to it, so the folder
that comes back says which words were spoken.
"""
# ruff: noqa: PLC0415 - keeps `--help` fast: a command loads what it needs when it runs

from __future__ import annotations

import asyncio
import csv
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, UsageError, answer
from agi_bridge.cli.prompts.options import LineOption, chosen_lines, load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.prompts import Sheet
    from agi_bridge.settings import Settings

PAGE: Final = "index.html"
TABLE: Final = "script.csv"


def export(
    line: LineOption,
    out: Annotated[Path, typer.Option(help="A new folder.", metavar="FOLDER")],
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a line's script for a studio: to read and print (HTML), and for a spreadsheet (CSV).

    The studio puts its recordings into the same folder. Then run import on it.
    """
    answer(run(load_settings(config), line, out), as_json=as_json)


@dataclass(frozen=True, slots=True)
class Exported:
    """The script, and the folder that it was written to."""

    sheet: Sheet
    out: Path
    ok: bool = True

    def json(self) -> dict[str, object]:
        """The folder, and how much there is to record."""
        return {
            "out": str(self.out),
            "line": self.sheet.line,
            "languages": [
                {
                    "language": each.tag,
                    "prompts": len(each.prompts),
                    "seconds": each.seconds,
                }
                for each in self.sheet.languages
            ],
        }

    def show(self, console: Console) -> None:
        """Print how much there is to record, the files, and the next step."""
        for each in self.sheet.languages:
            minutes = f"about {each.seconds / 60:.1f} minutes"
            console.print(f"{each.name}: {len(each.prompts)} texts, {minutes}")
        console.print(f"written: {self.out / PAGE}, {self.out / TABLE}", soft_wrap=True)
        console.print(
            "Put the recordings into the same folder, then run agi-bridge prompts import."
        )


async def run(settings: Settings, line: str, out: Path) -> Exported:
    """Write the script of a line into a new folder.

    Raises:
        UnknownLineError: there is no such line.
        UsageError: the folder exists and is not empty.
        IncompleteScriptError: a text is missing.
        BadScript: the script cannot be used.
        OSError: the folder cannot be written.
    """
    return await asyncio.to_thread(_export, settings, line, out)


def _export(settings: Settings, line: str, out: Path) -> Exported:
    from agi_bridge.app.speech import inspect_lines
    from agi_bridge.prompts import build_sheet, sheet_html

    (found,) = inspect_lines(settings, chosen_lines(settings, line))
    made = build_sheet(found)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"--out: {out} already exists; name a new folder")
    out.mkdir(parents=True, exist_ok=True)
    for language in made.languages:
        (out / language.tag).mkdir()
        for prompt in language.prompts:
            text = (out / prompt.file).with_suffix(".txt")
            text.write_text(f"{prompt.text}\n", encoding="utf-8")
    # Spreadsheets recognise UTF-8 by its byte order mark.
    with (out / TABLE).open("w", encoding="utf-8-sig", newline="") as opened:
        csv.writer(opened).writerows(made.rows())
    (out / PAGE).write_text(sheet_html(made), encoding="utf-8")
    return Exported(made, out)
