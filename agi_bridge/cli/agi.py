"""`agi-bridge agi`: serves one call on standard input and output, started by Asterisk."""

from __future__ import annotations

from typing import NoReturn

import typer

from agi_bridge.cli.common import (
    MISUSED,
    ConfigOption,
    load,
    report_start_errors,
    run,
    spare_the_start,
)


def agi(config: ConfigOption = None) -> None:
    """Serve one call on standard input and output: classic AGI.

    For a dialplan that uses AGI(/path/to/agi-bridge,agi) instead of agi://. Asterisk starts a new
    process for each call. Prefer FastAGI (serve) where you can: it is faster, and it also does the
    background work that this command does not: retries, checkpoints and timed erasure.
    """
    spare_the_start()
    from agi_bridge.agi import AGIProtocolError, stdio
    from agi_bridge.app import lifecycle
    from agi_bridge.observe import background_logging

    settings = load(config)
    if not stdio.comes_from_asterisk():  # before it creates keys and a ledger
        _not_asterisk("standard input is not a pipe")
    try:
        with report_start_errors(), background_logging(settings.log.level):
            run(lifecycle.serve_stdio(settings))
    except AGIProtocolError as error:
        _not_asterisk(str(error))


def _not_asterisk(why: str) -> NoReturn:
    typer.echo(
        f"agi-bridge: {why}; Asterisk starts this command, with AGI(/path/to/agi-bridge,agi) in "
        "the dialplan; to place a call from a terminal, run `agi-bridge serve`, then "
        "`agi-bridge softphone`",
        err=True,
    )
    raise typer.Exit(MISUSED)
