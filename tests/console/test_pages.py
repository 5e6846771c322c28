"""What templates call: names from outside, and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agi_bridge.console.pages import is_plain, within_hour


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("1795413525.18", True),
        ("pbx-1795413525.18", True),
        ("../../settings", False),
        ("a/b", False),
        ("..", False),
        ("", False),
        ("x" * 81, False),
        ("\u0661", False),
    ],
)
def test_a_name_from_outside_is_a_link_only_if_it_can_be_asked_for(name: str, plain: bool) -> None:  # noqa: FBT001 - a table
    assert is_plain(name) is plain


def test_a_start_is_young_for_an_hour() -> None:
    now = datetime.now(UTC)
    assert within_hour((now - timedelta(minutes=59)).isoformat())
    assert not within_hour((now - timedelta(minutes=61)).isoformat())
    assert not within_hour(None)
