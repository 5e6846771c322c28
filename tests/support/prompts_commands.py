"""The commands as a shell meets them, and a configuration with an engine of the tests' own."""

from __future__ import annotations

import io
import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from rich.console import Console
from typer.testing import CliRunner

from agi_bridge.cli.main import app
from agi_bridge.settings import Settings
from tests.support.call_env import KEY, toml
from tests.support.command_output import CommandResult

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.cli.output import Answer

ENGINE = """
import sys, wave
output, language = sys.argv[1:]
text = sys.stdin.read()
if MUTE and MUTE in text:
    sys.exit(3)
seconds = PACE * len(text)
with wave.open(output, "wb") as sound:
    sound.setnchannels(1); sound.setsampwidth(2); sound.setframerate(16000)
    wave = b"\\x00\\x20" * 20 + b"\\x00\\xe0" * 20
    sound.writeframes(wave * int(seconds * 16000 / 40))
with open(LOG, "a", encoding="utf-8") as log:
    print(language, text, sep="\\t", file=log)
"""
"""Buzzes for as long as a person would speak, notes what it was asked, and cannot say `MUTE`."""

PACE = 0.065
"""Seconds that a letter takes."""


def shown(answer: Answer) -> str:
    """What an answer shows to people."""
    screen = io.StringIO()
    answer.show(Console(file=screen, width=200))
    return screen.getvalue()


class PromptsCli:
    """A configuration of one line called `shop`, in a folder; it can be written again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "agi-bridge.toml"
        self.recordings = folder / "recordings"
        self.log = folder / "asked"

    def configure(
        self,
        *,
        mute: str = "",
        pace: float = PACE,
        engines: bool = True,
        speech: dict[str, Any] | None = None,
        **line: Any,
    ) -> PromptsCli:
        """Write the configuration; `line` are settings of the line, `speech` of its table."""
        line = {"policy_url": "https://example.com/text", **line}
        text = toml(
            self.folder / "state",
            None,
            {"speech": {"recordings": str(self.recordings), **(speech or {})}},
            **line,
        )
        script = self.folder / "engine.py"
        head = f"LOG, MUTE, PACE = {str(self.log)!r}, {mute!r}, {pace!r}\n"
        script.write_text(head + ENGINE, encoding="utf-8")
        if engines:
            command = [sys.executable, "-I", str(script), "{output}", "{language}"]
            text += f'\n[[speech.engines]]\nkind = "command"\ncommand = {json.dumps(command)}\n'
        self.config.write_text(text, encoding="utf-8")
        return self

    @property
    def settings(self) -> Settings:
        """What the configuration says."""
        return Settings.load(self.config, {"SHOP_KEY": KEY}, prompts=False)

    @property
    def asked(self) -> list[list[str]]:
        """What the engine was asked to speak so far: language and text."""
        if not self.log.exists():
            return []
        return [line.split("\t") for line in self.log.read_text(encoding="utf-8").splitlines()]

    def __call__(self, *arguments: object, **environment: str) -> CommandResult:
        """Run `agi-bridge prompts …`."""
        result = CliRunner().invoke(
            app,
            ["prompts", *map(str, arguments), "--config", str(self.config)],
            env={"SHOP_KEY": KEY, "COLUMNS": "200", **environment},
        )
        structlog.reset_defaults()  # it logs to the runner's standard error, which is closed now
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return CommandResult(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def cli(tmp_path: Path) -> PromptsCli:
    """A line in English, its policy address set, with an engine that speaks everything."""
    return PromptsCli(tmp_path).configure()


@pytest.fixture(scope="session")
def rendered_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a shop all of whose prompts are rendered: not to be written to."""
    folder = tmp_path_factory.mktemp("rendered")
    assert PromptsCli(folder).configure()("render", "--line", "shop").status == 0
    return folder / "state"


@pytest.fixture
def rendered(cli: PromptsCli, rendered_once: Path) -> PromptsCli:
    """The shop with all its prompts rendered."""
    shutil.copytree(rendered_once, cli.folder / "state")
    return cli
