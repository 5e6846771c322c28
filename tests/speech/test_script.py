"""The script: its texts are whole, are what is recorded, and are filled with a line's own words."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.speech import (
    DIGIT_PROMPTS,
    PROMPTS,
    REQUIRED_PROMPTS,
    SHIPPED,
    BadScript,
    LineVariables,
    Script,
    menu_key,
)
from agi_bridge.speech.script import NAMES, TEXTS, aloud

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = Script()
SHOP = LineVariables("Corner Shop", "https://www.corner-shop.com/sms/")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a German script, which is French."""
    shutil.copy(TEXTS / "fr.toml", tmp_path / "de.toml")
    return tmp_path


def problems(own: Path) -> list[tuple[str, str]]:
    """The problems for which a script is refused: the name that each begins with, and its code."""
    with pytest.raises(BadScript) as caught:
        Script(own)
    return [(each.partition(" ")[0], each.code) for each in caught.value.problems]


def change(own: Path, old: str, new: str) -> None:
    file = own / "de.toml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("language", ["en", "es", "fr"])
def test_the_shipped_recordings_say_what_the_script_says(language: str) -> None:
    recorded = json.loads((SHIPPED / "manifest.json").read_text(encoding="utf-8"))[language]
    assert set(recorded) >= set(PROMPTS)
    assert {name: entry["text"] for name, entry in recorded.items()} == {
        name: SCRIPT.shipped(name, language) for name in recorded
    }


def test_every_text_that_a_call_may_need_is_in_the_script() -> None:
    assert SCRIPT.languages == {"en", "es", "fr"}
    assert set(NAMES) > REQUIRED_PROMPTS


@pytest.mark.parametrize(("language", "five"), [("en", "five"), ("es", "cinco"), ("fr", "cinq")])
def test_digits_can_be_recorded_though_they_need_not_be(language: str, five: str) -> None:
    texts = SCRIPT.texts(SHOP, [language], DIGIT_PROMPTS)
    assert len({text.text for text in texts}) == 10
    assert texts[5].text == five
    assert not REQUIRED_PROMPTS & set(DIGIT_PROMPTS)


def test_a_lines_own_words_stand_in_its_texts() -> None:
    en, fr = SCRIPT.texts(SHOP, ["en", "fr"], ["disclosure"])
    assert en.text.startswith("Thank you for calling Corner Shop. ")
    assert "Terms and privacy: corner dash shop dot com slash sms." in en.text
    assert "ou AIDE pour de l'aide" in fr.text
    assert (en.version, en.digits_follow, len(en.sha256)) == (1, False, 64)


@pytest.mark.parametrize("language", ["en", "es", "fr"])
def test_a_disclosure_of_marketing_says_that_agreeing_is_not_a_condition(language: str) -> None:
    (text,) = SCRIPT.texts(SHOP, [language], ["disclosure-marketing"])
    phrases = {"en": "not required", "es": "No es obligatorio", "fr": "n'est pas obligatoire"}
    assert phrases[language] in text.text
    assert "STOP" in text.text


def test_where_digits_follow_the_recording_ends_before_them() -> None:
    (text,) = SCRIPT.texts(SHOP, ["en"], ["you-entered"])
    assert (text.text, text.digits_follow) == ("You entered", True)


def test_a_country_takes_its_languages_script() -> None:
    (text,) = SCRIPT.texts(SHOP, ["fr-CA"], ["goodbye"])
    assert (text.text, text.language) == ("Merci, au revoir.", "fr-CA")


def test_a_line_may_replace_a_text() -> None:
    line = LineVariables("Shop", texts={"en": {"goodbye": "{brand} says goodbye."}})
    (text,) = SCRIPT.texts(line, ["en"], ["goodbye"])
    assert (text.text, text.version) == ("Shop says goodbye.", 0)


def test_braces_in_a_brand_are_not_placeholders() -> None:
    (text,) = SCRIPT.texts(LineVariables("{help}", "x"), ["en"], ["disclosure"])
    assert "calling {help}." in text.text


def test_all_missing_texts_are_reported_at_once() -> None:
    line = LineVariables(
        "", texts={"en": {"busy": "{name}", "no-answer": "{digits} x", "goodbye": ""}}
    )
    with pytest.raises(BadScript) as caught:
        SCRIPT.texts(line, ["en", "de"], ["disclosure", "busy", "no-answer", "goodbye", "closed"])
    assert [each.code for each in caught.value.problems] == [
        "no_value",
        "no_value",
        "placeholder",
        "digits_place",
        "empty_text",
        "no_script_text",
        "no_script",
    ]


@pytest.mark.parametrize(
    ("address", "spoken"),
    [
        ("example.com/text", "example dot com slash text"),
        ("https://www.a-b.co.uk/", "a dash b dot co dot uk"),
        ("", ""),
    ],
)
def test_an_address_is_read_aloud(address: str, spoken: str) -> None:
    assert aloud(address, {"dot": "dot", "slash": "slash", "dash": "dash"}) == spoken


@given(st.text())
def test_the_text_contains_the_brand_unchanged(brand: str) -> None:
    line = LineVariables(f"x{brand}x", "example.com")
    (text,) = SCRIPT.texts(line, ["en"], ["disclosure"])
    assert text.text.count(f"x{brand}x") >= 2


def test_a_custom_folder_adds_a_language(own: Path) -> None:
    script = Script(own)
    assert script.languages == {"de", "en", "es", "fr"}
    assert script.texts(SHOP, ["de"], ["goodbye"])[0].text == "Merci, au revoir."


def test_a_custom_folder_may_replace_a_language(own: Path) -> None:
    change(own, "version = 1", "version = 7")
    (own / "de.toml").rename(own / "en.toml")
    assert Script(own).texts(SHOP, ["en"], ["goodbye"])[0].version == 7


@pytest.mark.parametrize(
    ("old", "new", "name", "code"),
    [
        ("goodbye = ", "farewell = ", "de.toml", "script_incomplete"),
        ("help = ", "aid = ", "de.toml", "script_incomplete"),
        ("{help}", "{hilfe}", "de.toml:", "placeholder"),
        ("Veuillez", "{Veuillez", "de.toml:", "brace"),
        ("{brand}", "{brand}{digits}", "de.toml:", "digits_place"),
        ("version = 1", "version = 0", "de.toml", "script_version"),
        ("version = 1", "", "de.toml", "script_version"),
        ('goodbye = "Merci, au revoir."', "goodbye = 5", "de.toml:", "script_table"),
        ("[unbranded]", "[[unbranded]]", "de.toml:", "script_table"),
        ("version = 1", "version = ", "de.toml", "unreadable"),
    ],
)
def test_a_script_that_lacks_something_is_refused(
    own: Path, old: str, new: str, name: str, code: str
) -> None:
    change(own, old, new)
    assert (name, code) in problems(own)


def test_a_script_that_cannot_be_read_is_refused(own: Path) -> None:
    (own / "de.toml").write_bytes(b"\xff")
    assert problems(own)[0] == ("de.toml", "script")


def test_a_folder_without_a_script_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path) == [(str(tmp_path), "no_scripts")]


def test_each_languages_menu_asks_for_its_own_key() -> None:
    texts = SCRIPT.texts(SHOP, ["en", "es", "fr"], ["language-menu-item"])
    assert [menu_key(text.text) for text in texts] == ["1", "2", "3"]
