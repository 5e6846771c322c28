"""Texts from outside are made fit to be spoken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.speech.prompt_names import (
    MAX_SENTENCE,
    MAX_TEXT_BYTES,
    clean,
    comparable,
    language_tags,
    menu_key,
    sentences,
)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("  Bonjour,\n\tmonde ", "Bonjour, monde"),
        ("a\x00b\x1b[31mc\u202ed", "a b [31mc d"),
        ("a\N{NO-BREAK SPACE}b\ud800c", "a b c"),
        ("\x00\r\n", ""),
    ],
)
def test_a_text_becomes_one_line_without_control_characters(text: str, spoken: str) -> None:
    assert clean(text) == spoken


def test_a_long_text_is_cut_at_a_word() -> None:
    cut = clean("été " * 2000)
    assert len(cut.encode()) <= MAX_TEXT_BYTES
    assert cut.endswith("été")


def test_a_long_word_is_cut_at_a_character() -> None:
    assert clean("é" * 3000) == "é" * 2048


@given(st.text(max_size=6000))
def test_whatever_comes_is_printable_short_and_stays_as_it_is(text: str) -> None:
    spoken = clean(text)
    assert spoken.isprintable()
    assert len(spoken.encode()) <= MAX_TEXT_BYTES
    assert clean(spoken) == spoken


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("One", ["One"]),
        ("One. Two!  Three? 3.5 is four", ["One.", "Two!", "Three?", "3.5 is four"]),
        ("a" * 200 + ", " + "b" * 100, ["a" * 200 + ",", "b" * 100]),
        ("a" * 200 + " " + "b" * 100, ["a" * 200, "b" * 100]),
        ("a" * 300, ["a" * MAX_SENTENCE, "a" * 60]),
    ],
)
def test_a_text_is_parted_into_sentences_and_these_where_one_may_breathe(
    text: str, parts: list[str]
) -> None:
    assert sentences(text) == parts


@given(st.text(max_size=2000))
def test_no_part_is_too_long_and_no_word_is_lost(text: str) -> None:
    parts = sentences(text)
    assert all(0 < len(part) <= MAX_SENTENCE for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "Désolé, ce numéro n\N{RIGHT SINGLE QUOTATION MARK}est lié à aucun magasin",
        "Désolé, ce numéro n'est lié à aucun magasin.",
        "  désolé, ce numéro\nn`est lié à aucun MAGASIN ",
        "De\N{COMBINING ACUTE ACCENT}solé, ce numéro n'est lié à aucun magasin",
    ],
)
def test_forms_of_one_text_compare_equal(text: str) -> None:
    assert comparable(text) == "désolé, ce numéro n'est lié à aucun magasin"


@pytest.mark.parametrize(
    ("language", "tags"),
    [
        ("fr", ("fr",)),
        ("fr-CA", ("fr-ca", "fr")),
        ("pt_BR", ("pt-br", "pt")),
        ("es-419", ("es-419", "es")),
        ("", ()),
        ("../../etc", ()),
        ("-w", ()),
        ("en$(id)", ()),
    ],
)
def test_only_language_tags_are_languages(language: str, tags: tuple[str, ...]) -> None:
    assert language_tags(language) == tags


@pytest.mark.parametrize(
    ("text", "key"),
    [("For English, press 1.", "1"), ("Press one", None), ("1 or 2", None), ("press 12", None)],
)
def test_a_menu_prompts_key_is_its_one_digit(text: str, key: str | None) -> None:
    assert menu_key(text) == key
