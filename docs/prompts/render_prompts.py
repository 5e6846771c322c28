# ruff: noqa: INP001, T201  # a script, in no package; prints its progress
"""Render the prompts that the package ships with Kokoro-82M, offline and reproducibly.

    pip install --no-deps --only-binary :all: --require-hashes -r requirements-engines.txt
    python render_prompts.py --model kokoro-v1.0.int8.onnx --voices FOLDER --vocab vocab.json \
        [--out FOLDER] [--only fr/goodbye ...]

The texts are those of agi_bridge/speech/texts, exactly as they are spoken and kept in the record of
consent. Every text is rendered sentence by sentence: pauses are under control.

    text -> sentences -> agi_bridge.speech.engines.kokoro, 24 kHz -> joined with SENTENCE_PAUSE of
         silence -> soxr VHQ -> OUT/LANGUAGE/NAME.wav, 8 kHz mono 16 bit (Asterisk's "wav")

OUT/manifest.json records, for each prompt, the text, its length in samples and the SHA-256 of text
and file, as agi_bridge/speech/prompts holds them; the README.md there says where the model and the
voices come from. The same inputs, package versions and processor give the same bytes: the model
draws no random numbers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import wave
from pathlib import Path

import numpy as np
import soxr

from agi_bridge.speech import DIGIT_PROMPTS, PROMPTS, Script
from agi_bridge.speech.engines.kokoro import RATE as MODEL_RATE
from agi_bridge.speech.engines.kokoro import VOICES, KokoroModel

RATE = 8_000
LEVELLED_RATES = (8_000, 16_000)  # the peak limit holds at both, so a 16 kHz set has the same level
SENTENCE_PAUSE = 0.25  # seconds of silence between two sentences
EDGE = 0.03  # of which the model keeps this much at each end of a sentence
ENDS = 0.05  # seconds of silence added at both ends of a prompt
PEAK_DBFS = -1.0  # no sample of any file may exceed this

# Speaking rate of a prompt where it is not its language's; found by transcription.
SPEED = {"fr/you-entered": 1.0} | {f"en/{name}": 0.95 for name in DIGIT_PROMPTS}

# Languages whose digits are understood when strings of ten are made of them; docs/speech.md tells
# what was tried for the others.
DIGIT_LANGUAGES = {"en"}

# Prompts that digits follow: the voice must not fall at their end (the French is clearer if so).
HANGING = {
    "en/you-entered",
    "es/you-entered",
    "en/caller-id-offer",
    "es/caller-id-offer",
    "fr/caller-id-offer",
    "en/opt-out-offer",
    "es/opt-out-offer",
    "fr/opt-out-offer",
}


def sentences(text: str, end: str) -> list[str]:
    """Split at sentence ends; a text without its full stop gets `end`: the voice falls or hangs."""
    parts = re.split(r"(?<=[.!?])\s+", text.strip())
    if parts[-1][-1].isalnum():
        parts[-1] += end
    return parts


def render(model: KokoroModel, name: str, text: str, lang: str) -> np.ndarray:
    """One prompt as samples at RATE."""
    key = f"{lang}/{name}"
    pause = np.zeros(int((SENTENCE_PAUSE - 2 * EDGE) * MODEL_RATE))
    ends = np.zeros(int(ENDS * MODEL_RATE))
    pieces = [ends]
    for sentence in sentences(text, "," if key in HANGING else "."):
        unknown = sorted(set(model.phonemes(sentence, lang)) - set(model.vocabulary))
        if unknown:
            print(f"warning: {lang}: no symbol for {unknown} in {sentence!r}", file=sys.stderr)
        pieces += [model.say(sentence, lang, SPEED.get(key)), pause]
    whole = np.concatenate([*pieces[:-1], ends])
    narrow = {rate: soxr.resample(whole, MODEL_RATE, rate, "VHQ") for rate in LEVELLED_RATES}
    peak = max(float(np.abs(x).max()) for x in narrow.values())
    levelled: np.ndarray = narrow[RATE] * min(1.0, 10 ** (PEAK_DBFS / 20) / peak)
    return levelled


def write_wav(path: Path, audio: np.ndarray) -> str:
    """Write 16-bit mono PCM and return the file's SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(np.rint(audio * 32767).astype("<i2").tobytes())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Render what the command line asks for."""
    here = Path(__file__).parent
    cli = argparse.ArgumentParser(description="Render telephone prompts with Kokoro-82M.")
    cli.add_argument("--model", type=Path, required=True, help="Kokoro-82M ONNX file")
    cli.add_argument("--voices", type=Path, required=True, help="folder of the voices' .bin files")
    cli.add_argument("--vocab", type=Path, required=True, help="vocab.json of the model")
    cli.add_argument("--out", type=Path, default=here)
    cli.add_argument(
        "--only", nargs="*", help="a language (fr), a name (goodbye) or both (fr/goodbye)"
    )
    args = cli.parse_args()
    model = KokoroModel([args.model], args.vocab, args.voices, VOICES)
    manifest_path = args.out / "manifest.json"
    manifest = (
        json.loads(manifest_path.read_text(encoding="utf-8")) if manifest_path.exists() else {}
    )
    script = Script()
    for lang in VOICES:
        for name in (*PROMPTS, *(DIGIT_PROMPTS if lang in DIGIT_LANGUAGES else ())):
            if args.only and not {lang, name, f"{lang}/{name}"} & set(args.only):
                continue
            text = script.shipped(name, lang)
            audio = render(model, name, text, lang)
            manifest.setdefault(lang, {})[name] = {
                "text": text,
                "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
                "samples": len(audio),
                "sha256": write_wav(args.out / lang / f"{name}.wav", audio),
            }
            print(f"{lang} {name}: {len(audio) / RATE:.2f} s", flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    manifest_path.write_text(
        json.dumps(manifest, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
