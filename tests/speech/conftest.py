"""Engines made of small Python programs, and sounds to feed them."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from agi_bridge.speech import CommandEngine
from tests.support.speech_programs import SPEAK, Lifeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


@pytest.fixture
def engine(tmp_path: Path) -> Callable[..., CommandEngine]:
    """Make an engine of a Python program; `LOG` in it is a file that tests can read."""

    def made(
        program: str = SPEAK, *arguments: str, max_output_bytes: int = 1 << 20
    ) -> CommandEngine:
        script = tmp_path / "engine.py"
        script.write_text(f"LOG = {str(tmp_path / 'log')!r}\n{program}", encoding="utf-8")
        given = arguments or ("{output}", "{language}")
        return CommandEngine(
            [sys.executable, "-I", str(script), *given], max_output_bytes=max_output_bytes
        )

    return made


@pytest.fixture
def lifeline(tmp_path: Path) -> Lifeline:
    """What `HANG` and `LEAVE` hold."""
    return Lifeline(tmp_path / "log")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up on every engine but the last after a moment; the last has all the time it needs."""

    def share(end: float, later: Sequence[object]) -> float:
        return asyncio.get_running_loop().time() + 0.1 if later else end

    monkeypatch.setattr("agi_bridge.speech.rendering._share", share)


@pytest.fixture
def tone(tmp_path: Path) -> Callable[..., Path]:
    """Write a sound file: a tone between two stretches of silence."""

    def written(
        *,
        rate: int = 8000,
        channels: int = 1,
        level: float = 0.05,
        seconds: float = 1.0,
        silence: float = 0.5,
        subtype: str = "PCM_16",
    ) -> Path:
        pause = np.zeros(int(silence * rate))
        sound = level * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)
        path = tmp_path / "tone.wav"
        samples = np.concatenate([pause, sound, pause])
        soundfile.write(path, np.stack([samples] * channels, axis=1), rate, subtype=subtype)
        return path

    return written
