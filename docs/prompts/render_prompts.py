# ruff: noqa: INP001, RUF001, T201  # a script, in no package; phonetic letters; prints its progress
"""Render the telephone prompts of texts.json with Kokoro-82M, offline and reproducibly.

    pip install "piper-tts==1.8.0" "onnxruntime==1.32.0" "numpy==2.5.5" "soxr==1.1.0"
    python render_prompts.py --model kokoro-v1.0.int8.onnx --voices FOLDER --vocab vocab.json \
        [--texts texts.json] [--out FOLDER] [--only fr/goodbye ...]

texts.json maps language -> prompt name -> text, exactly as the prompt is to be spoken and kept in
the record of consent. Every text is rendered sentence by sentence: pauses are under control.

    text -> spoken spelling (SPOKEN) -> espeak phonemes (piper's bridge) -> Kokoro's alphabet
         -> Kokoro, 24 kHz -> trimmed -> levelled -> joined with SENTENCE_PAUSE of silence
         -> soxr VHQ -> OUT/LANGUAGE/NAME.wav, 8 kHz mono 16 bit (Asterisk's "wav")

OUT/manifest.json records, for each prompt, the text, its length in samples and the SHA-256 of text
and file, as agi_bridge/speech/prompts holds them; the README.md there says where the model and the
voices come from. A further language needs an entry in VOICES and SPEED, and its voice file. The
same inputs, package versions and processor give the same bytes: the model draws no random numbers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import unicodedata
import wave
from pathlib import Path

import numpy as np
import onnxruntime as ort
import soxr
from piper.phonemize_espeak import EspeakPhonemizer

MODEL_RATE = 24_000
RATE = 8_000
LEVELLED_RATES = (8_000, 16_000)  # the peak limit holds at both, so a 16 kHz set has the same level
SENTENCE_PAUSE = 0.25  # seconds of silence between two sentences
EDGE = 0.03  # seconds kept before and after the speech of a sentence
ENDS = 0.05  # seconds of silence added at both ends of a prompt
SILENCE = 0.01  # amplitude below which a sample counts as silence when trimming
LEVEL_DBOV = -20.0  # active speech level
PEAK_DBFS = -1.0  # no sample of any file may exceed this

# language -> (espeak voice, Kokoro voice). es-419 is Latin American: "gracias" with s.
VOICES = {"en": ("en-us", "af_heart"), "es": ("es-419", "ef_dora"), "fr": ("fr", "ff_siwis")}

# Speaking rate of a language or of one of its prompts; found by transcription over a telephone.
SPEED = {"en": 0.92, "es": 0.95, "fr": 0.96, "fr/you-entered": 1.0}

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

# Written form -> spelling that makes the engine say it properly (whole words, case-sensitive).
SPOKEN: dict[str, dict[str, str]] = {
    "en": {},
    "es": {"STOP": "STOP,", "HELP": "jelp,", "Términos y": "Términos, y"},
    "fr": {
        "STOP": "stoppe,", "ou AIDE": "ou, aide,", "sur 3": "sur, 3",
        "Conditions et": "Condition et",
        "Saisissez": "Sésissez", "saisissez": "sésissez", "saisi": "sési",
    },
}  # fmt: skip

# espeak's IPA -> the alphabet Kokoro was trained on (misaki's tables), longest first.
AFFRICATES = [("dʒ", "ʤ"), ("tʃ", "ʧ")]
TO_KOKORO = {
    "en": [
        ("ʔn", "tn"), ("ɜːɹ", "ɜɹ"), ("aɪ", "I"), ("aʊ", "W"), ("eɪ", "A"), ("oʊ", "O"),
        ("ɔɪ", "Y"),
        ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ɚ", "əɹ"), ("ʲ", ""), ("ʔ", "t"), ("ɐ", "ə"),
        ("ː", ""), *AFFRICATES,
    ],
    "es": [("ʲ", ""), *AFFRICATES],  # espeak's glide turns "varía" into "varilla"
    "fr": [("yij", "ɥij"), *AFFRICATES],  # "appuyez"
}  # fmt: skip


class Speaker:
    """Kokoro and espeak, loaded once."""

    def __init__(self, model: Path, voices: Path, vocab: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = (
            1  # keeps the order of float additions, hence the bytes, fixed
        )
        self.session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self.vocab: dict[str, int] = json.loads(vocab.read_text(encoding="utf-8"))["vocab"]
        self.voices = voices
        self.espeak = EspeakPhonemizer()

    def phonemes(self, sentence: str, lang: str) -> str:
        """Kokoro phonemes of one sentence."""
        spoken = sentence.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        for written, said in SPOKEN.get(lang, {}).items():
            spoken = re.sub(rf"(?<!\w){re.escape(written)}(?!\w)", said, spoken)
        ipa = " ".join("".join(part) for part in self.espeak.phonemize(VOICES[lang][0], spoken))
        ipa = re.sub(
            r"\([a-z-]+\)", "", unicodedata.normalize("NFC", ipa)
        )  # espeak's language switches
        for old, new in TO_KOKORO.get(lang, []):
            ipa = ipa.replace(old, new)
        return ipa.replace("-", "").replace("\u0329", "")

    def say(self, sentence: str, lang: str, speed: float) -> np.ndarray:
        """One sentence as levelled 24 kHz samples with EDGE of silence at both ends."""
        phonemes = self.phonemes(sentence, lang)
        unknown = sorted({c for c in phonemes if c not in self.vocab})
        if unknown:
            print(f"warning: {lang}: no symbol for {unknown} in {sentence!r}", file=sys.stderr)
        tokens = [self.vocab[c] for c in phonemes if c in self.vocab]
        style = np.fromfile(self.voices / f"{VOICES[lang][1]}.bin", dtype="<f4").reshape(-1, 1, 256)
        if not 0 < len(tokens) <= len(style):
            raise SystemExit(f"{lang}: sentence is empty or too long for the model: {sentence!r}")
        feed = {"tokens": np.array([[0, *tokens, 0]], np.int64), "style": style[len(tokens) - 1]}
        feed["speed"] = np.array([speed], np.float32)
        audio = np.asarray(self.session.run(None, feed)[0], np.float64).ravel()
        loud = np.flatnonzero(np.abs(audio) > SILENCE)
        edge = int(EDGE * MODEL_RATE)
        audio = audio[max(0, loud[0] - edge) : loud[-1] + edge].copy()
        fade = np.linspace(0.0, 1.0, edge // 2)
        audio[: len(fade)] *= fade
        audio[-len(fade) :] *= fade[::-1]
        return audio * 10 ** ((LEVEL_DBOV - active_level(audio, MODEL_RATE)) / 20)


def active_level(audio: np.ndarray, rate: int) -> float:
    """RMS in dBov of the 20 ms frames that lie within 25 dB of the loudest one."""
    size = rate // 50
    frames = audio[: len(audio) // size * size].reshape(-1, size)
    power = np.mean(frames**2, axis=1)
    return float(10 * np.log10(np.mean(power[power > power.max() / 10**2.5])))


def sentences(text: str, end: str) -> list[str]:
    """Split at sentence ends; a text without its full stop gets `end`: the voice falls or hangs."""
    parts = re.split(r"(?<=[.!?])\s+", text.strip())
    if parts[-1][-1].isalnum():
        parts[-1] += end
    return parts


def render(speaker: Speaker, name: str, text: str, lang: str) -> np.ndarray:
    """One prompt as samples at RATE."""
    key = f"{lang}/{name}"
    speed = SPEED.get(key, SPEED[lang])
    pause = np.zeros(int((SENTENCE_PAUSE - 2 * EDGE) * MODEL_RATE))
    ends = np.zeros(int(ENDS * MODEL_RATE))
    pieces = [ends]
    for sentence in sentences(text, "," if key in HANGING else "."):
        pieces += [speaker.say(sentence, lang, speed), pause]
    whole = np.concatenate([*pieces[:-1], ends])
    narrow = {rate: soxr.resample(whole, MODEL_RATE, rate, "VHQ") for rate in LEVELLED_RATES}
    peak = max(float(np.abs(x).max()) for x in narrow.values())
    return narrow[RATE] * min(1.0, 10 ** (PEAK_DBFS / 20) / peak)


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
    cli.add_argument("--texts", type=Path, default=here / "texts.json")
    cli.add_argument("--out", type=Path, default=here)
    cli.add_argument(
        "--only", nargs="*", help="a language (fr), a name (goodbye) or both (fr/goodbye)"
    )
    args = cli.parse_args()
    speaker = Speaker(args.model, args.voices, args.vocab)
    manifest_path = args.out / "manifest.json"
    manifest = (
        json.loads(manifest_path.read_text(encoding="utf-8")) if manifest_path.exists() else {}
    )
    for lang, prompts in json.loads(args.texts.read_text(encoding="utf-8")).items():
        for name, text in prompts.items():
            if args.only and not {lang, name, f"{lang}/{name}"} & set(args.only):
                continue
            audio = render(speaker, name, text, lang)
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
