"""`agi-bridge health`: prints the service's level, for a container's HEALTHCHECK and scripts."""

from __future__ import annotations

import typer

from agi_bridge.cli.common import FAILED, OK, ConfigOption
from agi_bridge.cli.service import ask_service


def health(config: ConfigOption = None) -> None:
    """Print `ready`, `degraded` or `not_ready`. The exit code is 0 for `ready` and `degraded`.

    Asks the service through its control socket, without a network or curl. `degraded` means that
    calls are served, but some callers get no text, for example because the hook is down.
    """
    document = ask_service(config, "status")
    typer.echo(document["level"])
    raise typer.Exit(FAILED if document["level"] == "not_ready" else OK)
