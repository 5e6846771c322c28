"""Piper's voices: found as files or packages, loaded in the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.speech import BadEngine
from agi_bridge.speech.engines import piper_engine
from agi_bridge.speech.engines.piper import PiperModel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def voice(installed: Path) -> Path:
    package = installed / "joe_voice" / "data"
    package.mkdir(parents=True)
    (package / "joe.onnx").write_bytes(b"model")
    (package / "joe.onnx.json").write_bytes(b"{}")
    return package / "joe.onnx"


@pytest.mark.programs
async def test_a_voice_is_a_file_or_a_package_that_holds_one(voice: Path, tmp_path: Path) -> None:
    engine = piper_engine({"en": "joe-voice", "fr": str(voice)})
    assert engine.languages == {"en", "fr"}
    await engine.render("Hello.", "fr", tmp_path / "out.wav")
    await engine.close()
    assert "Hello.".encode("utf-16-le") in (tmp_path / "out.wav").read_bytes()


def test_the_model_joins_what_piper_gives_piecewise(voice: Path) -> None:
    assert PiperModel({"en": str(voice)}).speak("hi", "en") == (22050, b"h\0i\0")


def test_another_voice_sounds_different(voice: Path) -> None:
    first = piper_engine({"en": str(voice)}).identity
    voice.write_bytes(b"another")
    assert piper_engine({"en": str(voice)}).identity != first


def test_voices_that_are_not_there_are_refused(voice: Path) -> None:
    for voices, words in [
        ({}, "is empty"),
        ({"en": "/nowhere/joe.onnx"}, "names /nowhere/joe.onnx, which does not exist"),
        ({"en": "jim-voice"}, "needs the package jim-voice, or a file's path"),
    ]:
        with pytest.raises(BadEngine, match=words) as caught:
            piper_engine(voices)
        assert caught.value.field == "voices"
    voice.with_name("joe.onnx.json").unlink()
    with pytest.raises(BadEngine, match=r"joe\.onnx\.json"):
        piper_engine({"en": str(voice)})


def test_a_package_with_several_voices_is_refused(voice: Path) -> None:
    voice.with_name("jim.onnx").touch()
    with pytest.raises(BadEngine, match="with 2 voices"):
        piper_engine({"en": "joe-voice"})


def test_without_piper_the_extra_is_named(voice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agi_bridge.speech.engines.model_client.find_spec", lambda _name: None)
    with pytest.raises(BadEngine, match=r"extra piper: .* -r requirements-engines\.txt"):
        piper_engine({"en": str(voice)})
