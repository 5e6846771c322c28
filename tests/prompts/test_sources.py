"""Where the sound of a prompt comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agi_bridge.app.speech import prompt_sources, rendered_folder
from agi_bridge.prompts.sources import PromptSources
from agi_bridge.speech import SHIPPED, PromptFolder, read_manifest, scan_folder
from tests.support.prompt_sounds import recording, tone

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.prompts_commands import PromptsCli


def sources(cli: PromptsCli) -> PromptSources:
    settings = cli.settings
    return prompt_sources(settings, settings.lines["shop"])


def test_a_prompt_that_is_not_replaced_is_the_shipped_one(cli: PromptsCli) -> None:
    found = sources(cli).find("goodbye", "en")
    assert found is not None
    assert (found.source, found.file) == ("shipped", SHIPPED / "en" / "goodbye.wav")


def test_what_was_rendered_for_the_line_wins_over_the_package(rendered: PromptsCli) -> None:
    found = sources(rendered).find("goodbye", "en")
    assert found is not None
    assert found.source == "rendered"
    assert found.file.is_relative_to(rendered.folder / "state" / "speech" / "lines" / "shop")
    assert found.text == "Goodbye."


def test_a_recording_wins_over_all(rendered: PromptsCli) -> None:
    file = recording(rendered.recordings, "goodbye", "So long.")
    found = sources(rendered).find("goodbye", "en")
    assert found is not None
    assert (found.source, found.file, found.text) == ("recording", file, "So long.")


def test_a_country_takes_its_languages_prompts(cli: PromptsCli) -> None:
    found = sources(cli).find("goodbye", "fr-CA")
    assert found is not None
    assert found.file == SHIPPED / "fr" / "goodbye.wav"


def test_a_countrys_own_prompt_wins_over_a_recording_for_the_language(tmp_path: Path) -> None:
    recording(tmp_path / "high", "goodbye", "Au revoir, Paris.", "fr")
    file = recording(tmp_path / "low", "goodbye", "Au revoir, Montréal.", "fr-ca")
    both = PromptSources(
        (scan_folder(PromptFolder(tmp_path / "high")), scan_folder(PromptFolder(tmp_path / "low")))
    )
    found = both.find("goodbye", "fr-CA")
    assert found is not None
    assert found.file == file
    assert both.names("fr-CA") == ["goodbye"]


def test_an_unknown_prompt_is_not_found(cli: PromptsCli) -> None:
    assert sources(cli).find("hello", "en") is None


def test_a_configured_folder_replaces_the_shipped_one(cli: PromptsCli, tmp_path: Path) -> None:
    recording(tmp_path / "prompts", "goodbye", "So long.")
    settings = cli.settings
    speech = settings.speech.model_copy(update={"prompts": tmp_path / "prompts"})
    own = prompt_sources(settings.model_copy(update={"speech": speech}), settings.lines["shop"])
    found = own.find("goodbye", "en")
    assert found is not None
    assert found.source == "prompts"
    assert own.find("busy", "en") is None


def test_one_bad_file_hides_no_other(tmp_path: Path) -> None:
    good = recording(tmp_path, "goodbye", "Goodbye.")
    tone(tmp_path / "en" / "busy.wav", 1.0, rate=48000)
    layer = scan_folder(PromptFolder(tmp_path))
    assert layer.folder_problems == ()
    assert layer.entries["en", "goodbye"].file == good
    assert layer.entries["en", "goodbye"].problems == ()
    assert [each.code for each in layer.entries["en", "busy"].problems] == ["format", "no_text"]
    assert layer.entries["en", "busy"].text is None


def test_a_sound_that_was_deleted_is_reported(rendered: PromptsCli) -> None:
    settings = rendered.settings
    folder = rendered_folder(settings, settings.lines["shop"])
    (folder / read_manifest(folder)["en", "busy"]["file"]).unlink()
    layer = scan_folder(PromptFolder(folder))
    assert [each.code for each in layer.entries["en", "busy"].problems] == ["not_found"]
    assert layer.entries["en", "goodbye"].problems == ()


def test_a_broken_manifest_is_a_problem_of_the_folder(tmp_path: Path) -> None:
    recording(tmp_path, "goodbye", "Goodbye.")
    (tmp_path / "manifest.json").write_text(json.dumps(["no"]), encoding="utf-8")
    layer = scan_folder(PromptFolder(tmp_path))
    assert layer.entries["en", "goodbye"].text == "Goodbye."
    assert [each.code for each in layer.problems] == ["manifest"]


def test_problems_of_all_folders_come_together(cli: PromptsCli) -> None:
    both = PromptSources((scan_folder(PromptFolder(cli.folder / "none")), *sources(cli).layers))
    assert both.problems() == ()
