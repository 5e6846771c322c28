"""The commands `agi-bridge consents …`. Each module of this package is one command."""

from __future__ import annotations

from typing import Final

import typer

from agi_bridge.cli.consents import (
    checkpoint,
    erase,
    export,
    list_,
    optin_page,
    rekey,
    resolve,
    retain,
    revoke,
    show,
    upgrade,
    verify,
)

consents: Final = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Consent records: list, prove, revoke, erase. Numbers are masked unless you pass "
    "--reveal, which is itself recorded.",
)
consents.command("list")(list_.command)
consents.command("show")(show.command)
consents.command("verify")(verify.command)
consents.command("export")(export.command)
consents.command("revoke")(revoke.command)
consents.command("resolve")(resolve.command)
consents.command("erase")(erase.command)
consents.command("retain")(retain.command)
consents.command("checkpoint")(checkpoint.command)
consents.command("rekey")(rekey.command)
consents.command("upgrade")(upgrade.command)
consents.command("optin-page")(optin_page.command)
consents.command("workflow", hidden=True)(optin_page.command)  # its name before 0.2
