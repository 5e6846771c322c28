"""`prompts import`: recordings that come back from a studio."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
import soundfile

from agi_bridge.cli.common import UsageError
from agi_bridge.cli.prompts import import_ as taking
from agi_bridge.speech import Library, PromptFolder
from agi_bridge.speech.wav import HEADER_BYTES
from tests.support.prompt_sounds import RATE, recording, shipped_text, tone
from tests.support.wav_files import PLAIN, chunk, riff, sound, variants

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_output import CommandResult
    from tests.support.prompts_commands import PromptsCli

ENTER = shipped_text("enter-number")


@pytest.fixture
def studio(cli: PromptsCli) -> Path:
    """The folder that a studio got, in which there is a recording of 48 kHz."""
    folder = cli.folder / "studio"
    assert cli("export", "--line", "shop", "--out", folder).status == 0
    tone(folder / "en" / "enter-number.wav", 3.0, rate=48000, height=0.4, silence=0.6)
    return folder


def results(result: CommandResult) -> dict[str, str]:
    return {row["file"]: row["result"] for row in result.json["files"]}


def test_a_studios_recording_is_converted_and_callers_hear_it(
    cli: PromptsCli, studio: Path
) -> None:
    result = cli("import", studio, "--line", "shop", "--convert", "--json")
    assert result.status == 0
    assert results(result) == {"en/enter-number.wav": "converted"}
    library = Library(cache=cli.folder / "cache").with_overrides(PromptFolder(cli.recordings))
    heard = library.prompt("enter-number", "en")
    assert heard.wav == cli.recordings / "en" / "enter-number.wav"
    assert heard.text == ENTER
    assert heard.seconds == pytest.approx(3.1, abs=0.05)


def test_converted_recordings_have_no_issue_left(cli: PromptsCli, studio: Path) -> None:
    cli("import", studio, "--line", "shop", "--convert")
    issues = cli("check", "--json").json["lines"][0]["issues"]
    assert [issue["prompt"] for issue in issues] == ["disclosure"]  # the package's


def test_another_account_may_read_them_and_nothing_else_is_left(
    cli: PromptsCli, studio: Path
) -> None:
    cli("import", studio, "--line", "shop", "--convert")
    left = {
        str(path.relative_to(cli.recordings)): stat.S_IMODE(path.stat().st_mode)
        for path in cli.recordings.rglob("*")
    }
    assert left == {
        "en": 0o755,
        "en/enter-number.txt": 0o644,
        "en/enter-number.wav": 0o644,
        "en/enter-number.wav16": 0o644,
    }
    assert stat.S_IMODE(cli.recordings.stat().st_mode) == 0o755


def test_hd_voice_lies_beside_a_prompt_but_never_beside_the_disclosure(
    cli: PromptsCli, studio: Path
) -> None:
    tone(studio / "en" / "disclosure.wav", 22.0, rate=48000)
    cli("import", studio, "--line", "shop", "--convert")
    wide = cli.recordings / "en" / "enter-number.wav16"
    assert soundfile.info(str(wide)).samplerate == 16_000
    assert (cli.recordings / "en" / "disclosure.wav").exists()
    assert not (cli.recordings / "en" / "disclosure.wav16").exists()


async def test_another_lines_disclosure_gets_no_hd_voice_either(
    cli: PromptsCli, studio: Path
) -> None:
    settings = cli.settings
    garage = settings.lines["shop"].model_copy(update={"disclosure": "enter-number"})
    both = settings.model_copy(update={"lines": {**settings.lines, "garage": garage}})
    await taking.run(both, studio, "shop", to_convert=True)
    assert (cli.recordings / "en" / "enter-number.wav").exists()
    assert not (cli.recordings / "en" / "enter-number.wav16").exists()


def test_without_convert_it_is_refused_and_said_what_would_help(
    cli: PromptsCli, studio: Path
) -> None:
    result = cli("import", studio, "--line", "shop")
    assert result.status == 1
    assert "refused   en/enter-number.wav" in result.out
    assert "is not 16 bit, one channel, 8 kHz" in result.out
    assert "1 file would be taken with --convert" in result.out
    assert not cli.recordings.exists()


def test_what_is_good_as_it_is_is_taken_byte_for_byte(cli: PromptsCli, studio: Path) -> None:
    file = tone(studio / "en" / "enter-number.wav", 3.0)
    result = cli("import", studio, "--line", "shop", "--json")
    assert result.status == 0
    assert results(result) == {"en/enter-number.wav": "taken"}
    taken = cli.recordings / "en" / "enter-number.wav"
    assert taken.read_bytes() == file.read_bytes()


def test_an_older_hd_recording_does_not_outlive_the_new_one(cli: PromptsCli, studio: Path) -> None:
    cli("import", studio, "--line", "shop", "--convert")
    tone(studio / "en" / "enter-number.wav", 3.0)
    cli("import", studio, "--line", "shop")
    assert not (cli.recordings / "en" / "enter-number.wav16").exists()


def test_one_bad_recording_keeps_no_other_out(cli: PromptsCli, studio: Path) -> None:
    tone(studio / "en" / "busy.wav", 1.6, rate=48000, height=4.0, clipped=0.9)
    result = cli("import", studio, "--line", "shop", "--convert", "--json")
    assert result.status == 1
    assert results(result) == {"en/busy.wav": "refused", "en/enter-number.wav": "converted"}
    assert not (cli.recordings / "en" / "busy.wav").exists()
    assert not (cli.recordings / "en" / "busy.txt").exists()


def test_a_recording_of_an_older_script_is_refused(cli: PromptsCli, studio: Path) -> None:
    tone(studio / "en" / "disclosure.wav", 22.0)
    result = cli.configure(brand="Maple Books")("import", studio, "--line", "shop", "--json")
    (row,) = [row for row in result.json["files"] if row["file"] == "en/disclosure.wav"]
    assert row["result"] == "refused"
    reason = "disclosure.txt differs from the script's current text"
    assert reason in row["problems"]
    assert row["fixable"] is False


def test_a_recording_that_comes_without_its_text_speaks_the_scripts(
    cli: PromptsCli,
) -> None:
    tone(cli.folder / "came" / "en" / "enter-number.wav", 3.0)
    assert cli("import", cli.folder / "came", "--line", "shop").status == 0
    text = (cli.recordings / "en" / "enter-number.txt").read_text(encoding="utf-8")
    assert text.strip() == ENTER


def test_a_file_of_no_prompt_is_told_of(cli: PromptsCli, studio: Path) -> None:
    tone(studio / "en" / "bussy.wav", 1.6)
    result = cli("import", studio, "--line", "shop", "--convert")
    assert result.status == 0
    assert "ignored     en/bussy.wav" in result.out
    assert "no recording yet, en: language-menu-item, disclosure, you-entered" in result.out
    assert "Restart every bridge" in result.out


def test_a_disclosure_above_thirty_seconds_is_taken_and_told_of(
    cli: PromptsCli, studio: Path
) -> None:
    tone(studio / "en" / "disclosure.wav", 31.0)
    result = cli("import", studio, "--line", "shop", "--convert")
    assert result.status == 0
    assert "is longer than 30 s" in result.out


def test_a_custom_disclosure_brings_its_words(cli: PromptsCli) -> None:
    recording(cli.recordings, "disclosure-shop", "Hello, this is the shop.")
    cli.configure(disclosure="disclosure-shop")
    came = tone(cli.folder / "came" / "en" / "disclosure-shop.wav", 2.0)
    result = cli("import", cli.folder / "came", "--line", "shop")
    assert result.status == 1
    assert "disclosure-shop.txt" in result.out
    came.with_suffix(".txt").write_text("Hello, it is the shop.", encoding="utf-8")
    assert cli("import", cli.folder / "came", "--line", "shop").status == 0
    text = (cli.recordings / "en" / "disclosure-shop.txt").read_text(encoding="utf-8")
    assert text == "Hello, it is the shop.\n"


def test_recordings_are_fixed_in_place_and_the_original_is_kept(
    cli: PromptsCli,
) -> None:
    file = recording(cli.recordings, "enter-number", ENTER)
    before = tone(file, 3.0, height=0.03).read_bytes()
    result = cli("import", cli.recordings, "--line", "shop", "--convert", "--json")
    assert results(result) == {"en/enter-number.wav": "converted"}
    assert (file.parent / "enter-number.wav.original").read_bytes() == before
    assert file.read_bytes() != before
    again = cli("import", cli.recordings, "--line", "shop", "--json")
    assert results(again) == {"en/enter-number.wav": "taken"}


def test_what_the_service_refuses_can_be_fixed_in_place(cli: PromptsCli) -> None:
    file = tone(cli.recordings / "en" / "enter-number.wav", 3.0, rate=48000)
    assert cli("import", cli.recordings, "--line", "shop", "--convert").status == 0
    assert soundfile.info(str(file)).samplerate == RATE
    assert cli("check").status == 0


def test_nothing_to_take_is_a_no(cli: PromptsCli) -> None:
    (cli.folder / "empty").mkdir()
    result = cli("import", cli.folder / "empty", "--line", "shop")
    assert (result.status, result.out) == (1, "no LANGUAGE/NAME.wav found\n")


def test_no_folder_is_misuse(cli: PromptsCli) -> None:
    result = cli("import", cli.folder / "none", "--line", "shop")
    assert (result.status, result.err) == (2, f"agi-bridge: {cli.folder}/none is not a folder\n")


async def test_without_a_folder_for_recordings_it_is_misuse(cli: PromptsCli) -> None:
    settings = cli.settings
    speech = settings.speech.model_copy(update={"recordings": None})
    with pytest.raises(UsageError, match=r"speech\.recordings is not set"):
        await taking.run(
            settings.model_copy(update={"speech": speech}),
            cli.folder,
            "shop",
            to_convert=False,
        )


# -- recordings that Asterisk would misread, and files as studios deliver them


def with_tag(file: Path) -> bytes:
    """Put metadata before the samples, as an audio workstation does; returns the samples."""
    samples = file.read_bytes()[HEADER_BYTES:]
    tag = chunk(b"LIST", b"INFOISFT\x0e\0\0\0Lavf58.76.100\0")
    file.write_bytes(riff(chunk(b"fmt ", PLAIN), tag, chunk(b"data", samples)))
    return samples


def test_a_header_that_asterisk_misreads_is_written_again(cli: PromptsCli, studio: Path) -> None:
    file = tone(studio / "en" / "enter-number.wav", 3.0)
    samples = with_tag(file)
    result = cli("import", studio, "--line", "shop", "--json")
    assert result.status == 0
    assert results(result) == {"en/enter-number.wav": "rewritten"}
    assert (cli.recordings / "en" / "enter-number.wav").read_bytes() == sound(samples)
    assert file.read_bytes() != sound(samples)  # the studio's own stays as it came


@pytest.mark.parametrize("name", ["cut short", "two data chunks", "not closed", "nothing"])
def test_a_damaged_recording_is_refused_by_name_whatever_is_asked_for(
    cli: PromptsCli, studio: Path, name: str
) -> None:
    samples = tone(studio / "en" / "enter-number.wav", 3.0).read_bytes()[HEADER_BYTES:]
    content = dict(variants(samples))[name].content
    (studio / "en" / "enter-number.wav").write_bytes(content)
    result = cli("import", studio, "--line", "shop", "--convert")
    assert result.status == 1
    assert "refused   en/enter-number.wav" in result.out
    assert not cli.recordings.exists()


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le"])
def test_words_that_cannot_be_read_are_not_taken_for_the_scripts(
    cli: PromptsCli, studio: Path, encoding: str
) -> None:
    tone(studio / "en" / "enter-number.wav", 3.0)
    words = "Répondez à autre chose."
    (studio / "en" / "enter-number.txt").write_text(words, encoding=encoding)
    result = cli("import", studio, "--line", "shop", "--convert")
    assert result.status == 1
    assert "save it as UTF-8 (enter-number.txt)" in result.out
    assert not cli.recordings.exists()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_words_that_say_their_encoding_are_read(
    cli: PromptsCli, studio: Path, encoding: str
) -> None:
    tone(studio / "en" / "enter-number.wav", 3.0)
    (studio / "en" / "enter-number.txt").write_text(f"{ENTER}\r\n", encoding=encoding)
    assert cli("import", studio, "--line", "shop").status == 0
    text = (cli.recordings / "en" / "enter-number.txt").read_bytes()
    assert text == f"{ENTER}\n".encode()


def test_names_may_come_in_any_case_and_hidden_files_are_passed_over(
    cli: PromptsCli, tmp_path: Path
) -> None:
    tone(tmp_path / "EN" / "Enter-Number.WAV", 3.0)
    (tmp_path / "EN" / "._Enter-Number.WAV").write_bytes(b"\0\5\x16\7")
    (tmp_path / ".DS_Store").write_bytes(b"")
    result = cli("import", tmp_path, "--line", "shop", "--json")
    assert results(result) == {"EN/Enter-Number.WAV": "taken"}
    assert (cli.recordings / "en" / "enter-number.wav").is_file()


def test_a_prompt_that_comes_twice_is_taken_once(cli: PromptsCli, tmp_path: Path) -> None:
    tone(tmp_path / "en" / "enter-number.WAV", 3.0)
    tone(tmp_path / "en" / "enter-number.wav", 3.0)
    result = cli("import", tmp_path, "--line", "shop")
    assert result.status == 1
    assert "is the same prompt as en/enter-number.WAV" in result.out


def test_what_is_not_a_wav_is_named(cli: PromptsCli, studio: Path) -> None:
    (studio / "en" / "busy.flac").write_bytes(b"fLaC")
    result = cli("import", studio, "--line", "shop", "--convert")
    assert "ignored     en/busy.flac" in result.out
    assert "is not a WAV file: export it as one" in result.out


def test_a_recording_is_refused_where_asterisk_would_play_another(
    cli: PromptsCli, studio: Path
) -> None:
    (cli.recordings / "en").mkdir(parents=True)
    (cli.recordings / "en" / "enter-number.ulaw").write_bytes(b"\x7f" * 800)
    result = cli("import", studio, "--line", "shop", "--convert")
    assert result.status == 1
    assert "has enter-number.ulaw beside it, which Asterisk may play instead" in result.out
    assert not (cli.recordings / "en" / "enter-number.wav").exists()


def test_a_wrong_case_is_put_right_in_place(cli: PromptsCli) -> None:
    file = tone(cli.recordings / "EN" / "Enter-Number.WAV", 3.0)
    assert cli("check").status == 1
    assert cli("import", cli.recordings, "--line", "shop").status == 0
    assert sorted(path.name for path in file.parent.iterdir()) == [
        "Enter-Number.WAV.original",
        "enter-number.txt",
        "enter-number.wav",
    ]
    assert cli("check").status == 0


async def test_a_folder_of_custom_prompts_is_put_right_where_it_is(
    cli: PromptsCli, tmp_path: Path
) -> None:
    file = recording(tmp_path, "enter-number", ENTER)
    samples = with_tag(tone(file, 3.0))
    settings = cli.settings
    speech = settings.speech.model_copy(update={"prompts": tmp_path, "recordings": None})
    own = settings.model_copy(update={"speech": speech})
    result = await taking.run(own, tmp_path, "shop", to_convert=False)
    assert [row.result for row in result.rows] == ["rewritten"]
    assert file.read_bytes() == sound(samples)
    assert file.with_name("enter-number.wav.original").exists()
