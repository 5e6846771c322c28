"""`prompts render`: a line's texts, spoken by the engines of the configuration."""

from __future__ import annotations

import asyncio
import io
import re
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from agi_bridge.app.speech import rendered_folder
from agi_bridge.cli.prompts import render
from agi_bridge.lab.asterisk.provision import provision_asterisk
from agi_bridge.prompts.required import required_prompts
from agi_bridge.speech import TEXTS, Library, PromptFolder, Script, read_manifest
from tests.support.prompt_sounds import recording

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.prompts_commands import PromptsCli


def folder(cli: PromptsCli) -> Path:
    settings = cli.settings
    return rendered_folder(settings, settings.lines["shop"])


def test_all_texts_of_a_line_are_rendered_and_the_library_takes_them(rendered: PromptsCli) -> None:
    library = Library(cache=rendered.folder / "cache").with_overrides(
        PromptFolder(folder(rendered))
    )
    settings = rendered.settings
    for each in required_prompts(settings.lines["shop"], Script()):
        heard = library.prompt(each.name, "en")
        assert each.text is not None
        assert heard.text == each.text.text
        assert heard.wav.is_relative_to(folder(rendered))


def test_where_they_are_and_how_long_the_disclosure_is_are_told(rendered: PromptsCli) -> None:
    result = rendered("render", "--line", "shop")
    assert re.search(r"^en: the disclosure takes 2[0-9]\.[0-9] s$", result.out, re.MULTILINE)
    assert result.out.endswith(f"in {folder(rendered)}\n")


def test_it_can_be_given_again_and_renders_nothing_again(rendered: PromptsCli) -> None:
    result = rendered("render", "--line", "shop")
    assert result.status == 0
    assert "17 prompts kept, rendered before from the same words" in result.out
    assert rendered.asked == []


def test_another_brand_renders_what_names_it_and_no_more(rendered: PromptsCli) -> None:
    result = rendered.configure(brand="Maple Books")("render", "--line", "shop")
    assert result.status == 0
    assert [text[:35] for _, text in rendered.asked] == ["Thank you for calling Maple Books. "]
    assert "16 prompts kept" in result.out
    assert "A bridge that runs plays them after its next start." in result.out


def test_force_renders_everything(rendered: PromptsCli) -> None:
    result = rendered("render", "--line", "shop", "--force", "--json")
    assert {each["result"] for each in result.json["prompts"]} == {"rendered"}
    assert len(rendered.asked) == 17


def test_a_sound_that_was_lost_or_changed_is_rendered_again(rendered: PromptsCli) -> None:
    entries = read_manifest(folder(rendered))
    (folder(rendered) / entries["en", "busy"]["file"]).unlink()
    with (folder(rendered) / entries["en", "goodbye"]["file"]).open("ab") as opened:
        opened.write(b"\0\0")
    result = rendered("render", "--line", "shop", "--json")
    again = {each["name"] for each in result.json["prompts"] if each["result"] == "rendered"}
    assert again == {"busy", "goodbye"}


def test_one_language_can_be_rendered_alone(rendered: PromptsCli) -> None:
    rendered.configure(languages=["fr", "en"], brand="Maple Books")
    result = rendered("render", "--line", "shop", "--language", "en", "--json")
    assert result.status == 0
    assert {each["language"] for each in result.json["prompts"]} == {"en"}
    assert [language for language, _ in rendered.asked] == ["en"]


def test_a_language_that_the_line_has_not_is_misuse(cli: PromptsCli) -> None:
    result = cli("render", "--line", "shop", "--language", "fr")
    assert (result.status, result.err) == (2, "agi-bridge: --language: the line has en\n")


def test_a_text_that_no_engine_speaks_fails_by_name_and_the_others_stay(
    rendered: PromptsCli,
) -> None:
    rendered.configure(brand="Maple Books", mute="Maple")
    result = rendered("render", "--line", "shop", "--json")
    assert result.status == 1
    (failed,) = [each for each in result.json["prompts"] if each["result"] == "failed"]
    assert (failed["language"], failed["name"], failed["seconds"]) == ("en", "disclosure", None)
    assert "exited with status 3" in failed["problem"]
    assert len(read_manifest(folder(rendered))) == 17
    (line,) = [
        each for each in rendered("render", "--line", "shop").out.splitlines() if "failed" in each
    ]
    assert line.split()[:3] == ["en", "disclosure", "failed:"]


def test_what_is_missing_is_named_before_anything_is_rendered(cli: PromptsCli) -> None:
    config = cli.configure(policy_url="", languages=["en", "fr"]).config
    command = 'kind = "command"\nlanguages = ["en"]\ncommand = ["say-it", "{output}"]'
    text = config.read_text(encoding="utf-8")
    before, head, _ = text.partition("[[speech.engines]]")
    config.write_text(f"{before}{head}\n{command}\n", encoding="utf-8")
    result = cli("render", "--line", "shop")
    assert (result.status, result.out) == (2, "")
    first, program, language, address = result.err.splitlines()
    assert first == "agi-bridge: nothing was rendered:"
    assert "'say-it' not found: install it, on Debian apt-get install say-it" in program
    assert language == "  speech.engines: none supports 'fr': add it to the languages of one"
    assert 'write policy_url = "https://example.com/text" into [lines.shop]' in address
    assert not folder(cli).exists()


def test_a_custom_disclosure_without_words_is_named_too(cli: PromptsCli) -> None:
    result = cli.configure(disclosure="disclosure-shop")("render", "--line", "shop")
    assert result.status == 2
    assert "'en' has no text 'disclosure-shop'" in result.err
    assert cli.asked == []


def test_a_custom_script_is_spoken(cli: PromptsCli, tmp_path: Path) -> None:
    text = (TEXTS / "en.toml").read_text(encoding="utf-8")
    changed = text.replace('goodbye = "Goodbye."', 'goodbye = "So long."')
    assert changed != text
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "en.toml").write_text(changed, encoding="utf-8-sig")
    (tmp_path / "script" / "._en.toml").write_bytes(b"\0\5\x16\7")
    cli.configure(speech={"script": str(tmp_path / "script")})
    assert cli("render", "--line", "shop").status == 0
    assert ["en", "So long."] in cli.asked
    assert cli("check").status == 0


def test_a_custom_disclosure_that_is_recorded_fails_nothing(rendered: PromptsCli) -> None:
    recording(rendered.recordings, "disclosure-shop", "Hello, this is the shop.")
    rendered.configure(disclosure="disclosure-shop")
    result = rendered("render", "--line", "shop", "--json")
    assert result.status == 0
    (own,) = [each for each in result.json["prompts"] if each["name"] == "disclosure-shop"]
    assert (own["result"], own["seconds"]) == ("recorded", None)


def test_a_disclosure_above_thirty_seconds_is_warned_of(rendered: PromptsCli) -> None:
    result = rendered.configure(brand="Maple Books", pace=0.09)("render", "--line", "shop")
    assert result.status == 0
    warning = r"^warning: en: the disclosure takes 3[0-9]\.[0-9] s; callers hang up after 30 s$"
    assert re.search(warning, result.out, re.MULTILINE)


def test_without_an_engine_it_is_misuse(cli: PromptsCli) -> None:
    result = cli.configure(engines=False)("render", "--line", "shop")
    assert result.status == 2
    assert "speech.engines: none renders to files" in result.err


def test_an_engine_of_the_pbx_renders_no_files(cli: PromptsCli) -> None:
    cli.configure(engines=False)
    with cli.config.open("a") as opened:
        opened.write('\n[[speech.engines]]\nkind = "pbx"\ncommand = ["Flite", "{text}"]\n')
    assert "none renders to files" in cli("render", "--line", "shop").err


def test_an_engine_that_cannot_be_made_is_named_and_no_worse_one_taken(
    cli: PromptsCli,
) -> None:
    engines = cli.config.read_text(encoding="utf-8")
    first = '[[speech.engines]]\nkind = "piper"\nvoices = {en = "/nonexistent/voice.onnx"}\n'
    cli.config.write_text(engines.replace("[[speech.engines]]", f"{first}\n[[speech.engines]]"))
    result = cli("render", "--line", "shop")
    assert result.status == 2
    assert "speech.engines.1" in result.err
    assert cli.asked == []


def test_a_folder_that_cannot_be_written_is_one_line(cli: PromptsCli) -> None:
    (cli.folder / "state").write_text("in the way", encoding="utf-8")
    result = cli("render", "--line", "shop")
    assert result.status == 1
    assert (
        result.err == f"agi-bridge: {folder(cli)}: manifest.json cannot be read (Not a directory)\n"
    )


@pytest.mark.programs
async def test_a_terminal_shows_how_far_it_is(rendered: PromptsCli) -> None:
    screen = io.StringIO()
    await render.run(
        rendered.configure(brand="Maple Books").settings,
        "shop",
        language=None,
        force=False,
        errors=Console(file=screen, force_terminal=True, width=80),
    )
    assert "en disclosure" in screen.getvalue()
    assert "1/1" in screen.getvalue()


@pytest.mark.asterisk
def test_espeak_renders_the_line(cli: PromptsCli) -> None:
    espeak = asyncio.run(provision_asterisk()).with_name("espeak-ng")
    cli.configure(engines=False, languages=["fr"])
    with cli.config.open("a") as opened:
        opened.write(
            f'\n[[speech.engines]]\nkind = "command"\ncommand = ["{espeak}", "-v", "{{language}}", '
            '"-w", "{output}", "--stdin"]\n'
        )
    assert cli("render", "--line", "shop").status == 0
    checked = cli("check")
    assert (checked.status, checked.out) == (0, "17 prompts: no faults, no notes\n")
