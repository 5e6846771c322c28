"""The commands as a shell meets them: exit status, standard output, standard error."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import structlog
from typer.testing import CliRunner

from agi_bridge.cli.main import app
from tests.support.call_env import KEY, toml
from tests.support.command_output import CommandResult

if TYPE_CHECKING:
    from pathlib import Path


class Shell:
    """Runs `agi-bridge consents …` with one configuration."""

    def __init__(self, config: Path) -> None:
        self.config = config

    def __call__(self, *arguments: object, typed: str = "") -> CommandResult:
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        try:
            result = CliRunner().invoke(
                app,
                ["consents", *map(str, arguments), "--config", str(self.config)],
                input=typed,
                env={"SHOP_KEY": KEY, "COLUMNS": "200"},
            )
        finally:  # it logs to the runner's standard error, which is closed now
            structlog.reset_defaults()
            root.handlers[:] = handlers
            root.setLevel(level)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return CommandResult(result.exit_code, result.stdout, result.stderr)


def configured(folder: Path, tables: dict[str, dict[str, Any]] | None = None, **line: Any) -> Shell:
    """A shell for a configuration of one line called `shop`, its state in `folder/state`."""
    config = folder / "agi-bridge.toml"
    config.write_text(toml(folder / "state", None, tables, **line), encoding="utf-8")
    return Shell(config)
