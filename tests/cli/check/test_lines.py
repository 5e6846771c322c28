"""`agi-bridge check`: its findings about lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.app.findings import EXIT_OK, Level
from tests.support.checking import DID, found, one

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.app.findings import Report

HANGUP = 'default = {kind = "hangup"}'


@pytest.mark.parametrize(
    ("regions", "count"),
    [('["GB"]', "11"), ('["ES", "US"]', "9"), ('["DE"]', "11 to 12"), ('["FR"]', None)],
)
@pytest.mark.parametrize("language", ["en", "es", "fr"])
def test_a_text_that_asks_for_ten_digits_is_noted_where_numbers_have_another_length(
    checked: Callable[..., Report], regions: str, count: str | None, language: str
) -> None:
    report = checked(line=f'{HANGUP}\nregions = {regions}\nlanguages = ["{language}"]')
    if count is None:
        assert found(report, "lines.shop.texts") == []
        return
    finding = one(report, "lines.shop.texts")
    assert (finding.level, finding.code) == (Level.NOTE, "line.texts.digits")
    assert finding.problem.startswith(f"{language}: ")
    assert count in finding.problem
    assert ("#" in finding.fix) is ("to" in count)


def test_the_shipped_texts_fit_the_united_states(checked: Callable[..., Report]) -> None:
    assert found(checked(), "lines.shop.texts") == []


@pytest.mark.parametrize("number", [DID, DID[1:], DID[2:]])
def test_a_default_destination_that_is_a_number_of_a_line_is_noted(
    checked: Callable[..., Report], number: str
) -> None:
    report = checked(line=f'default = {{kind = "dial", destination = "PJSIP/{number}@trunk"}}')
    finding = one(report, "lines.shop.default")
    assert (finding.level, finding.code) == (Level.NOTE, "line.default.own_number")
    assert DID[2:] not in finding.text
    assert report.exit_code == EXIT_OK


@pytest.mark.parametrize("destination", ["PJSIP/100", "PJSIP/+14155550199@trunk"])
def test_any_other_default_destination_is_not_noted(
    checked: Callable[..., Report], destination: str
) -> None:
    report = checked(line=f'default = {{kind = "dial", destination = "{destination}"}}')
    assert found(report, "lines.shop.default") == []
