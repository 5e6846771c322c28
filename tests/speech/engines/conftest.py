"""Stand-ins for models, installed where both this process and a worker find them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.support import speech_packages

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install the stand-ins; gives the folder that holds them."""
    site = tmp_path / "site"
    (site / "piper").mkdir(parents=True)
    (site / "piper" / "__init__.py").write_text(speech_packages.PIPER, encoding="utf-8")
    (site / "piper" / "phonemize_espeak.py").write_text(speech_packages.ESPEAK, encoding="utf-8")
    (site / "onnxruntime.py").write_text(speech_packages.RUNTIME, encoding="utf-8")
    for name in ("piper", "piper.phonemize_espeak", "onnxruntime"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(site)
    return site
