"""`prompts check`: what would go wrong in a call, and the command that puts it right."""

from __future__ import annotations

import re
import shlex
import shutil
from typing import TYPE_CHECKING

import pytest

from agi_bridge.cli.check.run import check
from agi_bridge.settings import Settings, SettingsError
from agi_bridge.speech import SHIPPED, Script, read_sound_info
from agi_bridge.speech.prompt_folder import MANIFEST
from agi_bridge.speech.wav import header
from tests.support.call_env import KEY
from tests.support.prompt_sounds import recording, shipped_text, tone
from tests.support.wav_files import chunk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.prompts_commands import PromptsCli


def run_commands(cli: PromptsCli, commands: list[str]) -> None:
    """Give the commands that were advised, word for word."""
    for command in commands:
        program, room, *rest = shlex.split(command)
        assert (program, room) == ("agi-bridge", "prompts")
        place = rest.index("--config")
        del rest[place : place + 2]  # the shell adds it
        assert cli(*rest).status == 0


def test_a_line_that_rendered_its_prompts_has_nothing_to_mend(rendered: PromptsCli) -> None:
    result = rendered("check")
    assert (result.status, result.out) == (0, "17 prompts: no faults, no notes\n")


def test_the_packages_disclosure_is_no_more_than_a_note(cli: PromptsCli) -> None:
    result = cli("check", "--json")
    assert result.status == 0
    (line,) = result.json["lines"]
    assert [(issue["severity"], issue["prompt"]) for issue in line["issues"]] == [
        ("note", "disclosure")
    ]


def test_stale_prompts_are_faults_and_the_advice_mends_them(rendered: PromptsCli) -> None:
    rendered.configure(brand="Maple Books")
    result = rendered("check", "--json")
    assert result.status == 1
    assert result.json["ok"] is False
    run_commands(rendered, result.json["commands"])
    assert rendered("check").status == 0


def test_a_silent_disclosure_is_a_fault_for_all_commands(cli: PromptsCli) -> None:
    """Nobody can agree to what was not said."""
    file = recording(cli.recordings, "disclosure", "We text you if you agree.")
    file.write_bytes(header(32_000, 8000) + bytes(32_000))
    result = cli("check", "--json")
    assert result.status == 1
    issues = [issue for issue in result.json["lines"][0]["issues"] if issue["file"] == str(file)]
    found = [(issue["severity"], issue["problem"].partition(",")[0]) for issue in issues]
    assert ("fault", "is silent") in found
    with pytest.raises(SettingsError, match=r"speech\.recordings: .*en/disclosure\.wav is silent"):
        Settings.load(cli.config, {"SHOP_KEY": KEY})


def test_the_table_and_the_advice_are_shown(rendered: PromptsCli) -> None:
    result = rendered.configure(brand="Maple Books")("check")
    assert "fault   shop   en         disclosure   rendered   is out of date" in result.out
    command = f"agi-bridge prompts render --line shop --config {rendered.config}"
    assert f"To fix them, run:\n    {command}\n" in result.out
    assert result.out.endswith("17 prompts: 1 fault, no notes\n")


def test_custom_digits_are_made_by_the_advice(rendered: PromptsCli) -> None:
    rendered.configure(languages=["en", "es"])
    run_commands(rendered, rendered("check", "--json").json["commands"])
    result = rendered.configure(languages=["en", "es"], digits="own")("check", "--json")
    assert result.status == 1
    issues = result.json["lines"][0]["issues"]
    assert {issue["language"] for issue in issues} == {"es"}
    assert len(issues) == 10
    assert {issue["problem"] for issue in result.json["lines"][0]["issues"]} == {"is missing"}
    run_commands(rendered, result.json["commands"])
    assert rendered("check").out == "54 prompts: no faults, no notes\n"
    assert rendered.settings.lines["shop"].digits == "own"


def test_only_the_languages_that_need_it_are_rendered(rendered: PromptsCli) -> None:
    result = rendered.configure(languages=["en", "fr", "es"])("check", "--json")
    languages = [shlex.split(command)[-1] for command in result.json["commands"]]
    assert languages == ["fr", "es"]


def test_recordings_that_conversion_puts_right_are_imported_where_they_are(
    cli: PromptsCli,
) -> None:
    recording(cli.recordings, "goodbye", "Goodbye.")
    tone(cli.recordings / "en" / "goodbye.wav", 0.6, height=0.03)
    result = cli("check", "--json")
    assert result.status == 0
    commands = [each for each in result.json["commands"] if " import " in each]
    run_commands(cli, commands)
    issues = cli("check", "--json").json["lines"][0]["issues"]
    assert [issue["prompt"] for issue in issues] == ["disclosure"]


def test_what_has_to_be_recorded_again_goes_to_the_studio(cli: PromptsCli) -> None:
    recording(cli.recordings, "goodbye", "So long.")
    result = cli("check", "--json")
    assert result.status == 1
    command = f"agi-bridge prompts export --line shop --config {cli.config} --out FOLDER"
    assert result.json["commands"][-1] == command


def test_a_recording_that_the_pbx_cannot_play_is_a_fault_that_the_advice_mends(
    cli: PromptsCli,
) -> None:
    recording(cli.recordings, "busy", shipped_text("busy"))
    tone(cli.recordings / "en" / "busy.wav", 1.6, rate=48000)
    result = cli("check", "--json")
    assert result.status == 1
    commands = [each for each in result.json["commands"] if " import " in each]
    run_commands(cli, commands)
    assert cli("check").status == 0


def test_a_folder_that_is_out_of_order_is_a_fault(cli: PromptsCli) -> None:
    recording(cli.recordings, "busy", shipped_text("busy"))
    (cli.recordings / "manifest.json").write_text("[]", encoding="utf-8")
    result = cli("check")
    assert result.status == 1
    assert result.out.startswith(f"fault {cli.recordings}: manifest.json is not a valid manifest")
    assert result.out.endswith("17 prompts: 1 fault, 1 note\n")


def test_a_language_of_which_nothing_is_there_yet_can_be_looked_at(cli: PromptsCli) -> None:
    result = cli.configure(languages=["en", "de"])("check")
    assert result.status == 1
    assert "is missing: 'de' has no script: write de.toml" in result.out


# -- alike in `serve`, `check` and `prompts check`


def misread(file: Path) -> None:
    """A tag behind the samples: what is heard is right, what is told of its length is not."""
    file.write_bytes(file.read_bytes() + chunk(b"LIST", b"INFO"))


def rival(file: Path) -> None:
    file.with_suffix(".ulaw").write_bytes(b"")


def wrong_case(file: Path) -> None:
    file.with_name("Goodbye.WAV").write_bytes(b"")


def foreign_text(file: Path) -> None:
    file.with_suffix(".txt").write_text("Tschüß.", encoding="cp1252")


def unused(file: Path) -> None:
    file.with_name("no-line-has-this.wav").write_bytes(b"")


def hidden(file: Path) -> None:
    file.with_name("._goodbye.wav").write_bytes(b"")


def nothing(file: Path) -> None:
    assert file.exists()


@pytest.mark.parametrize("folder", ["recordings", "prompts"])
@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (misread, "en/goodbye.wav has a header that Asterisk misreads"),
        (rival, "en/goodbye.wav has goodbye.ulaw beside it"),
        (wrong_case, "en/Goodbye.WAV has capital letters in its name"),
        (foreign_text, "en/goodbye.wav has a text that is not UTF-8"),
        (unused, "en/no-line-has-this.wav is not a WAV file"),
        (hidden, ""),
        (nothing, ""),
    ],
)
def test_the_same_folder_is_refused_or_taken_by_all(
    cli: PromptsCli, folder: str, harm: Callable[[Path], None], expected: str
) -> None:
    place = cli.folder / folder
    if folder == "prompts":
        shutil.copytree(SHIPPED, place)
        (place / MANIFEST).unlink()
        script = Script()
        for sound in place.glob("*/*.wav"):
            text = script.shipped(sound.stem, sound.parent.name)
            sound.with_suffix(".txt").write_text(text, encoding="utf-8")
        cli.configure(speech={"prompts": str(place)})
    harm(recording(place, "goodbye", "Goodbye."))
    checked = cli("check", "--json").json
    found = [
        *(problem for line in checked["lines"] for problem in line["problems"]),
        *(
            f"{'/'.join(issue['file'].split('/')[-2:])} {issue['problem']}"
            for line in checked["lines"]
            for issue in line["issues"]
            if issue["severity"] == "fault"
        ),
    ]
    assert checked["ok"] is not bool(expected)
    if not expected:
        assert found == []
        Settings.load(cli.config, {"SHOP_KEY": KEY})
        return
    assert any(expected in message for message in found)
    with pytest.raises(SettingsError, match=re.escape(expected)):  # what `serve` does first
        Settings.load(cli.config, {"SHOP_KEY": KEY})
    report = check(cli.config, {"SHOP_KEY": KEY})
    assert any(f.key == f"speech.{folder}" and expected in f.text for f in report.findings)


def test_custom_prompts_are_put_right_by_the_advice(cli: PromptsCli) -> None:
    place = cli.folder / "prompts"
    file = recording(place, "goodbye", "Goodbye.")
    misread(file)
    cli.configure(speech={"prompts": str(place)})
    commands = [each for each in cli("check", "--json").json["commands"] if " import " in each]
    assert [shlex.split(each)[3] for each in commands] == [str(place)]
    run_commands(cli, commands)
    assert read_sound_info(file).samples
