"""`agi-bridge init` with answers to all that has no default, in a folder of its own."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from agi_bridge.settings import Settings
from tests.support.commands import invoke

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KEY = "a73d5034210f702515128ac61193cd21"
DID = "+14155550111"


class Init:
    """The command in its own folder."""

    def __init__(self, folder: Path, port: str, key_file: Path) -> None:
        self.folder = folder
        self.config = folder / "agi-bridge.toml"
        self.flags = {
            "--did": DID,
            "--brand": "Example Store",
            "--hook-key-file": str(key_file),
            "--default": "PJSIP/100",
            "--port": port,
            "--dir": str(folder),
            "--asterisk-dir": str(folder / "asterisk"),
        }

    def arguments(self, *more: str, without: Sequence[str] = (), **flags: str) -> list[str]:
        given = {**self.flags, **{f"--{name.replace('_', '-')}": v for name, v in flags.items()}}
        pairs = ((name, value) for name, value in given.items() if name not in without)
        return ["init", *(word for pair in pairs for word in pair), *more]

    def __call__(
        self, *more: str, without: Sequence[str] = (), **flags: str
    ) -> tuple[int, str, str]:
        return invoke(*self.arguments(*more, without=without, **flags))

    def settings(self) -> Settings:
        return Settings.load(self.config, {})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
