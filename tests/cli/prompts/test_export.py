"""`prompts export`: the script as a studio gets it."""

from __future__ import annotations

import csv
import hashlib
import html
import re
from typing import TYPE_CHECKING

import pytest

from agi_bridge.prompts import IncompleteScriptError, LinePrompts, build_sheet, inspect_prompt
from agi_bridge.prompts.required import RequiredPrompt
from tests.support.prompt_sounds import recording

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.prompts_commands import PromptsCli


def exported(cli: PromptsCli) -> Path:
    result = cli("export", "--line", "shop", "--out", cli.folder / "studio")
    assert result.status == 0, result
    return cli.folder / "studio"


def page(folder: Path) -> str:
    """The page as it is read: no tags, no line breaks."""
    text = (folder / "index.html").read_text(encoding="utf-8")
    body = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "script.csv").open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.DictReader(opened))


def test_every_text_stands_on_the_page_with_its_file_and_how_to_speak_it(
    cli: PromptsCli,
) -> None:
    folder = exported(cli.configure(languages=["en", "fr"], brand="Maple Books"))
    read = page(folder)
    assert "English, French: 17 texts in each language" in read
    assert "1 en/language-menu-item.wav For English, press 1." in read
    assert "Thank you for calling Maple Books." in read
    assert "Merci d'appeler Maple Books." in read
    assert "keep the voice up, no falling end" in read
    assert "it must not take more than 30 s" in read


def test_a_spreadsheet_reads_the_table_as_it_is(cli: PromptsCli) -> None:
    folder = exported(cli.configure(languages=["en", "es"]))
    assert (folder / "script.csv").read_bytes().startswith(b"\xef\xbb\xbfNo,Language,File,Text,")
    found = rows(folder)
    assert len(found) == 34
    (spanish,) = [row for row in found if row["File"] == "es/language-menu-item.wav"]
    text = "Para español, oprima 2."
    assert spanish == {
        "No": "1",
        "Language": "Spanish",
        "File": "es/language-menu-item.wav",
        "Text": text,
        "How to speak it": "Inviting. The word for the key is the one that matters.",
        "About (s)": "1.5",
        "Script version": "1",
        "SHA-256 of the text": hashlib.sha256(text.encode()).hexdigest(),
    }


def test_each_text_lies_where_its_recording_is_to_lie(cli: PromptsCli) -> None:
    folder = exported(cli)
    for row in rows(folder):
        text = (folder / row["File"]).with_suffix(".txt").read_text(encoding="utf-8")
        assert text == row["Text"] + "\n"
    assert len(list(folder.glob("*/*.txt"))) == 17


def test_nothing_from_the_configuration_becomes_markup(cli: PromptsCli) -> None:
    folder = exported(cli.configure(brand="<script>alert(1)</script> & Söhne"))
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Söhne" in text


def test_a_custom_disclosure_goes_along_in_its_own_words(cli: PromptsCli) -> None:
    recording(cli.recordings, "disclosure-shop", "Hello, this is the shop.")
    folder = exported(cli.configure(disclosure="disclosure-shop"))
    (own,) = [row for row in rows(folder) if row["File"] == "en/disclosure-shop.wav"]
    assert (own["Text"], own["Script version"]) == ("Hello, this is the shop.", "")
    assert own["How to speak it"].startswith("The legal text: exactly as written")


def test_a_folder_in_use_is_left_alone(cli: PromptsCli) -> None:
    folder = exported(cli)
    result = cli("export", "--line", "shop", "--out", folder)
    assert (result.status, result.out) == (2, "")
    assert result.err == f"agi-bridge: --out: {folder} already exists; name a new folder\n"


def test_what_is_written_is_told(cli: PromptsCli) -> None:
    out = cli.folder / "studio"
    result = cli("export", "--line", "shop", "--out", out, "--json")
    assert result.json == {
        "out": str(out),
        "line": "shop",
        "languages": [{"language": "en", "prompts": 17, "seconds": 64.0}],
    }


def test_half_a_script_is_not_sent(cli: PromptsCli) -> None:
    asking = inspect_prompt(
        RequiredPrompt("disclosure-shop", "en", None, "'en' has no text", is_disclosure=True), None
    )
    with pytest.raises(IncompleteScriptError, match="the script is incomplete: 'en' has no text"):
        build_sheet(LinePrompts(cli.settings.lines["shop"], (asking,), ()))


def test_a_studio_is_not_sent_a_disclosure_that_names_no_brand(cli: PromptsCli) -> None:
    """Without an address the script's cannot be made; the package's own is not a line's."""
    result = cli.configure(policy_url="")("export", "--line", "shop", "--out", cli.folder / "out")
    assert result.status == 1
    assert "the script is incomplete: en: disclosure needs the line's policy_url" in result.err
    assert not (cli.folder / "out").exists()
