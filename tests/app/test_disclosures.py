"""A line whose texts advertise does not start with a wording that does not say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.app.disclosures import check_disclosures, unfit_for_canada
from agi_bridge.settings import SettingsError
from tests.support.call_env import settings

if TYPE_CHECKING:
    from agi_bridge.speech import Library

ADVERTISES = "Example Store: you agree to marketing texts."
CANADIAN = (
    "Example Store, 1 Main Street, Ottawa: you agree to marketing texts. You may withdraw your"
    " consent at any time."
)


class _Recording:
    def __init__(self, text: str) -> None:
        self.text = text


class _Library:
    """A library whose every prompt says the same."""

    def __init__(self, text: str) -> None:
        self._text = text

    def prompt(self, _name: str, _language: str) -> _Recording:
        return _Recording(self._text)


def library(text: str) -> Library:
    return _Library(text)  # type: ignore[return-value]  # what the code asks of one


def test_a_wording_that_names_brand_and_purpose_starts() -> None:
    for purpose, text in (("marketing", ADVERTISES), ("info", "You agree to texts.")):
        check_disclosures(settings(purpose=purpose), {"shop": library(text)})


@pytest.mark.parametrize(
    "text",
    [
        "You agree to marketing texts.",
        "Example Store: you agree to texts.",
        "Example Store: you agree to texts. We send no marketing.",
    ],
)
def test_another_wording_does_not_start(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        check_disclosures(settings(purpose="marketing"), {"shop": library(text)})
    assert [fault.code for fault in refused.value.faults] == ["line.disclosure.disclosure"]


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        (CANADIAN, []),
        (ADVERTISES, ["address", "withdrawal"]),
        (CANADIAN.replace("Ottawa", "Toronto"), ["address"]),
        (CANADIAN.partition("You may")[0], ["withdrawal"]),
    ],
)
def test_what_canada_asks_for_besides_is_found(text: str, lacks: list[str]) -> None:
    line = settings(purpose="marketing", mailing_address="1 Main Street, Ottawa").lines["shop"]
    assert [lack for _, lack in unfit_for_canada(line, library(text))] == lacks
    elsewhere = settings(purpose="marketing", regions=["US"]).lines["shop"]
    assert not list(unfit_for_canada(elsewhere, library(text)))
