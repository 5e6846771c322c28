"""`agi-bridge health`: is the service well? For a container's HEALTHCHECK and for scripts."""

from __future__ import annotations

import typer

from agi_bridge.cli.common import FAILED, OK, ConfigOption
from agi_bridge.cli.status import ask_status


def health(config: ConfigOption = None) -> None:
    """Say in one word how the service is; the exit code is 0 for `ready` and `degraded`.

    Asks the service through its control socket: needs neither a network nor curl. With `degraded`
    callers are served, but something that all bridges share is down, such as the hook.
    """
    document = ask_status(config)
    typer.echo(document["level"])
    raise typer.Exit(FAILED if document["level"] == "not_ready" else OK)
