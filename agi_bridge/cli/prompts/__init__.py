"""The commands `agi-bridge prompts …`. Each module of this package is one command."""

from __future__ import annotations

from typing import Final

import typer

from agi_bridge.cli.commands import CommandGroup, Entry


class _Commands(CommandGroup):
    table = {  # noqa: RUF012 - never changed
        "list": Entry(
            "agi_bridge.cli.prompts.list_:list_prompts",
            "List what callers hear, word for word, with the length and the source of each prompt.",
        ),
        "render": Entry(
            "agi_bridge.cli.prompts.render:render",
            "Render a line's texts, with its brand and policy address, by the configured engines.",
        ),
        "check": Entry(
            "agi_bridge.cli.prompts.check:check",
            "Find prompts that are missing, out of date, badly recorded or too long, and how "
            "to fix them.",
        ),
        "play": Entry(
            "agi_bridge.cli.prompts.play:play",
            "Play a prompt as callers hear it, with aplay, paplay, ffplay or SoX's play.",
        ),
        "export": Entry(
            "agi_bridge.cli.prompts.export:export",
            "Write a line's script for a studio: to read and print (HTML), and for a "
            "spreadsheet (CSV).",
        ),
        "import": Entry(
            "agi_bridge.cli.prompts.import_:import_",
            "Check recordings and copy them into the folder of recordings (speech.recordings).",
        ),
    }


prompts: Final = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="What callers hear: list it, render it with your brand, check it, record it in a studio.",
)
