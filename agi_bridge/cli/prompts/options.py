"""The options of `agi-bridge prompts …`, each declared once, and how its commands load settings."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from agi_bridge.cli.common import load

if TYPE_CHECKING:
    from agi_bridge.settings import Line, Settings

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


def load_settings(config: Path | None) -> Settings:
    """Load the configuration. The prompts and the hook's key may be missing from it."""
    return load(config, secrets="speech.", prompts=False)


def chosen_lines(settings: Settings, line: str | None) -> list[Line]:
    """Return the line that `--line` names, or all lines.

    Raises:
        UnknownLineError: there is no such line.
    """
    return list(settings.lines.values()) if line is None else [settings.find_line(line)]
