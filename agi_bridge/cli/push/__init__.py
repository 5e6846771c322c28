"""The commands `agi-bridge push …`: messages to other systems that wait in the outbox."""

from __future__ import annotations

from typing import Final

import typer

from agi_bridge.cli.commands import CommandGroup, Entry


class _Commands(CommandGroup):
    table = {  # noqa: RUF012 - never changed
        "list": Entry(
            "agi_bridge.cli.push.list_:command",
            "List the messages that wait, oldest first, and why those that failed did.",
        ),
        "retry": Entry(
            "agi_bridge.cli.push.change:retry",
            "Try messages again at once, also those to an endpoint that was gone.",
        ),
        "drop": Entry(
            "agi_bridge.cli.push.change:drop",
            "Delete messages that nobody is to get any more.",
        ),
    }


push: Final = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Messages to other systems: what waits, try it again, drop it.",
)
