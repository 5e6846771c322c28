"""`agi-bridge softphone`: calls a running bridge from the terminal, without a PBX."""

from __future__ import annotations

from typing import Annotated

import typer

from agi_bridge.cli.common import MISUSED, run


def softphone(
    to: Annotated[
        str,
        typer.Argument(
            help="The number to call: one of a line's `did`. Without it, the call has no called "
            "number and `fallback_line` takes it.",
            metavar="NUMBER",
        ),
    ] = "",
    *,
    bridge: Annotated[
        str, typer.Option(help="The bridge's AGI URL.", metavar="URL")
    ] = "agi://127.0.0.1:4573/consent",
    keys: Annotated[
        str | None,
        typer.Option(
            help="Press these keys instead of reading the keyboard: groups separated by commas, "
            "one for each request, like 4155550123,1. An empty group is silence; ! hangs up.",
            metavar="KEYS",
        ),
    ] = None,
    caller_id: Annotated[
        str, typer.Option("--from", help="The caller's own number.", metavar="NUMBER")
    ] = "+14155550100",
    dial: Annotated[
        str, typer.Option(help="How a dialled call ends: a DIALSTATUS.", metavar="STATUS")
    ] = "ANSWER",
    fast: Annotated[
        bool, typer.Option("--fast", help="Do not wait in real time (requires --keys).")
    ] = False,
) -> None:
    """Call a running bridge from this terminal, without a PBX.

    Simulates the PBX. Each prompt is printed as text with its length; your keys are sent as DTMF.
    q or Ctrl-C hangs up. Exit code 0: the bridge completed the call; 1: it could not be reached,
    refused the call or ended it early.
    """
    from agi_bridge.lab import SoftphoneUsageError
    from agi_bridge.lab.softphone import run_softphone

    pace = 0.0 if fast else 1.0
    try:
        status = run(
            run_softphone(bridge, to=to, keys=keys, caller_id=caller_id, dial=dial, pace=pace)
        )
    except SoftphoneUsageError as error:
        typer.echo(f"agi-bridge: {error}", err=True)
        raise typer.Exit(MISUSED) from None
    raise typer.Exit(status)
