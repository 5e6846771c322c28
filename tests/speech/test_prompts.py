"""The shipped prompts are what their manifest and the record of consent say they are."""

from __future__ import annotations

import hashlib
import json
import wave
from pathlib import Path

import pytest

from agi_bridge.speech import (
    DIGIT_PROMPTS,
    OPT_OUT_PROMPTS,
    PROMPTS,
    REQUIRED_PROMPTS,
    SHIPPED,
    Library,
    MissingPrompt,
    menu_key,
)
from agi_bridge.speech.audio import active_level, read_samples

LANGUAGES = ("en", "es", "fr")
EVERY = [(language, name) for language in LANGUAGES for name in PROMPTS] + [
    ("en", name) for name in DIGIT_PROMPTS
]


@pytest.fixture(scope="module")
def library() -> Library:
    return Library(cache=Path("/nonexistent"))


@pytest.mark.parametrize(("language", "name"), EVERY)
def test_each_prompt_has_the_samples_and_hashes_that_are_recorded(
    library: Library, name: str, language: str
) -> None:
    recording = library.prompt(name, language)
    file = SHIPPED / language / f"{name}.wav"
    with wave.open(str(file)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 8000)
        assert sound.getnframes() == recording.samples
        assert len(sound.readframes(recording.samples)) == 2 * recording.samples
    entry = json.loads((SHIPPED / "manifest.json").read_text(encoding="utf-8"))[language][name]
    assert recording.samples == entry["samples"]
    assert recording.sha256 == entry["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert recording.text_sha256 == hashlib.sha256(recording.text.encode()).hexdigest()
    assert recording.path == str(file).removesuffix(".wav")
    assert recording.seconds == recording.samples / 8000


def test_nothing_else_is_shipped() -> None:
    assert {(file.parent.name, file.stem) for file in SHIPPED.glob("*/*")} == set(EVERY)
    assert len(list(SHIPPED.glob("*/*"))) == len(EVERY) == 82


@pytest.mark.parametrize("name", DIGIT_PROMPTS)
def test_each_english_digit_is_short_and_as_loud_as_speech(library: Library, name: str) -> None:
    recording = library.prompt(name, "en")
    samples, _ = read_samples(recording.wav)
    assert 0.25 <= recording.seconds <= 0.8
    assert active_level(samples) == pytest.approx(-20, abs=1.5)
    assert abs(samples).max() <= 10 ** (-1 / 20)


@pytest.mark.parametrize("language", ["es", "fr"])
def test_no_digit_is_shipped_where_not_all_of_them_are_understood(
    library: Library, language: str
) -> None:
    assert not any(library.has(name, language) for name in DIGIT_PROMPTS)


def test_every_language_shipped_is_whole(library: Library) -> None:
    assert library.languages == frozenset(LANGUAGES)
    assert set(PROMPTS) > REQUIRED_PROMPTS
    assert set(PROMPTS) - REQUIRED_PROMPTS > set(
        OPT_OUT_PROMPTS
    )  # only a line that offers it needs them


def test_a_language_of_a_country_takes_the_languages_own_prompts(library: Library) -> None:
    assert library.prompt("goodbye", "fr-CA") is library.prompt("goodbye", "fr")
    assert library.prompt("goodbye", "es_MX") is library.prompt("goodbye", "es")


@pytest.mark.parametrize("language", ["de", "", "../fr"])
def test_a_prompt_that_is_not_recorded_is_missed_by_name_and_language(
    library: Library, language: str
) -> None:
    with pytest.raises(MissingPrompt) as caught:
        library.prompt("goodbye", language)
    assert (caught.value.name, caught.value.language) == ("goodbye", language)
    assert str(caught.value) == (
        f"no recording of the prompt 'goodbye' in the language {language!r}"
    )
    assert not library.has("goodbye", language)


def test_each_language_of_the_menu_asks_for_its_own_key(library: Library) -> None:
    texts = [library.prompt("language-menu-item", language).text for language in LANGUAGES]
    assert [menu_key(text) for text in texts] == ["1", "2", "3"]


def test_the_disclosure_says_what_carriers_ask_of_it(library: Library) -> None:
    text = library.prompt("disclosure-example-store", "en").text
    for part in ("Example Store", "frequency varies", "rates may apply", "STOP", "HELP", "Terms"):
        assert part in text
