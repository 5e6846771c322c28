"""The options that the `push` commands share, and the configuration that they load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agi_bridge.cli.common import load

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.settings import Settings

EndpointOption = Annotated[
    str | None, typer.Option("--endpoint", help="A receiver, by its name in [[push]].")
]


def load_settings(config: Path | None) -> Settings:
    """Load the configuration with the secrets of the ledger only: nothing is sent from here."""
    return load(config, secrets="ledger.", prompts=False)
