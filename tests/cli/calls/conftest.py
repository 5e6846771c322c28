"""The command `calls` for a state directory, with calls in its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from agi_bridge.cli.main import app
from agi_bridge.history.writer import HistoryWriter
from agi_bridge.settings import Settings
from tests.support.history_calls import drafted
from tests.support.settings_texts import SHOP

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

FIRST = 1_795_413_525_000


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def config(tmp_path: Path, state: Path) -> Path:
    file = tmp_path / "agi-bridge.toml"
    file.write_text(f'state_dir = "{state}"\n{SHOP}', encoding="utf-8")
    return file


@pytest.fixture
def configured(config: Path) -> Settings:
    return Settings.load(config, {}, secrets="history.", prompts=False)


@pytest.fixture
def run(config: Path) -> Callable[..., Result]:
    def run(*options: str, typed: str = "") -> Result:
        arguments = ["calls", "--config", str(config), *options]
        return CliRunner().invoke(app, arguments, input=typed, env={"COLUMNS": "80"})

    return run


@pytest.fixture
def write(state: Path) -> Callable[..., None]:
    """Write calls, one second after the other."""

    def write(*calls: dict[str, Any]) -> None:
        made = HistoryWriter(state, 7000)
        for number, call in enumerate(calls):
            made.put(drafted(**{"begun": FIRST + 1000 * number, **call}))
        assert made.close(60)
        assert made.failure is None

    return write
