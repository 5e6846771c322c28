"""Groups of commands, each of which is imported only when it is run or asked for help.

`agi-bridge health` runs every ten seconds in a container. With all commands imported it, and every
`--help`, took half a second of processor time.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Entry:
    """A command, by where it is.

    Attributes:
        place: `module:name` of a function or of a `typer.Typer`.
        help: its line in the list of commands; the first sentence of its own help.
        hidden: whether it is left out of that list, as a former name is.
    """

    place: str
    help: str = ""
    hidden: bool = False


class CommandGroup(TyperGroup):
    """A group that imports its commands one by one.

    What cannot be imported raises as it would at the top of a module.
    """

    table: ClassVar[Mapping[str, Entry]] = {}
    """The commands by name, in the order of the list."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - typer's click has no public type
        """Return the names of all commands."""
        del ctx
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - as above
        """Import a command; None if there is none of this name."""
        del ctx
        if cmd_name not in self.commands and cmd_name in self.table:
            self.add_command(_imported(cmd_name, self.table[cmd_name].place), cmd_name)
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - as above
        """Find the command; the base class suggests names from those that it knows."""
        if self.get_command(ctx, args[0]) is None:
            for name in self.table:
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as above
        """Write the list of commands, without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(n, e.help) for n, e in self.table.items() if not e.hidden])


def _imported(name: str, place: str) -> Any:  # noqa: ANN401 - as above
    module, _, attribute = place.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return get_group(found)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name)(found)
    return get_command(app)
