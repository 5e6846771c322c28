"""What `check` finds about the lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.app.findings import EXIT_OK, Level
from tests.support.checking import DID, found

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.app.findings import Report

HANGUP = 'default = {kind = "hangup"}'


@pytest.mark.parametrize(
    ("regions", "count"),
    [('["GB"]', "11"), ('["ES", "US"]', "9"), ('["DE"]', "11 to 12"), ('["FR"]', None)],
)
@pytest.mark.parametrize("language", ["en", "es", "fr"])
def test_words_that_ask_for_ten_digits_are_told_where_numbers_have_others(
    checked: Callable[..., Report], regions: str, count: str | None, language: str
) -> None:
    report = checked(line=f'{HANGUP}\nregions = {regions}\nlanguages = ["{language}"]')
    told = found(report, "lines.shop.texts")
    if count is None:
        assert told == []
        return
    ((level, text),) = told
    assert level is Level.NOTE
    assert text.startswith(f"{language}: enter-number asks for ten digits, but numbers of ")
    assert f" are keyed with {count}; " in text
    assert ("and that # ends it" in text) is ("to" in count)


def test_the_words_fit_where_they_were_written(checked: Callable[..., Report]) -> None:
    assert found(checked(), "lines.shop.texts") == []


@pytest.mark.parametrize("number", [DID, DID[1:], DID[2:]])
def test_a_default_destination_that_is_a_line_of_ours_is_told(
    checked: Callable[..., Report], number: str
) -> None:
    report = checked(line=f'default = {{kind = "dial", destination = "PJSIP/{number}@trunk"}}')
    ((level, text),) = found(report, "lines.shop.default")
    assert level is Level.NOTE
    assert "which is a number of this bridge" in text
    assert DID[2:] not in text
    assert report.exit_code == EXIT_OK


@pytest.mark.parametrize("destination", ["PJSIP/100", "PJSIP/+14155550199@trunk"])
def test_any_other_default_destination_is_not(
    checked: Callable[..., Report], destination: str
) -> None:
    report = checked(line=f'default = {{kind = "dial", destination = "{destination}"}}')
    assert found(report, "lines.shop.default") == []
