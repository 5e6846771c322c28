"""The commands `agi-bridge prompts …`. Each module of this package is one command."""

from __future__ import annotations

from typing import Final

import typer

from agi_bridge.cli.prompts import check, export, import_, list_, play, render

prompts: Final = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="What callers hear: list it, render it with your brand, check it, record it in a studio.",
)

prompts.command("list")(list_.list_prompts)
prompts.command("render")(render.render)
prompts.command("check")(check.check)
prompts.command("play")(play.play)
prompts.command("export")(export.export)
prompts.command("import")(import_.import_)
