"""A scripted PBX on which all is well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.scripted_pbx import ScriptedPbx

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The PBX's recordings, complete in English."""
    folder = tmp_path / "data"
    names = ["vm-nobodyavail", "vm-goodbye", *(f"digits/{digit}" for digit in range(10))]
    for name in names:
        sound = folder / "sounds" / "en" / f"{name}.wav"
        sound.parent.mkdir(parents=True, exist_ok=True)
        sound.touch()
    return folder


@pytest.fixture
def pbx(data: Path) -> ScriptedPbx:
    made = ScriptedPbx()
    made.files["asterisk.conf"]["directories"] = [("astdatadir", str(data))]
    return made
