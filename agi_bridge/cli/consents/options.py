"""The options that several `consents` commands share, and the configuration that they load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agi_bridge.cli.common import load

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.settings import Settings

RevealOption = Annotated[
    bool,
    typer.Option("--reveal", help="Show numbers and words in full. The ledger records who did so."),
]
RecordArgument = Annotated[
    str,
    typer.Argument(
        help="The id of a consent, a revocation or a message, or its first digits.", metavar="ID"
    ),
]
NumberOption = Annotated[
    str | None, typer.Option("--number", help="A mobile number.", metavar="NUMBER")
]
ConsentOption = Annotated[
    str | None,
    typer.Option("--consent", help="One record: its id or its first digits.", metavar="ID"),
]
LineOption = Annotated[
    str | None,
    typer.Option("--line", help="A line, by name or by a number that callers dial."),
]


def load_settings(config: Path | None) -> Settings:
    """Load the configuration with the secrets of the ledger only.

    These commands do not call the hook or play prompts, so those secrets and recordings may be
    missing.
    """
    return load(config, secrets="ledger.", prompts=False)
