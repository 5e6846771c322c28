"""`prompts list`: every prompt, in words."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from agi_bridge.cli.prompts.list_ import Listing
from agi_bridge.prompts.inspection import LinePrompts, inspect_prompt
from agi_bridge.prompts.required import RequiredPrompt
from agi_bridge.speech import SHIPPED
from tests.support.prompts_commands import shown

if TYPE_CHECKING:
    from tests.support.prompts_commands import PromptsCli


def test_every_prompt_of_every_language_is_listed_with_its_words(cli: PromptsCli) -> None:
    result = cli.configure(languages=["en", "fr"])("list")
    assert result.status == 0
    assert "Please wait." in result.out
    assert "Veuillez patienter." in result.out
    assert "shop, en: disclosure of 20.9 s (recommended: at most 30 s)" in result.out
    assert "shop, fr: disclosure of 27.8 s" in result.out


def test_where_a_sound_comes_from_is_shown(rendered: PromptsCli) -> None:
    lines = rendered("list").out.splitlines()
    (busy,) = [line.split() for line in lines if line.startswith("busy")]
    assert busy[1:4] == ["rendered", "1.7", "1"]


def test_json_has_hashes_files_and_lengths(cli: PromptsCli) -> None:
    (line,) = cli("list", "--line", "+14155550111", "--json").json
    assert line["line"] == "shop"
    (goodbye,) = [each for each in line["prompts"] if each["name"] == "goodbye"]
    assert goodbye == {
        "name": "goodbye",
        "language": "en",
        "text": "Goodbye.",
        "text_sha256": hashlib.sha256(b"Goodbye.").hexdigest(),
        "version": 1,
        "source": "shipped",
        "file": str(SHIPPED / "en" / "goodbye.wav"),
        "seconds": 0.742,
    }


def test_another_line_is_misuse(cli: PromptsCli) -> None:
    result = cli("list", "--line", "garage")
    assert (result.status, result.out) == (2, "")
    assert "shop" in result.err


def test_a_line_whose_disclosure_is_nowhere_is_listed_all_the_same(cli: PromptsCli) -> None:
    asking = inspect_prompt(
        RequiredPrompt("disclosure-shop", "en", None, "no text", is_disclosure=True), None
    )
    listing = Listing((LinePrompts(cli.settings.lines["shop"], (asking,), ()),))
    text = shown(listing)
    assert "shop, en: no disclosure" in text
    assert "missing" in text
