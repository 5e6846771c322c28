"""Command-line values: phone numbers, dates, and texts that are never erased."""

from __future__ import annotations

import pytest

from agi_bridge.cli import arguments
from agi_bridge.cli.common import UsageError
from tests.support.call_env import settings


@pytest.mark.parametrize(
    "text",
    [
        "+14155550123",
        "415-555-0123",
        "(415) 555-0123",
        "14155550123",
        "\u202d+1\u00a0415\u2013555\u20130123\u202c",
    ],
)
def test_a_number_may_have_any_usual_form(text: str) -> None:
    assert arguments.phone_number(settings(), text) == "+14155550123"


def test_a_number_without_a_country_code_has_the_country_of_the_first_line() -> None:
    assert arguments.phone_number(settings(regions=["FR"]), "06 12 34 56 78") == "+33612345678"


@pytest.mark.parametrize("text", ["", "415", "nobody", "+1415555012345678"])
def test_an_invalid_number_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        arguments.phone_number(settings(), text)
    assert str(refused.value) == "--number: not a phone number; write it like +14155550123"


def test_a_date_is_its_start_and_its_end_is_the_next_start() -> None:
    assert arguments.utc_timestamp("--since", "2026-02-28") == "2026-02-28T00:00:00.000Z"
    assert arguments.utc_timestamp("--until", "2026-02-28", end=True) == "2026-03-01T00:00:00.000Z"


def test_a_time_is_converted_to_utc() -> None:
    assert (
        arguments.utc_timestamp("--since", "2026-11-23T01:02:03.456-08:00")
        == "2026-11-23T09:02:03.456Z"
    )
    assert (
        arguments.utc_timestamp("--until", "2026-11-23 01:02:03Z", end=True)
        == "2026-11-23T01:02:03.000Z"
    )


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026-11-23T01:02:03", "9999-12-31"])
def test_an_invalid_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--until: write a date"):
        arguments.utc_timestamp("--until", text, end=True)


def test_a_date_is_checked() -> None:
    assert arguments.iso_date("--date", "2026-11-23") == "2026-11-23"
    with pytest.raises(UsageError, match=r"^--date: write a date"):
        arguments.iso_date("--date", "23.11.2026")


def test_outer_spaces_of_a_text_are_removed() -> None:
    assert (
        arguments.permanent_text("--note", " told by phone on 23 Nov, 2 of 3 ")
        == "told by phone on 23 Nov, 2 of 3"
    )


@pytest.mark.parametrize("text", ["", "  ", "two\nlines", "x" * 501, "\x1b[2J"])
def test_a_text_must_be_one_line_of_limited_length(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--note: write one line"):
        arguments.permanent_text("--note", text)


@pytest.mark.parametrize("text", ["request of 2026-11-20", "letter, 20.11.2026", "log 20261120"])
def test_a_text_may_name_a_day(text: str) -> None:
    assert arguments.permanent_text("--note", text) == text


@pytest.mark.parametrize(
    "text",
    [
        "call +14155550123",
        "on 2026-11-20 by 415-555-0123",
        "2025030123",
        "call (415) 555-0123",
        "415 5550 123 asked",
        "call 415\u2011555\u20110123",
        "call \uff14\uff11\uff15\uff15\uff15\uff15\uff10\uff11\uff12\uff13",
    ],
)
def test_a_text_with_a_number_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError, match="can never be erased") as refused:
        arguments.permanent_text("--note", text)
    assert "415" not in str(refused.value)
