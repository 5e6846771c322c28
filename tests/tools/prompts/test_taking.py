"""`prompts import`: recordings that come back from a studio."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
import soundfile

from agi_bridge.speech import Folder, Library
from agi_bridge.tools.errors import UsageError
from agi_bridge.tools.prompts import taking

from .sounds import RATE, recording, shipped_text, tone

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tools.said import Said

    from .commands import Shop

ENTER = shipped_text("enter-number")


@pytest.fixture
def studio(shop: Shop) -> Path:
    """The folder that a studio got, in which there is a recording of 48 kHz."""
    folder = shop.folder / "studio"
    assert shop("export", "--line", "shop", "--out", folder).status == 0
    tone(folder / "en" / "enter-number.wav", 3.0, rate=48000, height=0.4, silence=0.6)
    return folder


def results(told: Said) -> dict[str, str]:
    return {row["file"]: row["result"] for row in told.json["files"]}


def test_a_studios_recording_is_converted_and_callers_hear_it(shop: Shop, studio: Path) -> None:
    told = shop("import", studio, "--line", "shop", "--convert", "--json")
    assert told.status == 0
    assert results(told) == {"en/enter-number.wav": "converted"}
    library = Library(cache=shop.folder / "cache").over(Folder(shop.recordings))
    heard = library.prompt("enter-number", "en")
    assert heard.wav == shop.recordings / "en" / "enter-number.wav"
    assert heard.text == ENTER
    assert heard.seconds == pytest.approx(3.1, abs=0.05)


def test_converted_recordings_have_no_flaw_left(shop: Shop, studio: Path) -> None:
    shop("import", studio, "--line", "shop", "--convert")
    flaws = shop("check", "--json").json["lines"][0]["flaws"]
    assert [flaw["prompt"] for flaw in flaws] == ["disclosure"]  # the package's


def test_another_account_may_read_them_and_nothing_else_is_left(shop: Shop, studio: Path) -> None:
    shop("import", studio, "--line", "shop", "--convert")
    left = {
        str(path.relative_to(shop.recordings)): stat.S_IMODE(path.stat().st_mode)
        for path in shop.recordings.rglob("*")
    }
    assert left == {
        "en": 0o755,
        "en/enter-number.txt": 0o644,
        "en/enter-number.wav": 0o644,
        "en/enter-number.wav16": 0o644,
    }
    assert stat.S_IMODE(shop.recordings.stat().st_mode) == 0o755


def test_hd_voice_lies_beside_a_prompt_but_never_beside_the_disclosure(
    shop: Shop, studio: Path
) -> None:
    tone(studio / "en" / "disclosure.wav", 22.0, rate=48000)
    shop("import", studio, "--line", "shop", "--convert")
    wide = shop.recordings / "en" / "enter-number.wav16"
    assert soundfile.info(str(wide)).samplerate == 16_000
    assert (shop.recordings / "en" / "disclosure.wav").exists()
    assert not (shop.recordings / "en" / "disclosure.wav16").exists()


async def test_another_lines_disclosure_gets_no_hd_voice_either(shop: Shop, studio: Path) -> None:
    settings = shop.settings
    garage = settings.lines["shop"].model_copy(update={"disclosure": "enter-number"})
    both = settings.model_copy(update={"lines": {**settings.lines, "garage": garage}})
    await taking.run(both, studio, "shop", to_convert=True)
    assert (shop.recordings / "en" / "enter-number.wav").exists()
    assert not (shop.recordings / "en" / "enter-number.wav16").exists()


def test_without_convert_it_is_refused_and_said_what_would_help(shop: Shop, studio: Path) -> None:
    told = shop("import", studio, "--line", "shop")
    assert told.status == 1
    assert "refused   en/enter-number.wav" in told.out
    assert "is not 16 bit, one channel, 8 kHz" in told.out
    assert "1 file would be taken with --convert" in told.out
    assert not shop.recordings.exists()


def test_what_is_good_as_it_is_is_taken_byte_for_byte(shop: Shop, studio: Path) -> None:
    file = tone(studio / "en" / "enter-number.wav", 3.0)
    told = shop("import", studio, "--line", "shop", "--json")
    assert told.status == 0
    assert results(told) == {"en/enter-number.wav": "taken"}
    taken = shop.recordings / "en" / "enter-number.wav"
    assert taken.read_bytes() == file.read_bytes()


def test_an_older_hd_recording_does_not_outlive_the_new_one(shop: Shop, studio: Path) -> None:
    shop("import", studio, "--line", "shop", "--convert")
    tone(studio / "en" / "enter-number.wav", 3.0)
    shop("import", studio, "--line", "shop")
    assert not (shop.recordings / "en" / "enter-number.wav16").exists()


def test_one_bad_recording_keeps_no_other_out(shop: Shop, studio: Path) -> None:
    tone(studio / "en" / "busy.wav", 1.6, rate=48000, height=4.0, clipped=0.9)
    told = shop("import", studio, "--line", "shop", "--convert", "--json")
    assert told.status == 1
    assert results(told) == {"en/busy.wav": "refused", "en/enter-number.wav": "converted"}
    assert not (shop.recordings / "en" / "busy.wav").exists()
    assert not (shop.recordings / "en" / "busy.txt").exists()


def test_a_recording_of_an_older_script_is_refused(shop: Shop, studio: Path) -> None:
    tone(studio / "en" / "disclosure.wav", 22.0)
    told = shop.configure(brand="Maple Books")("import", studio, "--line", "shop", "--json")
    (row,) = [row for row in told.json["files"] if row["file"] == "en/disclosure.wav"]
    assert row["result"] == "refused"
    told_why = "speaks what disclosure.txt says, which is no longer the script's text"
    assert told_why in row["remarks"]
    assert row["mendable"] is False


def test_a_recording_that_comes_without_its_text_speaks_the_scripts(shop: Shop) -> None:
    tone(shop.folder / "came" / "en" / "enter-number.wav", 3.0)
    assert shop("import", shop.folder / "came", "--line", "shop").status == 0
    text = (shop.recordings / "en" / "enter-number.txt").read_text(encoding="utf-8")
    assert text.strip() == ENTER


def test_a_file_of_no_prompt_is_told_of(shop: Shop, studio: Path) -> None:
    tone(studio / "en" / "bussy.wav", 1.6)
    told = shop("import", studio, "--line", "shop", "--convert")
    assert told.status == 0
    assert "ignored     en/bussy.wav" in told.out
    assert "no recording yet, en: language-menu-item, disclosure, you-entered" in told.out
    assert "Restart every bridge: its record of consent names what is played." in told.out


def test_a_disclosure_above_thirty_seconds_is_taken_and_told_of(shop: Shop, studio: Path) -> None:
    tone(studio / "en" / "disclosure.wav", 31.0)
    told = shop("import", studio, "--line", "shop", "--convert")
    assert told.status == 0
    assert "takes more than 30 s: callers hang up" in told.out


def test_a_disclosure_of_ones_own_brings_its_words(shop: Shop) -> None:
    recording(shop.recordings, "disclosure-shop", "Hello, this is the shop.")
    shop.configure(disclosure="disclosure-shop")
    came = tone(shop.folder / "came" / "en" / "disclosure-shop.wav", 2.0)
    told = shop("import", shop.folder / "came", "--line", "shop")
    assert told.status == 1
    assert "has no text: write what is spoken into disclosure-shop.txt beside it" in told.out
    came.with_suffix(".txt").write_text("Hello, it is the shop.", encoding="utf-8")
    assert shop("import", shop.folder / "came", "--line", "shop").status == 0
    text = (shop.recordings / "en" / "disclosure-shop.txt").read_text(encoding="utf-8")
    assert text == "Hello, it is the shop.\n"


def test_recordings_are_mended_where_they_are_and_the_original_is_kept(shop: Shop) -> None:
    file = recording(shop.recordings, "enter-number", ENTER)
    before = tone(file, 3.0, height=0.03).read_bytes()
    told = shop("import", shop.recordings, "--line", "shop", "--convert", "--json")
    assert results(told) == {"en/enter-number.wav": "converted"}
    assert (file.parent / "enter-number.wav.original").read_bytes() == before
    assert file.read_bytes() != before
    again = shop("import", shop.recordings, "--line", "shop", "--json")
    assert results(again) == {"en/enter-number.wav": "taken"}


def test_what_the_service_refuses_can_be_mended_where_it_is(shop: Shop) -> None:
    file = tone(shop.recordings / "en" / "enter-number.wav", 3.0, rate=48000)
    assert shop("import", shop.recordings, "--line", "shop", "--convert").status == 0
    assert soundfile.info(str(file)).samplerate == RATE
    assert shop("check").status == 0


def test_nothing_to_take_is_a_no(shop: Shop) -> None:
    (shop.folder / "empty").mkdir()
    told = shop("import", shop.folder / "empty", "--line", "shop")
    assert (told.status, told.out) == (1, "no LANGUAGE/NAME.wav is there\n")


def test_no_folder_is_misuse(shop: Shop) -> None:
    told = shop("import", shop.folder / "none", "--line", "shop")
    assert (told.status, told.err) == (2, f"agi-bridge: {shop.folder}/none is no folder\n")


async def test_without_a_folder_for_recordings_it_is_misuse(shop: Shop) -> None:
    settings = shop.settings
    speech = settings.speech.model_copy(update={"recordings": None})
    with pytest.raises(UsageError, match=r"speech\.recordings is not set"):
        await taking.run(
            settings.model_copy(update={"speech": speech}), shop.folder, "shop", to_convert=False
        )
