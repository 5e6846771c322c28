"""`backup` and `restore` on the folder of a configuration."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

import pytest
import structlog

from agi_bridge.backup import sealed_keys
from tests.support.call_env import KEY
from tests.support.command_output import CommandResult
from tests.support.commands import invoke
from tests.support.consents_commands import configured

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def cheap_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passphrases that cost little to try: a real one takes 128 MB and a third of a second."""
    monkeypatch.setattr(sealed_keys, "_COST", {"n": 16, "r": 8, "p": 1})


PASSPHRASE = "correct horse battery staple"


def run(folder: Path, *arguments: object) -> CommandResult:
    """Run a command with the configuration in a folder."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        given = (*arguments, "--config", folder / "agi-bridge.toml")
        return CommandResult(*invoke(*given, SHOP_KEY=KEY, COLUMNS="200"))
    finally:  # it logs to the runner's standard error, which is closed now
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)


def passphrase(folder: Path, text: str = PASSPHRASE) -> Path:
    """A file with a passphrase."""
    path = folder / "passphrase"
    path.write_text(f"{text}\n", encoding="utf-8")
    return path


def elsewhere(folder: Path, url: str = "") -> Path:
    """A machine with the same configuration and no state."""
    folder.mkdir()
    configured(folder, {"ledger": {"url": url}} if url else None)
    return folder


def lose(folder: Path) -> None:
    """Lose everything that the service wrote."""
    shutil.rmtree(folder / "state")
