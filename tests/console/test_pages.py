"""What templates call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agi_bridge.console.pages import within_hour


def test_a_start_is_young_for_an_hour() -> None:
    now = datetime.now(UTC)
    assert within_hour((now - timedelta(minutes=59)).isoformat())
    assert not within_hour((now - timedelta(minutes=61)).isoformat())
    assert not within_hour(None)
