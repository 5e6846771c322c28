"""What the command line's modules share: exit codes, the option that names the configuration."""
# ruff: noqa: PLC0415 - `--help` need not load what a command needs

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from agi_bridge.settings import Settings

T = TypeVar("T")

OK: Final = 0
FAILED: Final = 1
"""It ran, and the answer is no: faults found, the far end not reached, cannot start."""
MISUSED: Final = 2
"""The command line or the configuration is wrong; nothing was done."""

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration. Default: $AGI_BRIDGE_CONFIG, else "
        "/etc/agi-bridge/agi-bridge.toml, else the environment alone.",
        show_default=False,
    ),
]


def load(config: Path | None, *, secrets: str = "", prompts: bool = True) -> Settings:
    """Load the configuration and set logging up; what is wrong with it is told, not raised.

    `secrets` is how the names of the secrets begin that the command needs; all of them if empty.
    Without `prompts` they may be missing.
    """
    from agi_bridge.observe import configure_logging
    from agi_bridge.settings import Settings, SettingsError

    try:
        settings = Settings.load(config, secrets=secrets, prompts=prompts)
    except SettingsError as error:
        typer.echo(f"agi-bridge: the configuration is wrong:\n{error}", err=True)
        raise typer.Exit(MISUSED) from None
    configure_logging(settings.log.level)
    return settings


def run(work: Coroutine[Any, Any, T], *, interrupted: int = FAILED) -> T:
    """Run on uvloop, which halves the cost of a call; `interrupted` is Ctrl-C's exit code."""
    import uvloop

    try:
        return uvloop.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(interrupted) from None
