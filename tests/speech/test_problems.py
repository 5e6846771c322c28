"""The sentences of what can be wrong with recordings, folders and scripts, word for word."""

from __future__ import annotations

import string

import pytest

from agi_bridge.speech.problems import SENTENCES, Problem

FIELDS = {
    "reason": "Permission denied",
    "problem": "is not UTF-8 text",
    "language": "de",
    "table": "texts",
    "names": "busy, goodbye",
    "name": "busy.wav",
    "other": "EN/busy.wav",
    "manifest": "manifest.json",
    "field": "samples",
    "example": ", such as LIST",
    "khz": 8,
    "count": 3,
    "level": -4.2,
    "wanted": -20.0,
    "seconds": 31.24,
    "limit": 30.0,
}


@pytest.mark.parametrize("code", SENTENCES)
def test_each_sentence_is_one_line_without_an_end(code: str) -> None:
    text = Problem(code, **FIELDS)
    assert text.code == code
    assert text
    assert "\n" not in text
    assert not text.endswith((".", " "))


@pytest.mark.parametrize("code", SENTENCES)
def test_each_sentence_uses_known_placeholders(code: str) -> None:
    names = {name for _, name, _, _ in string.Formatter().parse(SENTENCES[code]) if name}
    assert names <= FIELDS.keys()


def test_a_name_and_a_place_before_a_problem_keep_its_code() -> None:
    problem = Problem("silent").of("en/busy.wav").within("/srv/prompts")
    assert problem.startswith("/srv/prompts: en/busy.wav is silent")
    assert problem.code == "silent"


def test_values_are_shown_as_people_read_them() -> None:
    assert Problem("too_loud", **FIELDS) == "is too loud: -4 dB instead of -20 dB"
    assert Problem("long_disclosure", **FIELDS) == "takes 31.2 s: above 30 s callers hang up"
    assert Problem("too_long", seconds=360.0) == "is longer than 360 s"
    assert Problem("placeholder", name="hilfe") == "contains {hilfe}, which is unknown"
    assert Problem("digits_place") == "may contain {digits} only at its end"
