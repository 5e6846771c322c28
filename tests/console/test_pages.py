"""What templates call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agi_bridge.console.pages import clock, within_hour


def test_a_time_of_another_year_has_its_year() -> None:
    """Records are kept for years."""
    now = datetime.now(UTC)
    assert str(now.year) not in clock(now.isoformat())
    assert clock("2019-11-27T14:05:09.123Z") == "27 Nov 2019, 14:05:09"


def test_a_start_is_young_for_an_hour() -> None:
    now = datetime.now(UTC)
    assert within_hour((now - timedelta(minutes=59)).isoformat())
    assert not within_hour((now - timedelta(minutes=61)).isoformat())
    assert not within_hour(None)
