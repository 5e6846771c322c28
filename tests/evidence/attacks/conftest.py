"""An export of one person's records, to attack."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def export(honest_export: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(honest_export, tmp_path / "export"))
