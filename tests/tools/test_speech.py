"""From the configuration to the library and its engines."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from agi_bridge.speech import SHIPPED, BadEngine, CommandEngine, PbxEngine
from agi_bridge.tools.speech import engines, library
from tests.call.builders import settings

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

ESPEAK = {"kind": "command", "command": ["espeak-ng", "-w", "{output}"]}
FLITE = {"kind": "pbx", "command": ["Flite", "{text}"]}


def speech(**given: Any) -> dict[str, dict[str, Any]]:
    return {"speech": given}


def test_engines_come_in_the_order_of_the_file() -> None:
    made = engines(settings(tables=speech(engines=[FLITE, ESPEAK])))
    assert [(type(engine), engine.name) for engine in made] == [
        (PbxEngine, "flite"),
        (CommandEngine, "espeak-ng"),
    ]


def test_an_engine_that_cannot_be_made_here_is_told_by_its_place_and_key(tmp_path: Path) -> None:
    kokoro = {"kind": "kokoro", "voices_at": str(tmp_path / "gone"), "model": "/gone.onnx"}
    with pytest.raises(BadEngine, match=r"^speech\.engines\.2\.\w+ ") as caught:
        engines(settings(tables=speech(engines=[ESPEAK, kokoro])))
    assert caught.value.field.startswith("speech.engines.2.")


def test_the_shipped_prompts_are_played_from_where_they_lie() -> None:
    recording = library(settings()).prompt("goodbye", "en")
    assert recording.path == str(SHIPPED / "en" / "goodbye")
    assert recording.wav == SHIPPED / "en" / "goodbye.wav"


def test_recordings_win_and_are_named_as_the_pbx_sees_them(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    shutil.copyfile(SHIPPED / "en" / "busy.wav", tmp_path / "en" / "goodbye.wav")
    (tmp_path / "en" / "goodbye.txt").write_text("Busy.")
    given = speech(recordings=str(tmp_path), pbx_recordings="/own", pbx_prompts="/shipped")
    made = library(settings(tables=given))
    assert made.prompt("goodbye", "en").path == "/own/en/goodbye"
    assert made.prompt("goodbye", "en").text == "Busy."
    assert made.prompt("busy", "en").path == "/shipped/en/busy"


async def test_the_cap_is_what_the_configuration_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr("agi_bridge.tools.speech.Library", lambda *_, **words: given.update(words))
    library(settings(tmp_path, tables=speech(max_megabytes=3, budget_seconds=4)))
    assert (given["max_bytes"], given["budget"]) == (3 << 20, 4)
    assert given["cache"] == tmp_path / "speech"


def test_every_recording_handed_out_is_under_its_address() -> None:
    made = library(settings(), lambda recording: f"http://h/{recording.wav.name}")
    assert made.prompt("goodbye", "en").path == "http://h/goodbye.wav"
