"""The commands `agi-bridge instaply …`. Each module of this package is one command."""

from __future__ import annotations

from typing import Final

import typer

from agi_bridge.cli.commands import CommandGroup, Entry


class _Commands(CommandGroup):
    table = {  # noqa: RUF012 - never changed
        "connect": Entry(
            "agi_bridge.cli.instaply.connect:command",
            "Have Instaply post customers' messages to this bridge.",
        ),
    }


instaply: Final = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Instaply's side: the webhook that posts customers' messages here.",
)
