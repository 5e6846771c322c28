"""`agi-bridge check`: validates a configuration and tests whether this machine can run it."""

from __future__ import annotations

from typing import Annotated

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption
from agi_bridge.cli.common import run as run_async

__all__ = ["check"]


def check(
    config: ConfigOption = None,
    *,
    connect: Annotated[
        bool,
        typer.Option(
            "--connect",
            help="Also open and close a connection to the hook. Sends no request and no text.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Validate the configuration and test whether this machine can run it.

    Checks every setting, the secrets, the prompts of each line, the speech engines, the ledger and
    its keys, the folders and the ports. Changes nothing. Exit code 0: no faults (notes are
    advice); 1: at least one fault prevents the bridge from running as configured.
    """
    from agi_bridge.cli.check.run import run

    raise typer.Exit(run_async(run(config, connect=connect, as_json=as_json)))
