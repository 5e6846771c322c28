"""The program `agi-bridge`: names its commands, and turns misuse into one line of text.

Each command is a module of this package, named as the command.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from agi_bridge import __version__
from agi_bridge.cli.commands import CommandGroup, Entry
from agi_bridge.cli.common import FAILED, MISUSED, OK, checked_output, die_of_interrupts

if TYPE_CHECKING:
    from collections.abc import Sequence

_UsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]
"""The base class of click's usage errors; typer's copy of click has no public name for it."""

_TABLE: Final = {
    "init": Entry(
        "agi_bridge.cli.init:init",
        "Set up a first line: ask eight questions, write configuration, key and dialplan.",
    ),
    "serve": Entry("agi_bridge.cli.serve:serve", "Run the FastAGI server until it is stopped."),
    "reload": Entry(
        "agi_bridge.cli.reload:reload", "Have the running service reload its configuration."
    ),
    "status": Entry(
        "agi_bridge.cli.status:status", "Show what the running service does, and its problems."
    ),
    "health": Entry("agi_bridge.cli.health:health", "Print `ready`, `degraded` or `not_ready`."),
    "agi": Entry(
        "agi_bridge.cli.agi:agi", "Serve one call on standard input and output: classic AGI."
    ),
    "check": Entry(
        "agi_bridge.cli.check:check",
        "Validate the configuration and test whether this machine can run it.",
    ),
    "rehearse": Entry(
        "agi_bridge.cli.rehearse:rehearse",
        "Play every ending of a call with your configuration and your prompts.",
    ),
    "replay": Entry(
        "agi_bridge.cli.replay:replay",
        "Play the last calls again with your configuration, and show which would end otherwise.",
    ),
    "doctor": Entry(
        "agi_bridge.cli.doctor:doctor",
        "Ask the PBX what callers would meet, and say what is wrong and how to fix it.",
    ),
    "softphone": Entry(
        "agi_bridge.cli.softphone:softphone",
        "Call a running bridge from this terminal, without a PBX.",
    ),
    "fake-hook": Entry(
        "agi_bridge.cli.fake_hook:fake_hook",
        "Answer hook requests in place of Instaply, and print each request.",
    ),
    "demo": Entry(
        "agi_bridge.cli.demo:demo",
        "Place one real call through a real Asterisk, then keep running so that you can call in.",
    ),
    "calls": Entry(
        "agi_bridge.cli.calls:calls",
        "Show what calls did: when they came, how they ended, and one call step by step.",
    ),
    "console-password": Entry(
        "agi_bridge.cli.console_password:console_password",
        "Make the hash of a password for a person in [[console.users]].",
    ),
    "consents": Entry(
        "agi_bridge.cli.consents:consents", "Consent records: list, prove, revoke, erase."
    ),
    "push": Entry(
        "agi_bridge.cli.push:push", "Messages to other systems: what waits, try it again, drop it."
    ),
    "instaply": Entry(
        "agi_bridge.cli.instaply:instaply",
        "Instaply's side: the webhook that posts customers' messages here.",
    ),
    "backup": Entry(
        "agi_bridge.cli.backup:backup",
        "Back up the ledger, its checkpoints and its keys into one file, while calls go on.",
    ),
    "restore": Entry(
        "agi_bridge.cli.restore:restore",
        "Restore a backup into an empty place, or prove it in a temporary one.",
    ),
    "prompts": Entry(
        "agi_bridge.cli.prompts:prompts",
        "What callers hear: list it, render it with your brand, check it, record it in a studio.",
    ),
    "stand-in": Entry("agi_bridge.cli.fake_hook:fake_hook", hidden=True),  # the name before 1.0
}


class _Commands(CommandGroup):
    """The commands, which report an invalid command line in one line instead of a box of five."""

    table = _TABLE

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
    rich_markup_mode=None,
    help="A FastAGI server for Asterisk. A caller keys a mobile number and agrees to a text; the "
    "bridge stores the consent, calls the Instaply hook, and its answer directs the call.",
    epilog="Exit codes: 0 success; 1 the command ran and failed, or found faults; "
    "2 the command line or the configuration is invalid.",
)


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
