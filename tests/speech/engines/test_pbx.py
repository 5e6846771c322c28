"""Speech of the PBX's own: which texts become which arguments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.speech import BadEngine, PbxEngine, PbxSpeech
from agi_bridge.speech.engines.pbx import MAX_TEXT_BYTES


def test_a_text_becomes_an_applications_argument() -> None:
    espeak = PbxEngine(["Espeak", "{text}", "", "{language}"])
    assert espeak.speech("Bonjour, monde", "fr") == PbxSpeech(
        "Espeak", ("Bonjour, monde", "", "fr"), "fr", "Bonjour, monde"
    )


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ('") (system "id") ("', "system id"),
        ("${SHELL(id)} $[1+1]", "$ SHELL id $ 1+1"),
        ("a\\b|c <d> `e`", "a b c d e"),
        ("{language} costs $5, \U0001f600", "language costs $5, \U0001f600"),
    ],
)
def test_what_would_mean_something_to_an_application_is_taken_out(text: str, spoken: str) -> None:
    speech = PbxEngine(["Festival", "{text}"]).speech(text, "en")
    assert speech is not None
    assert speech.arguments == (spoken,)
    assert speech.text == text


@pytest.mark.parametrize("text", ["", '"()"', "x" * (MAX_TEXT_BYTES + 1)])
def test_a_text_without_words_or_too_long_for_a_command_is_refused(text: str) -> None:
    assert PbxEngine(["Flite", "{text}"]).speech(text, "en") is None


@given(st.text())
def test_special_characters_are_removed_from_every_text(text: str) -> None:
    speech = PbxEngine(["Flite", "{text}"]).speech(text, "en")
    if speech is not None:
        assert not set('"\\{}[]()') & set(speech.arguments[0])


def test_it_may_serve_some_languages_only() -> None:
    flite = PbxEngine(["Flite", "{text}"], ["en"])
    assert flite.serves("en")
    assert not flite.serves("fr")
    assert flite.name == "flite"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], "name of an application"),
        (["/bin/sh", "{text}"], "name of an application"),
        (["Flite"], "must contain {text} once"),
        (["Flite", "{text}{text}"], "must contain {text} once"),
    ],
)
def test_a_command_that_could_not_work_is_refused(command: list[str], words: str) -> None:
    with pytest.raises(BadEngine, match=words) as caught:
        PbxEngine(command)
    assert caught.value.field == "command"


@pytest.mark.parametrize("application", ["System", "TRYSYSTEM", "ExecIf", "AGI", "MixMonitor"])
def test_an_application_that_runs_programs_is_refused(application: str) -> None:
    with pytest.raises(BadEngine, match="speech application"):
        PbxEngine([application, "{text}"])
