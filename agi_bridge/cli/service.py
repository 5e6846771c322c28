"""Asks the running service for a command, even if the configuration on disk is invalid."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import typer

from agi_bridge.cli.common import FAILED, MISUSED

if TYPE_CHECKING:
    from pathlib import Path


def ask_service(config: Path | None, request: str, *, seconds: float = 10.0) -> dict[str, Any]:
    """Ask the service that reads this configuration. If none answers, print why and exit.

    The exit code is 1, or 2 if the file is so broken that it does not say where the service is.

    Args:
        config: the file, as given on the command line.
        request: what to ask for.
        seconds: how long the answer may take.
    """
    from agi_bridge.config_file import find_file  # noqa: PLC0415 - keeps `--help` fast
    from agi_bridge.control_client import ControlError, ask  # noqa: PLC0415 - keeps `--help` fast
    from agi_bridge.settings import SettingsError, find_state_dir  # noqa: PLC0415 - keeps `--help` fast

    state_dir = wrong = None
    try:
        state_dir = find_state_dir(config)
    except SettingsError as error:
        wrong = error
    try:
        return ask(state_dir, request, seconds=seconds, config=find_file(config, os.environ))
    except ControlError as error:
        if wrong is not None and error.code == "not_running":
            typer.echo(f"agi-bridge: the configuration is wrong:\n{wrong}", err=True)
            raise typer.Exit(MISUSED) from None
        typer.echo(f"agi-bridge: {error}", err=True)
        raise typer.Exit(FAILED) from None
