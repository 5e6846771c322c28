"""Recordings as studios send them, good and bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soundfile

from agi_bridge.speech import SHIPPED, Library

if TYPE_CHECKING:
    from pathlib import Path

RATE = 8000
GOOD = 0.14
"""A tone of this height is as loud as telephone speech should be."""


def tone(
    path: Path,
    seconds: float,
    *,
    rate: int = RATE,
    height: float = GOOD,
    silence: float = 0.1,
    clipped: float | None = None,
) -> Path:
    """Write a tone between two silences; `clipped` cuts its tops off."""
    sound = height * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)
    if clipped is not None:
        sound = np.clip(sound, -clipped, clipped)
    pause = np.zeros(int(silence * rate))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.concatenate([pause, sound, pause]), rate, subtype="PCM_16")
    return path


def recording(folder: Path, name: str, text: str, language: str = "en") -> Path:
    """Write a good recording of a text, with the text beside it."""
    path = tone(folder / language / f"{name}.wav", max(0.6, len(text) / 15))
    path.with_suffix(".txt").write_text(text, encoding="utf-8")
    return path


def shipped_text(name: str, language: str = "en") -> str:
    """Return the words of a prompt of the package."""
    return Library(cache=SHIPPED / "none").prompt(name, language).text
