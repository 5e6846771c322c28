"""Events that a stranger can cause: said at once, then counted."""

from __future__ import annotations

from structlog.testing import capture_logs

from agi_bridge.guard import Tally


def minute_over(tally: Tally) -> None:
    """What the timer does."""
    assert tally._timer is not None
    tally._timer.cancel()
    tally._say()


async def test_the_first_is_said_at_once_and_the_others_at_the_end_of_the_period() -> None:
    with capture_logs() as logs:
        tally = Tally("refused")
        for port in range(1000):
            tally.add(port=port)
        assert [(line["count"], line["port"]) for line in logs] == [(1, 0)]
        minute_over(tally)
        tally.close()
    assert [(line["event"], line["count"], line["port"]) for line in logs] == [
        ("refused", 1, 0),
        ("refused", 999, 999),
    ]
    assert {line["log_level"] for line in logs} == {"warning"}


async def test_after_a_quiet_period_the_next_is_said_at_once_again() -> None:
    with capture_logs() as logs:
        tally = Tally("refused")
        tally.add()
        minute_over(tally)
        tally.add()
        tally.close()
    assert [line["count"] for line in logs] == [1, 1]


async def test_closing_says_what_was_counted_and_leaves_no_timer() -> None:
    with capture_logs() as logs:
        tally = Tally("refused")
        for _ in range(3):
            tally.add()
        tally.close()
        tally.close()
    assert [line["count"] for line in logs] == [1, 2]
    assert tally._timer is None
