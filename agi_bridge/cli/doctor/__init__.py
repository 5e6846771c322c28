"""`agi-bridge doctor`: asks the PBX, places a test call, says what is wrong and how to fix it."""

from __future__ import annotations

from typing import Annotated

import typer

from agi_bridge.cli.common import MISUSED, ConfigOption, JsonOption

__all__ = ["doctor"]

MOST_CALLS = 500


def doctor(
    config: ConfigOption = None,
    *,
    call: Annotated[
        str,
        typer.Option(
            "--call",
            metavar="DID@CONTEXT",
            help="Place a test call: to a line's number, in the context that your trunk's calls "
            "enter. It ends in the doctor's own ear: no consent, no text, no telephone rings.",
        ),
    ] = "",
    listen: Annotated[
        str,
        typer.Option(
            "--listen",
            metavar="ADDRESS[:PORT]",
            help="Where the ear listens, if the PBX is another machine: an address of this machine "
            "that the PBX reaches. A token that holds once lets the call in.",
        ),
    ] = "",
    load: Annotated[
        int | None,
        typer.Option(
            "--load",
            min=1,
            max=MOST_CALLS,
            metavar="N",
            help="With --call: N test calls at once; says how many the PBX carried.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the PBX what callers would meet, and say what is wrong and how to fix it.

    Looks at this machine as `check` does, at the PBX through its manager interface ([ami]), and
    with --call at a whole call. Changes nothing. Exit codes: 0 no fault, and the call was placed if
    asked for; 1 at least one fault, or no call; 2 the command line or the configuration is wrong.
    """
    from agi_bridge.cli.common import UsageError
    from agi_bridge.cli.doctor.run import parse_trial, run

    try:
        run(config, parse_trial(call, listen, load or 0), as_json=as_json)
    except UsageError as error:
        typer.echo(f"agi-bridge: {error}", err=True)
        raise typer.Exit(MISUSED) from None
