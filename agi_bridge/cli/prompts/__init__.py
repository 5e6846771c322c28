"""`agi-bridge prompts …`: names, options and exit codes; what they do is in `tools.prompts`."""
# ruff: noqa: PLC0415 - `--help` need not load what a command needs

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer, load

if TYPE_CHECKING:
    from agi_bridge.settings import Settings

prompts: Final = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="What callers hear: list it, render it with your brand, check it, record it in a studio.",
)

LineOption = Annotated[
    str, typer.Option(help="The line, by a number that callers dial or by name.", metavar="DID")
]
AnyLineOption = Annotated[
    str | None,
    typer.Option(
        "--line", help="Only this line, by a number that callers dial or by name.", metavar="DID"
    ),
]
LanguageOption = Annotated[
    str | None, typer.Option(help="One of the line's languages.", metavar="TAG")
]

NameArgument = Annotated[str, typer.Argument(help="The prompt, like disclosure.", metavar="NAME")]
ToOption = Annotated[
    Path | None, typer.Option(help="Write the sound there instead.", metavar="FILE")
]
OutOption = Annotated[Path, typer.Option(help="A new folder.", metavar="FOLDER")]
FolderArgument = Annotated[
    Path, typer.Argument(help="Holds LANGUAGE/NAME.wav, as export says.", metavar="FOLDER")
]


def _settings(config: Path | None) -> Settings:
    """The configuration: whoever makes the prompts need not have them, nor the hook's key."""
    return load(config, secrets="speech.", prompts=False)


@prompts.command("list")
def _list(
    *, line: AnyLineOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List what callers hear, word for word, with lengths and where each sound comes from."""
    from agi_bridge.cli.prompts import list_ as tool

    answer(tool.run(_settings(config), line), as_json=as_json)


@prompts.command("render")
def _render(
    line: LineOption,
    *,
    language: LanguageOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also what is rendered already, from the same words.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Render a line's texts, brand and policy address filled in, by the configured engines.

    The first engine that serves a language speaks it. What was rendered before from the same words
    is kept. Exit code 1 if anything could not be rendered.
    """
    from rich.console import Console

    from agi_bridge.cli.prompts import render as tool

    work = tool.run(
        _settings(config), line, language=language, force=force, errors=Console(stderr=True)
    )
    answer(work, as_json=as_json)


@prompts.command("check")
def _check(
    *, line: AnyLineOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Say what is missing, stale, badly recorded or too long, and how to put it right.

    Exit code 1 if something would go wrong in a call (a fault); a note can wait.
    """
    from agi_bridge.cli.prompts import check as tool

    answer(tool.run(_settings(config), line, config=config), as_json=as_json)


@prompts.command("play")
def _play(
    name: NameArgument,
    line: LineOption,
    *,
    language: LanguageOption = None,
    to: ToOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Play a prompt as callers hear it, by aplay, paplay, ffplay or SoX's play."""
    from agi_bridge.cli.prompts import play as tool

    answer(tool.run(_settings(config), name, line, language=language, to=to), as_json=as_json)


@prompts.command("export")
def _export(
    line: LineOption,
    out: OutOption,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a line's script for a studio: to read and print (HTML), and for a spreadsheet (CSV).

    The studio puts its recordings into the same folder, which then goes to import.
    """
    from agi_bridge.cli.prompts import export as tool

    answer(tool.run(_settings(config), line, out), as_json=as_json)


@prompts.command("import")
def _import(
    folder: FolderArgument,
    line: LineOption,
    *,
    convert: Annotated[
        bool, typer.Option("--convert", help="Put right format, level and silence.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check recordings and put them into the folder of recordings (speech.recordings).

    What will not do is refused, the others are taken. Exit code 1 if anything was refused.
    """
    from agi_bridge.cli.prompts import import_ as tool

    answer(tool.run(_settings(config), folder, line, to_convert=convert), as_json=as_json)
