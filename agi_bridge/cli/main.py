"""The program `agi-bridge`: registers the commands, and turns misuse into one line of text.

Each command is a module of this package, named as the command.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from agi_bridge import __version__
from agi_bridge.cli.agi import agi
from agi_bridge.cli.check import check
from agi_bridge.cli.common import FAILED, MISUSED, OK, checked_output, die_of_interrupts
from agi_bridge.cli.consents import consents
from agi_bridge.cli.demo import demo
from agi_bridge.cli.fake_hook import fake_hook
from agi_bridge.cli.health import health
from agi_bridge.cli.init import init
from agi_bridge.cli.prompts import prompts
from agi_bridge.cli.reload import reload
from agi_bridge.cli.serve import serve
from agi_bridge.cli.softphone import softphone
from agi_bridge.cli.status import status

if TYPE_CHECKING:
    from collections.abc import Sequence

_UsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]
"""The base class of click's usage errors; typer's copy of click has no public name for it."""


class _Commands(TyperGroup):
    """The commands, which report an invalid command line in one line instead of a box of five."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - as in click
        windows_expand_args: bool = True,  # noqa: FBT001, FBT002 - as in click
        **extra: Any,  # noqa: ANN401 - as in click
    ) -> Any:  # noqa: ANN401 - as in click
        """Run a command; end the process with its exit code."""
        given = (args, prog_name, complete_var, False, windows_expand_args)
        if not standalone_mode:
            return super().main(*given, **extra)
        try:
            status = super().main(*given, **extra)
        except _UsageError as error:
            # Without a command the message is empty: the help has been printed.
            if problem := " ".join(str(error.format_message()).split()).rstrip("."):
                context = error.ctx
                command = context.command_path if context is not None else "agi-bridge"
                typer.echo(f"agi-bridge: {problem}; see {command} --help", err=True)
            sys.exit(MISUSED)
        except typer.Abort:
            typer.echo("agi-bridge: aborted", err=True)
            sys.exit(FAILED)
        sys.exit(status if isinstance(status, int) else OK)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="A FastAGI server for Asterisk. A caller keys a mobile number and agrees to a text; the "
    "bridge stores the consent, calls the Instaply hook, and its answer directs the call.",
    epilog="Exit codes: 0 success; 1 the command ran and failed, or found faults; "
    "2 the command line or the configuration is invalid.",
)
for _command in (init, serve, reload, status, health, agi, check, softphone, fake_hook, demo):
    app.command()(_command)
app.command("stand-in", hidden=True)(fake_hook)  # the name before 1.0
app.add_typer(consents, name="consents")
app.add_typer(prompts, name="prompts")


def _version(wanted: bool) -> None:  # noqa: FBT001 - called by typer
    if wanted:
        typer.echo(f"agi-bridge {__version__}")
        raise typer.Exit(OK)


@app.callback()
def _main(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    del version


def main() -> None:
    """Entry point of the console script."""
    die_of_interrupts()
    with checked_output():
        app()
