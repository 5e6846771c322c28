"""From the configuration to the library and its engines."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from agi_bridge.speech import SHIPPED, BadEngine, CommandEngine, PbxEngine
from agi_bridge.tools.speech import engines, library, of_lines, stale
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


def shelve(folder: Path, name: str, text: str) -> None:
    """Put a prompt of one's own there, in English."""
    (folder / "en").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SHIPPED / "en" / "busy.wav", folder / "en" / f"{name}.wav")
    (folder / "en" / f"{name}.txt").write_text(text, encoding="utf-8")


def test_recordings_win_over_what_was_rendered_for_the_line_and_that_over_the_rest(
    tmp_path: Path,
) -> None:
    shelve(tmp_path / "own", "goodbye", "Recorded.")
    rendered = tmp_path / "speech" / "lines" / "shop"
    shelve(rendered, "goodbye", "Rendered.")
    shelve(rendered, "accepted", "Rendered.")
    configured = settings(tmp_path, tables=speech(recordings=str(tmp_path / "own")))
    shop = of_lines(configured, library(configured))["shop"]
    assert shop.prompt("goodbye", "en").text == "Recorded."
    assert shop.prompt("accepted", "en").text == "Rendered."
    assert shop.prompt("busy", "en").wav == SHIPPED / "en" / "busy.wav"
    assert library(configured).prompt("accepted", "en").text != "Rendered."


def test_what_was_rendered_with_another_brand_is_stale_and_the_packages_own_is_not(
    tmp_path: Path,
) -> None:
    shelve(tmp_path / "speech" / "lines" / "shop", "disclosure", "Thank you for calling Old Store.")
    configured = settings(tmp_path, policy_url="example.com/sms")
    line, shared = configured.lines["shop"], library(configured)
    assert stale(configured, line, of_lines(configured, shared)["shop"]) == ["en/disclosure"]
    assert stale(configured, line, shared) == []


def test_each_folder_is_named_as_the_pbx_sees_it(tmp_path: Path) -> None:
    shelve(tmp_path / "own", "goodbye", "Recorded.")
    shelve(tmp_path / "speech" / "lines" / "shop", "accepted", "Rendered.")
    given = speech(
        recordings=str(tmp_path / "own"),
        pbx_recordings="/own",
        pbx_cache="/cache",
        pbx_prompts="/shipped",
    )
    configured = settings(tmp_path, tables=given)
    shop = of_lines(configured, library(configured))["shop"]
    assert [shop.prompt(name, "en").path for name in ("goodbye", "accepted", "busy")] == [
        "/own/en/goodbye",
        "/cache/lines/shop/en/accepted",
        "/shipped/en/busy",
    ]


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
